"""A live run and a browser that looks at it.

The browser is Debian's `chromium`, or the one that the variable CHROMIUM names. Where there is
none, these tests are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib import request

import msgspec
import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from streaming.runner.ports import LOOPBACK
from tests.integration.installation import COMMAND_SECONDS, Installation
from tests.integration.live_run import (
    as_installed,
    free_ports,
    running,
    wait_for_edges,
    wait_for_the_start,
)

USER, PASSWORD = "ana", "a pass phrase of hers"
OPERATOR = "admin"
PORTS = 3

LONG_MS = 60_000
"""For what a poll, a recompute or a replay has to bring about first."""

SAID_MS = 15_000
"""Within this long a page says what is wrong."""

ROWS_JUDGED = 8
"""Of a list that many rows are judged: the others are made like them."""

STAND_STILL = """most => {
    for (const each of document.querySelectorAll("[hx-trigger^=every]")) {
        each.replaceWith(each.cloneNode(true));  // a copy does not update itself
    }
    for (const row of document.querySelectorAll(`tbody tr:nth-child(n + ${most + 1})`)) {
        row.remove();
    }
}"""


@dataclass
class Site:
    """A live run: its addresses, its simulator's faults, its processes."""

    installation: Installation
    port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def admin_password(self) -> str:
        """The password that the first start wrote down."""
        return (self.installation.config.home / "secrets" / "admin-password").read_text().strip()

    def fail(self, kind: str, sport: str = "*") -> None:
        """Let every request to the simulated provider fail, or those about one sport."""
        self._control("PUT", msgspec.json.encode({"sport": sport, "kind": kind}))

    def recover(self) -> None:
        self._control("DELETE", b"")

    def _control(self, method: str, body: bytes) -> None:
        url = f"http://{LOOPBACK}:{self.port + 2}/control/faults"
        headers = {"Content-Type": "application/json"}
        with request.urlopen(request.Request(url, body, headers, method=method), timeout=30):
            pass

    @contextmanager
    def workers_stopped(self) -> Iterator[None]:
        """Stop every worker and beat where they stand, as a machine that hangs would."""
        stopped = [process for process in psutil.process_iter() if self._is_worker(process)]
        assert stopped
        for process in stopped:
            process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                process.send_signal(signal.SIGCONT)

    def _is_worker(self, process: psutil.Process) -> bool:
        try:
            is_own = process.environ().get("HARDLINE_HOME") == str(self.installation.config.home)
            words = process.cmdline()
        except psutil.Error:
            return False
        return is_own and "betting.celery_process" in words


# Playwright keeps an event loop running in its thread for as long as it is open. A module's scope
# ends it before the next file's tests run in this process: those may call asyncio.run themselves.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # As root Chromium has no sandbox; these pages are the project's own.
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="package")
def chromium() -> str:
    """The browser's program."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.skip("no browser: install Debian's chromium, or name one in CHROMIUM")
    return path


# One run for all files: each test takes back what it has broken. Dead letters stay: the file that
# needs them is the last.
@pytest.fixture(scope="package")
def site(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:  # noqa: ARG001 - no run without a browser
    directory = tmp_path_factory.mktemp("site")
    installation, port, told = (
        Installation(directory / "home"),
        free_ports(PORTS),
        directory / "told",
    )
    as_installed(installation)
    try:
        with running(installation, port, told) as run:
            wait_for_the_start(run, told)
            wait_for_edges(installation)
            made = installation.fork(
                "shell", "-c",
                "from django.contrib.auth.models import User;"
                f" User.objects.create_user({USER!r}, password={PASSWORD!r})",
            )  # fmt: skip
            assert made.returncode == 0, made.stderr
            yield Site(installation, port)
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=COMMAND_SECONDS)
    finally:
        installation.remove()


@dataclass
class Watched:
    """A page whose console, requests and answers are watched."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._read)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("request", self._follow)

    def _read(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"console: {message.text}")

    def _follow(self, sent: Request) -> None:
        if not sent.url.startswith((self.url, "data:")):
            self.complaints.append(f"a request to another host: {sent.url}")

    def log_in(self, name: str = USER, password: str = PASSWORD) -> None:
        self.page.goto(self.url)
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.locator("#list, .error")).to_be_visible()
        assert self.page.locator(".error").all_inner_texts() == []

    def log_in_to_the_admin(self, password: str) -> None:
        self.page.goto(f"{self.url}/admin/login/")
        self.page.locator("[name=username]").fill("admin")
        self.page.locator("[name=password]").fill(password)
        with self.page.expect_navigation():
            self.page.locator("[name=password]").press("Enter")

    def barriers(self) -> list[str]:
        """What axe calls serious or critical for people who see, hear or move differently."""
        self.page.evaluate(STAND_STILL, ROWS_JUDGED)
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {[node['html'][:120] for node in each['nodes'][:3]]}"
            for each in found
            if each["impact"] in {"serious", "critical"}
        ]


def context_of(
    browser: Browser, width: int = 1440, height: int = 900, scheme: str = "light"
) -> BrowserContext:
    return browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        timezone_id="Europe/Paris",
    )


@pytest.fixture
def reader(site: Site, browser: Browser) -> Iterator[Watched]:
    """A plain user who has just logged in."""
    with context_of(browser) as context:
        watched = Watched(context.new_page(), site.url)
        watched.log_in()
        yield watched
        assert watched.complaints == []


@pytest.fixture
def operator(site: Site, browser: Browser) -> Iterator[Watched]:
    """The operator that the first start has made, who has just logged in."""
    with context_of(browser) as context:
        watched = Watched(context.new_page(), site.url)
        watched.log_in(OPERATOR, site.admin_password)
        yield watched
        assert watched.complaints == []


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where to put pictures of the pages, if PICTURES names a directory."""
    name = os.environ.get("PICTURES")
    return Path(name) if name else None
