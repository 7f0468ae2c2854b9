"""The dashboard and the health view in a browser, as an operator uses them, over a live run."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Locator, Page, Response, Route, expect

from tests.browser.conftest import LONG_MS, OPERATOR, SAID_MS, Site, Watched, context_of
from tests.integration.conftest import wait_until

pytestmark = pytest.mark.timeout(400)

SECOND = timedelta(seconds=1)
BOARD = "/?tab=before&seen=1"
HEALTH = "/admin/streaming/health/"
PARTS_MS = 20_000
OPEN_CIRCUIT = "SELECT 1 FROM streaming_circuit WHERE state = 'open'"


def next_part(page: Page, name: str, status: int = 200) -> None:
    """Wait for an answer to one of the page's own requests."""

    def is_it(answer: Response) -> bool:
        return f"/health/{name}/" in answer.url and answer.status == status

    page.wait_for_event("response", is_it, timeout=LONG_MS)


@pytest.fixture
def pages(operator: Watched) -> dict[str, Page]:
    """The board, the dashboard and the health view, side by side."""
    found = {}
    for name, address in (("board", BOARD), ("dashboard", "/admin/"), ("health", HEALTH)):
        watched = Watched(operator.page.context.new_page(), operator.url)
        watched.page.goto(f"{operator.url}{address}")
        found[name] = watched.page
    return found


def state_of(page: Page) -> Locator:
    """The sentence on whether all is well: the board's strip, or the operators'."""
    return page.locator("#strip, #op-sentence")


def since(page: Page) -> datetime:
    """The moment that a page names as the beginning of what is wrong."""
    moment = state_of(page).locator(".why time, strong time").get_attribute("datetime")
    assert moment is not None
    return datetime.fromisoformat(moment)


def test_three_pages_say_within_seconds_that_the_provider_fails_and_then_that_it_is_back(
    operator: Watched, site: Site, pages: dict[str, Page]
) -> None:
    began = datetime.now(UTC)
    site.fail("503")
    try:
        wait_until(lambda: site.installation.ask(OPEN_CIRCUIT) != [], "an open circuit", 60.0)
        opened = datetime.now(UTC)
        for page in pages.values():
            expect(state_of(page)).to_contain_text("503", timeout=SAID_MS)
            expect(state_of(page)).to_contain_text("simulator")
            expect(state_of(page)).to_contain_text(re.compile(r"since \d\d:\d\d:\d\d"))
            assert (datetime.now(UTC) - opened).total_seconds() < SAID_MS / 1_000
            assert began - SECOND <= since(page) <= opened
        assert len({since(page).replace(microsecond=0) for page in pages.values()}) == 1
        expect(state_of(pages["board"])).to_contain_text("Not live")
        sentence = state_of(pages["health"])
        expect(sentence).to_contain_text(re.compile(r"Not well since \d\d:\d\d:\d\d \(\d+"))
        expect(sentence).to_contain_text("quarantined")
        operator.page.bring_to_front()
        operator.page.goto(f"{site.url}{HEALTH}")
        sentence = state_of(operator.page)
        expect(sentence).to_contain_text("What to do: Nothing: probes go on", timeout=LONG_MS)
        sentence.get_by_role("link", name="Runbook").click()
        expect(operator.page.locator("#a-circuit-is-open")).to_be_in_viewport()
    finally:
        site.recover()
    for page in pages.values():
        expect(state_of(page)).not_to_contain_text("503", timeout=LONG_MS)


def test_three_pages_say_within_seconds_that_the_workers_are_stopped(
    site: Site, pages: dict[str, Page]
) -> None:
    with site.workers_stopped():
        stopped = datetime.now(UTC)
        expect(state_of(pages["board"])).to_contain_text(
            "nothing has checked the pipeline", timeout=SAID_MS
        )
        for name in ("dashboard", "health"):
            expect(state_of(pages[name])).to_contain_text("nobody takes snapshots", timeout=SAID_MS)
        assert (datetime.now(UTC) - stopped).total_seconds() < SAID_MS / 1_000
        expect(state_of(pages["board"])).to_contain_text("Not live")
        expect(state_of(pages["health"])).to_contain_text("Not checked since")
        assert all(since(page) <= stopped for page in pages.values())
    for page in pages.values():
        expect(state_of(page)).not_to_contain_text(
            re.compile("nothing has checked|nobody takes"), timeout=LONG_MS
        )


