"""The board in a browser, as a bettor uses it, over a live run."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import LONG_MS, Site, Watched, context_of

pytestmark = pytest.mark.timeout(400)


def test_an_edge_arrives_without_a_reload(reader: Watched) -> None:
    page = reader.page
    page.goto(f"{reader.url}/?tab=before&seen=1")
    shown = set(page.locator("tr[id^=edge-]").evaluate_all("rows => rows.map(row => row.id)"))
    page.wait_for_function(
        "shown => [...document.querySelectorAll('tr[id^=edge-]')]"
        ".some(row => !shown.includes(row.id))",
        arg=list(shown),
        timeout=LONG_MS,
    )


def test_a_filter_narrows_the_list_and_is_kept(reader: Watched) -> None:
    page = reader.page
    page.locator("#id_sport").select_option(label="EPL")
    page.wait_for_url("**sport=soccer_epl**")
    expect(page.locator("#list[hx-get*=soccer_epl]")).to_be_visible()
    leagues = page.locator("#list .event small").all_inner_texts()
    assert all(league.startswith("EPL") for league in leagues)
    page.goto(f"{reader.url}/")
    expect(page.locator("#id_sport")).to_have_value("soccer_epl")
    page.get_by_role("link", name="Reset").first.click()
    expect(page.locator("#id_sport")).to_have_value("")


def test_an_answer_to_the_filters_before_does_not_replace_their_list(reader: Watched) -> None:
    page = reader.page
    held: list[Route] = []
    page.goto(f"{reader.url}/?tab=before&seen=1")

    def hold(route: Route) -> None:
        """Let the list's own look wait until the filtered list is there."""
        if "soccer_epl" in route.request.url:
            route.continue_()
        else:
            held.append(route)

    page.route("**/?**", hold)
    with page.expect_request(lambda sent: "hx-request" in sent.headers):
        pass
    page.locator("#id_sport").select_option(label="EPL")
    filtered = page.locator("#list[hx-get*=soccer_epl]")
    expect(filtered).to_be_visible()
    with page.expect_response(lambda answer: "soccer_epl" not in answer.url):
        held.pop().continue_()
    with page.expect_response(lambda answer: "soccer_epl" in answer.url):
        pass  # the list's next look
    expect(filtered).to_be_visible()


def test_an_event_has_a_grid_and_a_chart_of_each_outcome(reader: Watched) -> None:
    page = reader.page
    page.goto(f"{reader.url}/?tab=before&seen=1&max_ev=100")
    page.locator("td.event a").first.click()
    expect(page.locator("table.grid").first).to_contain_text("Fair")
    expect(page.locator("#chart[data-drawn]")).to_be_visible()
    other = page.locator("table.grid .pick").nth(1)
    title = other.inner_text()
    other.click()
    expect(page.locator("#chart-title")).to_have_text(title)
    with page.expect_response(lambda answer: "window=24h" in answer.url):
        page.get_by_role("button", name="24h").click()


def test_a_low_hold_arrives_and_leads_to_its_event(reader: Watched) -> None:
    page = reader.page
    page.goto(f"{reader.url}/?tab=low_hold&seen=1&bankroll=1000")
    first = page.locator("tr[id^=opportunity-]").first
    first.wait_for(timeout=LONG_MS)
    expect(first.locator(".legs li").first).to_contain_text("stake")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/events/\d+/"))


def test_a_list_that_was_made_longer_stays_so(reader: Watched) -> None:
    page = reader.page
    page.goto(f"{reader.url}/?tab=middles&seen=1&rows=2")
    open_rows = page.locator("tr[id^=opportunity-]:not(.gone)")
    more = page.get_by_role("link", name="Show 50 more")
    more.wait_for(timeout=LONG_MS)
    expect(open_rows).to_have_count(2)
    more.click()
    page.wait_for_url("**&rows=52")
    expect(open_rows.nth(2)).to_be_visible()
    with page.expect_response(lambda answer: "rows=52" in answer.url):
        pass  # the list's next look
    expect(open_rows.nth(2)).to_be_visible()


def test_the_times_of_a_list_count_on(reader: Watched) -> None:
    page = reader.page
    page.goto(f"{reader.url}/?tab=low_hold&seen=1")
    lasting = page.locator("td.since time").first
    lasting.wait_for(timeout=LONG_MS)
    expect(lasting).to_have_text(re.compile(r"^\d+ (s|min|h)"))
    seen = page.locator("td.age time").first
    expect(seen).to_have_text(re.compile(r"^\d+ (s|min) ago$"))
    expect(seen).to_have_attribute("data-faded", re.compile("[012]"))


def test_the_keys_lead_from_the_list_to_an_edge(reader: Watched) -> None:
    page = reader.page
    page.goto(f"{reader.url}/?tab=before&seen=1&max_ev=100")
    page.locator("tr[id^=edge-]").first.wait_for(timeout=LONG_MS)
    page.keyboard.press("ArrowDown")
    expect(page.locator("tr.chosen")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/edges/\d+/"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("%")
    expect(page.locator("#chart[data-drawn]")).to_be_visible()


def test_the_strip_says_that_the_provider_fails_and_then_that_it_is_back(
    reader: Watched, site: Site
) -> None:
    strip = reader.page.locator("#strip")
    site.fail("503")
    try:
        expect(strip).to_contain_text("simulator", timeout=LONG_MS)
        expect(strip).to_contain_text("503")
        expect(strip).to_contain_text(re.compile(r"since \d\d:\d\d:\d\d"))
        assert "ok" not in (strip.get_attribute("class") or "").split()
    finally:
        site.recover()
    expect(strip).not_to_contain_text("503", timeout=LONG_MS)


def test_the_strip_says_that_nothing_checks_the_pipeline_any_more(
    reader: Watched, site: Site
) -> None:
    strip = reader.page.locator("#strip")
    with site.workers_stopped():
        expect(strip).to_contain_text("nothing has checked the pipeline", timeout=LONG_MS)
        expect(strip).to_contain_text("Not live")
    expect(strip).not_to_contain_text("nothing has checked", timeout=LONG_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_every_page_can_be_used_by_everyone(
    site: Site, browser: Browser, width: int, height: int, scheme: str
) -> None:
    with context_of(browser, width, height, scheme) as context:
        watched = Watched(context.new_page(), site.url)
        page = watched.page
        page.goto(site.url)
        assert watched.barriers() == []
        watched.log_in()
        page.goto(f"{site.url}/?tab=before&seen=1&max_ev=100")
        page.locator("tr[id^=edge-]").first.wait_for(timeout=LONG_MS)
        event = page.locator("td.event a").first.get_attribute("href")
        edge = page.locator("td.bet a").first.get_attribute("href")
        for address in (
            f"{page.url}",
            f"{site.url}/?tab=moves",
            *(f"{site.url}/?tab={tab}&seen=1" for tab in ("arbitrage", "middles", "low_hold")),
            f"{site.url}{event}",
            f"{site.url}{edge}",
        ):
            page.goto(address)
            assert watched.barriers() == [], address
            too_wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
            assert not too_wide, f"{address} scrolls sideways"
        assert watched.complaints == []
