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


def test_what_is_set_under_more_is_named_at_once_and_can_be_removed(reader: Watched) -> None:
    page = reader.page
    page.goto(f"{reader.url}/?tab=before")
    page.get_by_text("More filters").click()
    page.get_by_label("Polls that have seen the price ≥").fill("1")
    page.keyboard.press("Tab")
    chip = page.get_by_role("link", name="seen by ≥ 1 poll")
    expect(chip).to_be_visible()
    page.keyboard.press("Escape")
    chip.click()
    expect(page.locator(".chips a")).to_have_count(0)
    expect(page.get_by_label("Polls that have seen the price ≥")).to_have_value("")


def test_a_filter_that_cannot_be_used_is_named_at_once(reader: Watched) -> None:
    page = reader.page
    page.goto(f"{reader.url}/?tab=before")
    page.get_by_label("Bankroll").fill("-5")
    page.keyboard.press("Tab")
    said = page.get_by_text("Bankroll: Ensure this value is greater than or equal to 0.")
    expect(said).to_be_visible()
    page.get_by_label("Bankroll").fill("5")
    page.keyboard.press("Tab")
    expect(said).to_have_count(0)
    page.get_by_label("Bankroll").fill("")
    page.keyboard.press("Tab")
    expect(page.locator("#list[hx-get*='bankroll=&']")).to_be_visible()


def test_the_axis_of_a_chart_is_in_the_readers_odds(reader: Watched) -> None:
    page = reader.page
    page.goto(f"{reader.url}/?tab=before&seen=1&odds=fractional")
    page.locator("#list .event a").first.click()
    expect(page.locator("#chart[data-drawn]")).to_be_visible()
    labels = page.evaluate(
        "() => Chart.getChart('history').scales.y.ticks.map((each) => each.label)"
    )
    assert any("/" in label for label in labels)
    assert all(not label or re.fullmatch(r"\d+/\d+", label) for label in labels)
    page.goto(f"{reader.url}/?tab=before&odds=decimal")


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
    expect(page.locator(".best-bet")).to_contain_text(re.compile("Best bet|No bet"))
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


def test_a_screen_has_twenty_rows_and_a_phone_eight_cards(site: Site, browser: Browser) -> None:
    address = f"{site.url}/?tab=before&seen=1&max_ev=100&bankroll=1000"
    with context_of(browser) as context:
        watched = Watched(context.new_page(), site.url)
        watched.log_in()
        page = watched.page
        page.goto(address)
        row = page.locator("tr[id^=edge-]").first
        row.wait_for(timeout=LONG_MS)
        box = row.bounding_box()
        assert box is not None
        assert box["height"] == pytest.approx(36, abs=1.5)
        assert (900 - box["y"]) / box["height"] >= 20

        page.set_viewport_size({"width": 390, "height": 844})
        card = page.locator("tr[id^=edge-]").first
        box = card.bounding_box()
        assert box is not None
        assert (844 - box["y"]) / box["height"] >= 8
        lines = card.locator("td:visible").evaluate_all(
            "cells => new Set(cells.map(cell => getComputedStyle(cell).gridRowStart)).size"
        )
        assert lines == 2
        expect(card.locator(".stake")).to_be_visible()
        cut_off = card.locator(".ev, .stake, .price, .book").evaluate_all(
            "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth).length"
        )
        assert cut_off == 0


def test_the_board_can_be_used_without_a_mouse(reader: Watched) -> None:
    page = reader.page
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{reader.url}/?tab=before&seen=1&max_ev=100")
    page.locator("tr[id^=edge-]").first.wait_for(timeout=LONG_MS)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()

    page.keyboard.press("/")
    expect(page.locator("#id_sport")).to_be_focused()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate(outline) != "none"
    assert page.evaluate("document.getAnimations().length") == 0


def test_an_address_that_leads_nowhere_has_a_page_that_leads_back(
    site: Site, browser: Browser
) -> None:
    with context_of(browser, 390, 844, "dark") as context:
        watched = Watched(context.new_page(), site.url)
        watched.log_in()
        page = watched.page
        page.goto(f"{site.url}/events/999999999/")
        expect(page.get_by_role("heading")).to_have_text("There is no such page")
        assert watched.barriers() == []
        page.get_by_role("link", name="Board").click()
        expect(page.locator("#list")).to_be_visible()