def test_updates_keep_the_place_and_what_is_folded_out(operator: Watched, site: Site) -> None:
    page = operator.page
    page.goto(f"{site.url}{HEALTH}")
    page.locator("#op-passing summary").click()
    page.locator(".op-feeds summary").click()
    page.locator("#op-queues").scroll_into_view_if_needed()
    place = page.evaluate("document.scrollingElement.scrollTop")
    assert place > 0
    # Marks that an update takes away with the part that it replaces.
    page.locator("#op-providers, #op-checks").evaluate_all(
        "parts => parts.forEach(part => { part.dataset.old = '1'; })"
    )
    expect(page.locator("#op-providers[data-old]")).to_have_count(0, timeout=PARTS_MS)
    expect(page.locator("#op-checks[data-old]")).to_have_count(0)

    expect(page.locator("#op-passing")).to_have_attribute("open", "")
    expect(page.locator(".op-feeds")).to_have_attribute("open", "")
    assert abs(page.evaluate("document.scrollingElement.scrollTop") - place) < 40


def test_figures_are_sent_again_only_with_a_new_snapshot(operator: Watched, site: Site) -> None:
    operator.page.goto(f"{site.url}{HEALTH}")

    next_part(operator.page, "history", 304)
    expect(operator.page.locator("#op-figures")).to_contain_text("Open edges")
    next_part(operator.page, "history", 200)


def test_a_server_that_does_not_answer_is_said(site: Site, browser: Browser) -> None:
    with context_of(browser) as context:
        watched = Watched(context.new_page(), site.url)
        watched.log_in(OPERATOR, site.admin_password)
        page = watched.page
        page.goto(f"{site.url}{HEALTH}")
        parts = re.compile(r"/health/(now|history)/")

        def refuse(route: Route) -> None:
            route.abort()

        page.route(parts, refuse)
        notice = page.get_by_role("alert")
        expect(notice).to_contain_text("The server has not answered for", timeout=LONG_MS)
        page.unroute(parts, refuse)
        expect(notice).to_be_hidden(timeout=LONG_MS)


def test_an_operator_holds_a_circuit_open_and_resets_it(operator: Watched, site: Site) -> None:
    page = operator.page
    page.goto(f"{site.url}{HEALTH}")
    for name, words in (("Open the circuit of", "held open"), ("Reset the circuit of", "answers")):
        page.get_by_role("link", name=f"{name} simulator").click()
        page.get_by_label("Why?").fill("A drill")
        page.get_by_role("button", name=f"{name} simulator").click()
        expect(page.locator("body")).to_contain_text("simulator: done.")
        expect(page.locator("#op-providers .op-badge")).to_have_text(words, timeout=LONG_MS)
    page.get_by_role("button", name="Poll simulator now").click()
    expect(page.locator("body")).to_contain_text("simulator is due now")


def test_a_live_setting_applies_to_the_board_and_is_taken_back(
    operator: Watched, site: Site
) -> None:
    page = operator.page
    setting = page.locator("#HARDLINE_VALUATION_MIN_EDGE_EV")

    def press(button: str) -> None:
        page.goto(f"{site.url}/admin/betting/settingchange/live/")
        setting.get_by_label("New value").fill("0.9")
        setting.get_by_label("Reason").fill("a test")
        setting.get_by_role("button", name=button).click()

    press("Save")
    try:
        expect(setting).to_contain_text("0.9 · changed here")
        expect(setting).to_contain_text("Last changed by admin")
        page.goto(f"{site.url}/?tab=before&seen=1")
        expect(page.locator("#list")).to_contain_text("No open edge", timeout=LONG_MS)
    finally:
        press("Reset")
    expect(setting).to_contain_text("0.01 · default")
    page.goto(f"{site.url}/?tab=before&seen=1")
    expect(page.locator("tr[id^=edge-]").first).to_be_visible(timeout=LONG_MS)
