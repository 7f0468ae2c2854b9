"""A webhook's receiver on loopback that takes events, or fails to, exactly as a test says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Post:
    """What arrived, and the status it was answered with; 0 for none."""

    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = json.loads(self.body)["events"]
        return events

    def is_signed_with(self, secret: str) -> bool:
        """Verified as a receiver would, by the standard's text alone."""
        prefix, _, encoded = secret.partition("_")
        assert prefix == "whsec"
        signed = "{}.{}.".format(self.id, self.headers["webhook-timestamp"]).encode() + self.body
        digest = hmac.new(base64.b64decode(encoded), signed, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        return hmac.compare_digest(self.headers["webhook-signature"], expected)


@dataclass
class Receiver:
    """Answers every POST with `status`; hangs instead, or drips its head, if it is told to."""

    url: str = ""
    status: int = 204
    answer_headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    drips: bool = False
    posts: list[Post] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def taken(self) -> list[Post]:
        """The posts that the receiver called a success."""
        return [post for post in self.posts if 200 <= post.status < 300]

    def event_ids(self) -> list[str]:
        """Of every event it took, in their order."""
        return [event["id"] for post in self.taken() for event in post.events]


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            is_answered = not (receiver.hangs or receiver.drips)
            receiver.posts.append(Post(headers, body, receiver.status if is_answered else 0))
            if receiver.hangs:
                receiver.released.wait(30)
            elif receiver.drips:
                self._drip()
            else:
                self.send_response(receiver.status)
                for name, value in receiver.answer_headers.items():
                    self.send_header(name, value)
                self.end_headers()

        def _drip(self) -> None:
            """An answer that never gets as far as the end of its head."""
            with suppress(OSError):  # the other side has had enough
                self.wfile.write(b"HTTP/1.1 204 No Content\r\nX-Slow: ")
                while not receiver.released.wait(0.05):
                    self.wfile.write(b"H")
                    self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}/events"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
