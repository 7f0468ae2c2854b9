"""A slow server: a proxy stands where its socket was, delays what passes and cuts connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

_CHUNK_BYTES = 65_536
_START_SECONDS = 5.0
_DELAY_SECONDS = 0.05
_CUT_EVERY_SECONDS = 0.3


class Proxy:
    """A proxy between two Unix sockets, in a thread of its own.

    Args:
        listening: where clients connect.
        server: the server's socket.
        delay_seconds: the delay of all that passes, in either direction.
        cut_every_seconds: the time between two cuts, each of one connection.
        rng: chooses which.
    """

    def __init__(
        self,
        listening: Path,
        server: Path,
        delay_seconds: float,
        cut_every_seconds: float,
        rng: Random,
    ) -> None:
        self._listening = listening
        self._server = server
        self._delay_seconds = delay_seconds
        self._cut_every_seconds = cut_every_seconds
        self._rng = rng
        self._loop = asyncio.new_event_loop()
        self._listens = threading.Event()
        self._is_over = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> None:
        """Listen.

        Raises:
            TimeoutError: it does not.
        """
        self._thread.start()
        if not self._listens.wait(_START_SECONDS):
            raise TimeoutError("The proxy does not listen.")

    def stop(self) -> None:
        """Cut all connections, and end."""
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        async with await asyncio.start_unix_server(self._connect, self._listening):
            self._listens.set()
            while not self._is_over.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._is_over.wait(), self._cut_every_seconds)
                if self._connections:
                    self._rng.choice(list(self._connections)).cancel()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        with suppress(OSError, asyncio.CancelledError):
            from_server, to_server = await asyncio.open_unix_connection(self._server)
            try:
                await asyncio.gather(self._pass(reader, to_server), self._pass(from_server, writer))
            finally:
                to_server.close()
        writer.close()
        self._connections.discard(connection)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, until one side closes; then close the other."""
        while data := await reader.read(_CHUNK_BYTES):
            await asyncio.sleep(self._delay_seconds)
            writer.write(data)
            await writer.drain()
        writer.close()


@contextmanager
def slow(socket: Path, rng: Random) -> Iterator[None]:
    """Put a proxy where a server's socket is, and put the socket back at the end.

    Connections that are open already stay as fast as they are.
    """
    server = socket.with_name("direct")
    socket.rename(server)
    proxy = Proxy(socket, server, _DELAY_SECONDS, _CUT_EVERY_SECONDS, rng)
    try:
        proxy.start()
        yield
    finally:
        server.replace(socket)
        proxy.stop()
