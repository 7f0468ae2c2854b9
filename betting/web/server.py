"""The web server: waitress, with a deadline for each request and separate threads for probes.

waitress reads requests in one loop and gives a thread only to one that has arrived whole, so a
client that sends slowly occupies a connection and no thread. This module adds what waitress lacks:
a deadline for a whole request, and threads reserved for health probes and metrics.
"""

from __future__ import annotations

import signal
import time
from importlib import import_module
from types import FrameType
from typing import Any

from django.conf import settings
from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher

from betting.config import WebConfig, get_config
from betting.web.wsgi import application

THREADS, PROBE_THREADS = 8, 2
REQUEST_SECONDS = 15
"""The limit from a request's first byte to its last, and between requests of a connection."""

MAX_CONNECTIONS = 500
CLEANUP_SECONDS = 1
MAX_UNSENT_BYTES = 1_000_000
"""A stream waits for its client while that has left so many bytes unread."""

UNREAD_SECONDS, CATCH_UP_SECONDS = 10.0, 60.0
"""A stream is ended when its client has read nothing for the first, or waits for the second.

This is of one wait; the stream itself ends after its five minutes.
"""

STREAM = "/api/v1/stream/"
_SHUTDOWN_SECONDS = 3.0
_PROBES = ("/health/", "/metrics")


class DeadlinedChannel(HTTPChannel):  # type: ignore[misc]  # it has no types
    """A connection on which a request has to arrive whole within a deadline.

    The server closes connections that were inactive for `REQUEST_SECONDS`. Further bytes of a
    request that has begun do not count as activity.
    """

    last_activity: float

    def handle_read(self) -> None:
        """Receive bytes; keep the earlier time of activity while a request continues."""
        before, request = self.last_activity, self.request
        super().handle_read()
        if request is not None and self.request is request:
            self.last_activity = before

    def write_soon(self, data: Any) -> int:
        """Queue bytes of a response; of a stream, once its client has read enough of those before.

        Raises:
            ClientDisconnected: the client has gone, or it does not read the stream.
        """
        if self.total_outbufs_len > MAX_UNSENT_BYTES and self.requests[0].path == STREAM:
            self._wait_for_reader()
        return int(super().write_soon(data))

    def _wait_for_reader(self) -> None:
        # waitress itself waits at 16 MB, and for ever.
        ends = time.monotonic() + CATCH_UP_SECONDS
        with self.outbuf_lock:
            while (unsent := self.total_outbufs_len) > MAX_UNSENT_BYTES:
                self.server.pull_trigger()
                is_reading = self.outbuf_lock.wait_for(
                    lambda before=unsent: self.total_outbufs_len < before, UNREAD_SECONDS
                )
                if not is_reading or time.monotonic() > ends:
                    raise ClientDisconnected


class TwoLanes(ThreadedTaskDispatcher):  # type: ignore[misc]  # it has no types
    """A dispatcher with separate threads for probes, which never wait for other requests."""

    def __init__(self) -> None:
        super().__init__()
        self._probes = ThreadedTaskDispatcher()

    def start(self) -> None:
        """Start the threads for requests and for probes."""
        self.set_thread_count(THREADS)
        self._probes.set_thread_count(PROBE_THREADS)

    def add_task(self, task: DeadlinedChannel) -> None:
        """Queue the next request of a connection."""
        path = getattr(task.requests[0], "path", "")
        if path.startswith(_PROBES):
            self._probes.add_task(task)
        else:
            super().add_task(task)

    def shutdown(self, cancel_pending: bool = True, timeout: float = _SHUTDOWN_SECONDS) -> bool:  # noqa: FBT001, FBT002 - waitress's signature
        """End the threads without waiting for streams: they last minutes, and clients reconnect."""
        self._probes.shutdown(cancel_pending, timeout)
        return bool(super().shutdown(cancel_pending, timeout))


def make_server(config: WebConfig, wsgi: Any) -> Any:
    """Return waitress's server, already listening; its `run` serves until it is interrupted."""
    lanes = TwoLanes()
    connections: dict[int, Any] = {}
    server = create_server(
        wsgi,
        map=connections,
        _dispatcher=lanes,
        host=config.host,
        port=config.port,
        ident="hardline",
        connection_limit=MAX_CONNECTIONS,
        asyncore_use_poll=True,
        channel_timeout=REQUEST_SECONDS,
        cleanup_interval=CLEANUP_SECONDS,
        # Read on while a stream is written, to notice a client that has disconnected.
        channel_request_lookahead=1,
        max_request_body_size=settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1,
        **_proxy(config),
    )
    for listener in connections.values():
        listener.channel_class = DeadlinedChannel
    lanes.start()
    return server


def _proxy(config: WebConfig) -> dict[str, Any]:
    if config.trusted_proxy is None:
        return {}
    return {
        "trusted_proxy": config.trusted_proxy,
        "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto x-forwarded-host",
    }


def _exit(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, _exit)
    # Imported here: it uses models, which the application has loaded.
    import_module("betting.db.live_settings").follow()
    make_server(get_config().web, application).run()
