"""A server on loopback that answers, or fails to answer, exactly as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


class WireServer:
    """Reads a request's head, keeps it, and lets `script` write whatever it likes to the socket."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.script: Script | None = None
        self.waits_for_a_head = True
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])
        self._done = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self, status: str, body: bytes = b"", **headers: str) -> None:
        """Every request gets this one answer, framed by its length."""
        fields = {"Content-Length": str(len(body)), **headers}
        lines = [f"HTTP/1.1 {status}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        head = "\r\n".join([*lines, "", ""]).encode()

        async def script(writer: asyncio.StreamWriter) -> None:
            writer.write(head + body)

        self.script = script

    def answers_in_turn(self, *bodies: bytes) -> None:
        """Each request gets the next of these bodies."""
        left = iter(bodies)

        async def script(writer: asyncio.StreamWriter) -> None:
            body = next(left)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)

        self.script = script

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._done.wait()
        server.close()
        conversations = asyncio.all_tasks() - {asyncio.current_task()}
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.waits_for_a_head:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            assert self.script is not None
            try:
                await self.script(writer)
                await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()


@pytest.fixture
def server() -> Iterator[WireServer]:
    wire = WireServer()
    wire.start()
    yield wire
    wire.stop()
