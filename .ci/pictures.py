"""Takes the pictures of docs/images from a live run on a new state directory.

Run by `make pictures`. It needs Chromium: found on PATH, or named by CHROMIUM.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHECKOUT = Path(__file__).resolve().parents[1]
IMAGES = CHECKOUT / "docs" / "images"
PORT = 18_300
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = (1840, 920)
SECONDS = 120.0

LOG_IN = """
document.querySelector("[name=username]").value = "admin";
document.querySelector("[name=password]").value = {password};
document.querySelector("[name=password]").form.submit()
"""
HAS_LOGIN = "!!document.querySelector('[name=password]')"
HAS_EDGES = "document.querySelectorAll('table tbody tr').length > 24"
#: The first snapshot of health is taken.
HAS_HISTORY = "/or earlier/.test(document.body.innerText)"


def manage(environ: Mapping[str, str], *words: str) -> subprocess.Popen[bytes]:
    """Start a command of the checkout."""
    command: list[str | Path] = [sys.executable, CHECKOUT / "manage.py", *words]
    return subprocess.Popen(command, env=environ)  # noqa: S603 - ours


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


class Page:
    """A page of Chromium, driven by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def call(self, method: str, **params: object) -> Any:
        """Call a method, and return its result."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=SECONDS)
            if answer.get("id") == number:
                return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        """Return the value of an expression on the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def open(self, path: str, is_ready: str) -> None:
        """Load a path again and again until an expression is true on it."""
        async with asyncio.timeout(SECONDS):
            while True:
                await self.call("Page.navigate", url=f"http://127.0.0.1:{PORT}{path}")
                await asyncio.sleep(2)  # fonts and icons load after the page
                if await self.evaluate(is_ready):
                    return

    async def save(self, name: str) -> None:
        """Write what the window shows to docs/images."""
        answer = await self.call("Page.captureScreenshot", format="png")
        (IMAGES / name).write_bytes(base64.b64decode(answer["data"]))
        print(f"docs/images/{name}")


@asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Page]:
    """Start Chromium with one page."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        sys.exit("Install Chromium, or set CHROMIUM to its program.")
    process = subprocess.Popen(  # noqa: S603 - the program that was asked for
        [
            program, "--headless=new", "--no-sandbox", "--remote-debugging-port=0",
            f"--user-data-dir={profile}", "--hide-scrollbars", "about:blank",
            f"--window-size={SIZE[0]},{SIZE[1]}",
        ],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as session:
            async with asyncio.timeout(SECONDS):
                while not (chosen := profile / "DevToolsActivePort").exists():
                    await asyncio.sleep(0.1)
            port = chosen.read_text().split()[0]
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                pages = [page for page in await answer.json() if page["type"] == "page"]
            async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as ws:
                page = Page(ws)
                await page.call(
                    "Emulation.setDeviceMetricsOverride",
                    width=SIZE[0], height=SIZE[1], deviceScaleFactor=1, mobile=False,
                )  # fmt: skip
                yield page
    finally:
        process.terminate()
        process.wait()


async def take(environ: Mapping[str, str], scratch: Path) -> None:
    """Take the pictures: the open edges, then health with the provider's circuit open."""
    password = Path(environ["HARDLINE_HOME"], "secrets", "admin-password")
    async with browser(scratch / "profile") as page:
        await page.open("/admin/login/", HAS_LOGIN)
        await page.evaluate(LOG_IN.format(password=json.dumps(password.read_text().strip())))
        await asyncio.sleep(2)  # the form is sent
        await page.open("/admin/valuation/edge/?state=open&o=-8", HAS_EDGES)
        await page.save("edges.png")
        reason = ("--reason", "The provider is down.")
        manage(environ, "circuit", "open", "simulator", *reason).wait()
        await page.open("/admin/streaming/health/", HAS_HISTORY)
        await page.save("health.png")


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        with running(scratch / "home") as environ:
            asyncio.run(take(environ, scratch))


if __name__ == "__main__":
    main()
