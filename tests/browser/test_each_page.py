"""Each page in a browser, wide and narrow, light and dark: nothing bars anyone from using it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import LONG_MS, OPERATOR, Site, Watched, context_of

pytestmark = pytest.mark.timeout(600)

SIZES = ((1440, 900), (390, 844))

BOARDS = (
    "/?tab=before&seen=1",
    "/?tab=in_play&seen=1",
    "/?tab=arbitrage&seen=1",
    "/?tab=middles&seen=1",
    "/?tab=low_hold&seen=1",
    "/?tab=moves",
)
ADMIN = (
    "/admin/",
    "/admin/streaming/health/",
    "/admin/streaming/deadletter/causes/",
    "/admin/streaming/deadletter/patterns/?show=all",
    "/admin/streaming/deadletter/",
    "/admin/betting/settingchange/live/",
    "/admin/betting/provider/",
    "/admin/betting/provider/add/",
    "/admin/streaming/circuit/",
    "/admin/streaming/pollrun/",
    "/admin/streaming/webhooksubscriber/",
    "/admin/streaming/webhooksubscriber/add/",
    "/admin/valuation/edge/",
    "/admin/valuation/opportunity/",
    "/admin/valuation/fairprice/",
    "/admin/betting/event/",
    "/admin/betting/market/",
    "/admin/betting/quote/",
    "/admin/betting/linechange/",
    "/admin/docs/runbook.md",
)


def judge(watched: Watched, address: str) -> None:
    """Require that a page can be used at each size, and does not scroll sideways."""
    page = watched.page
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for fold in page.locator("main details, #content details").all():
            fold.evaluate("fold => { fold.open = true; }")
        assert watched.barriers() == [], (address, width)
        sideways = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        assert not sideways, f"{address} scrolls sideways at {width} px"
        lists = page.locator(".result-list, #result_list").evaluate_all(
            "lists => lists.filter(each => each.scrollWidth > each.clientWidth + 1).length"
        )
        assert lists == 0, f"the list of {address} scrolls sideways at {width} px"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_a_bettor_can_be_used_by_everyone(
    site: Site, browser: Browser, scheme: str
) -> None:
    with context_of(browser, scheme=scheme) as context:
        watched = Watched(context.new_page(), site.url)
        page = watched.page
        page.goto(site.url)
        judge(watched, "/login/")
        watched.log_in()
        page.goto(f"{site.url}{BOARDS[0]}&max_ev=100")
        page.locator("tr[id^=edge-]").first.wait_for(timeout=LONG_MS)
        event = page.locator("td.event a").first.get_attribute("href")
        edge = page.locator("td.bet a").first.get_attribute("href")
        for address in (*BOARDS, f"{event}", f"{edge}"):
            page.goto(f"{site.url}{address}")
            judge(watched, address)
        assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_an_operator_can_be_used_by_everyone(
    site: Site, browser: Browser, scheme: str
) -> None:
    with context_of(browser, scheme=scheme) as context:
        watched = Watched(context.new_page(), site.url)
        page = watched.page
        page.goto(f"{site.url}/admin/login/")
        judge(watched, "/admin/login/")
        watched.log_in(OPERATOR, site.admin_password)
        for address in ADMIN:
            page.goto(f"{site.url}{address}")
            judge(watched, address)
        assert watched.complaints == []
