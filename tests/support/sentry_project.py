"""A Sentry project on loopback: takes the SDK's envelopes over real HTTP and keeps them."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class SentryProject:
    """Answers every envelope with 200, or not at all while it hangs."""

    dsn: str = ""
    hangs: bool = False
    envelopes: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def items(self, kind: str) -> list[dict[str, Any]]:
        """What came of that kind: ``event``, ``check_in`` …, in the order of its coming."""
        return [item for envelope in list(self.envelopes) for item in _items(envelope, kind)]


def _items(envelope: str, kind: str) -> Iterator[dict[str, Any]]:
    """An envelope is a header's line and, for each item, two: what it is, and the item."""
    lines = iter(envelope.splitlines()[1:])
    for header in lines:
        item = next(lines)
        if json.loads(header)["type"] == kind:
            yield json.loads(item)


@contextmanager
def running_project() -> Iterator[SentryProject]:
    """A project on a port of its own."""
    project = SentryProject()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            project.envelopes.append(body.decode())
            if project.hangs:
                project.released.wait(60)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    project.dsn = f"http://public@127.0.0.1:{server.server_port}/1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield project
    finally:
        project.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
