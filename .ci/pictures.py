"""Takes the pictures of docs/images from a live run on a new state directory.

Run by `make screenshots`. It needs Chromium: found on PATH, or named by CHROMIUM.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib import request

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, ViewportSize, sync_playwright

CHECKOUT = Path(__file__).resolve().parents[1]
IMAGES = CHECKOUT / "docs" / "images"
PORT = 18_300
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE: ViewportSize = {"width": 1_440, "height": 900}
ADDRESS = f"http://127.0.0.1:{PORT}"
WAIT_SECONDS = 400.0

BOARD = "/?tab=before&seen=1&bankroll=1000"
HAS_EDGES = (
    "document.querySelector('.strip.ok') !== null"
    " && document.querySelectorAll('tr[id^=edge-]').length > 10"
)
ARBITRAGES = "/?tab=arbitrage&seen=1&bankroll=1000"
HAS_ARBITRAGES = "document.querySelectorAll('tr[id^=opportunity-]').length > 5"
HAS_BET = "document.querySelector('.best-bet b') !== null"
HAS_CHART = "document.querySelector('#chart[data-drawn]') !== null"
#: Curves of the dashboard, one point a minute, that show something.
HAS_CURVES = "document.querySelector('.op-curve polyline')?.points.numberOfItems >= 3"
#: A snapshot has seen the open circuit.
HAS_HISTORY = "document.querySelector('.op-tracker .op-is-fail') !== null"


def manage(environ: Mapping[str, str], *words: str) -> subprocess.Popen[bytes]:
    """Start a command of the checkout."""
    command: list[str | Path] = [sys.executable, CHECKOUT / "manage.py", *words]
    return subprocess.Popen(command, env=environ)


@contextmanager
def running(home: Path) -> Iterator[dict[str, str]]:
    """Run everything on a state directory of its own, and remove it afterwards."""
    environ = {**os.environ, "HARDLINE_HOME": str(home)}
    run = manage(environ, "run", "--port", str(PORT))
    try:
        yield environ
    finally:
        run.terminate()
        run.wait()
        manage(environ, "clean_state").wait()


def show(page: Page, path: str, is_ready: str) -> None:
    """Load a path again and again until an expression is true on it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        page.goto(f"{ADDRESS}{path}", wait_until="networkidle")
        if page.evaluate(is_ready):
            return
        if time.monotonic() > deadline:
            sys.exit(f"{path} does not show what its picture is to show.")
        page.wait_for_timeout(5_000)  # loading pages without a pause makes the run late


def show_event(page: Page) -> None:
    """Load the event of the board's best open edge, until one still has a bet when it is there."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        show(page, BOARD, HAS_EDGES)
        event = page.locator("tr[id^=edge-]:not(.gone) td.event a").first.get_attribute("href")
        page.goto(f"{ADDRESS}{event}", wait_until="networkidle")
        if page.evaluate(HAS_BET) and page.evaluate(HAS_CHART):
            return
    sys.exit("No event kept its bet until its page was there.")


def save(page: Page, name: str, *, is_whole: bool = False) -> None:
    """Write what the window shows to docs/images, or the whole page."""
    page.screenshot(path=IMAGES / name, full_page=is_whole)
    print(f"docs/images/{name}")


def log_in(page: Page, home: Path) -> None:
    """Log in to the admin, as soon as the web server answers."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            page.goto(f"{ADDRESS}/admin/login/")
            break
        except PlaywrightError:  # nothing listens yet
            if time.monotonic() > deadline:
                raise
            page.wait_for_timeout(500)
    page.fill("[name=username]", "admin")
    password = home / "secrets" / "admin-password"
    page.fill("[name=password]", password.read_text().strip())
    with page.expect_navigation():
        page.press("[name=password]", "Enter")


def break_provider() -> None:
    """Let the simulated provider answer with HTTP 503."""
    fault = json.dumps({"sport": "*", "kind": "503"}).encode()
    headers = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{PORT + 2}/control/faults"
    with request.urlopen(request.Request(url, fault, headers, method="PUT"), timeout=30):
        pass


def take(environ: Mapping[str, str]) -> None:
    """Take the pictures: the board, an event, then health while the provider is down."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        sys.exit("Install Chromium, or set CHROMIUM to its program.")
    with sync_playwright() as playwright:
        # As root Chromium has no sandbox; these pages are the project's own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        log_in(page, Path(environ["HARDLINE_HOME"]))
        show(page, "/admin/", HAS_CURVES)
        show(page, BOARD, HAS_EDGES)
        save(page, "board.png")
        show_event(page)
        save(page, "event.png", is_whole=True)  # with its chart
        show(page, ARBITRAGES, HAS_ARBITRAGES)
        save(page, "arbitrages.png")
        break_provider()
        show(page, "/admin/streaming/health/", HAS_HISTORY)
        save(page, "health.png")


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as directory, running(Path(directory, "home")) as environ:
        take(environ)


if __name__ == "__main__":
    main()
