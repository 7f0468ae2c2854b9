"""Dead letters in a browser, as an operator sees to them, over a live run."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import LONG_MS, Site, Watched, context_of

pytestmark = pytest.mark.timeout(400)

CAUSES = "/admin/streaming/deadletter/causes/"


def shown_in_time(page: Page, what: Locator) -> None:
    """Load the page again and again until it shows something."""
    deadline = time.monotonic() + LONG_MS / 1_000
    while not what.count():
        assert time.monotonic() < deadline, (what, page.locator("#content").inner_text())
        page.reload()


def test_a_letter_is_replayed_by_its_button(site: Site, browser: Browser) -> None:
    with context_of(browser) as context:
        watched = Watched(context.new_page(), site.url)
        page = watched.page
        watched.log_in_to_the_admin(site.admin_password)
        page.goto(f"{site.url}{CAUSES}")
        cause = page.get_by_role("link", name=re.compile("from simulator"))
        # One feed fails: a replay waits while the whole provider's circuit is open.
        site.fail("wrong_schema", "soccer_epl")
        try:
            shown_in_time(page, cause)
        finally:
            site.recover()
        cause.first.click()
        page.locator("#result_list tbody th a").first.click()
        expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
        page.get_by_role("link", name="Replay", exact=False).first.click()
        page.get_by_role("button", name="Replay", exact=True).click()
        expect(page.get_by_text("1 will be replayed")).to_be_visible()
        # The answer that is kept is as wrong as it was.
        outcome = re.compile(r"admin asked for a replay\s*failed again at \d\d:\d\d:\d\d: ")
        shown_in_time(page, page.locator(".timeline li").filter(has_text=outcome))
        assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_a_letter_fits_any_screen_however_long_the_answer_was(
    site: Site, browser: Browser, width: int, height: int, scheme: str
) -> None:
    with context_of(browser, width, height, scheme) as context:
        watched = Watched(context.new_page(), site.url)
        page = watched.page
        watched.log_in_to_the_admin(site.admin_password)
        page.goto(f"{site.url}{CAUSES}?show=all")
        cut_off = page.get_by_role("link", name=re.compile("is an object|is text|lacks"))
        if not cut_off.count():
            site.fail("wrong_schema", "soccer_epl")
            try:
                shown_in_time(page, cut_off)
            finally:
                site.recover()
        cut_off.first.click()
        page.locator("#result_list tbody th a").first.click()
        pre = page.locator("details pre").first
        expect(pre).to_be_hidden()
        page.locator("details summary").first.click()
        expect(pre).to_be_visible()
        for address in (page.url, f"{site.url}{CAUSES}"):
            page.goto(address)
            size = page.evaluate("[document.body.scrollWidth, document.body.scrollHeight]")
            assert size[0] <= width, f"{address} scrolls sideways"
            assert size[1] < 4_000, f"{address} is {size[1]} px high"
            assert watched.barriers() == [], address
