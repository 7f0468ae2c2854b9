"""A subscriber that records what it receives, and may refuse it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Answer = Literal["take", "refuse", "cut"]
"""Take a delivery; answer it with 503; close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A delivery that was received and taken.

    Attributes:
        delivery: its id.
        at: when its body had been read.
    """

    delivery: str
    at: datetime


class Receiver:
    """The record of a running subscriber.

    Attributes:
        url: its address.
        answer: what it does with the next deliveries; change it at any time.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer: Answer = "take"
        self._receipts: list[Receipt] = []

    def receipts(self) -> Sequence[Receipt]:
        """Return the deliveries that were taken, in order."""
        return tuple(self._receipts)

    def receive(self, delivery: str) -> Answer:
        """Record a delivery if it is taken; return what to do with it."""
        answer = self.answer
        if answer == "take":
            self._receipts.append(Receipt(delivery, datetime.now(UTC)))
        return answer


class _Server(ThreadingHTTPServer):
    receiver: Receiver


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Read the delivery and answer it."""
        assert isinstance(self.server, _Server)
        self.rfile.read(int(self.headers["content-length"]))
        answer = self.server.receiver.receive(self.headers["webhook-id"])
        if answer != "cut":
            self.send_response(204 if answer == "take" else 503)
            self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing: the record says it all."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive deliveries on a free port of 127.0.0.1 until the block ends."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.receiver = Receiver(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, name="receiver", daemon=True)
        thread.start()
        try:
            yield server.receiver
        finally:
            server.shutdown()
