"""The web server under clients that send slowly, or not at all."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from django.urls import reverse

from betting.config import WebConfig
from betting.web import server as web_server
from streaming.runner.ports import LOOPBACK

Answer = Callable[[str], None]
MANY = 3 * web_server.THREADS


STREAM_HEAD = f"GET {web_server.STREAM} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


@contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """A server whose requests end once `answer` has returned; its port."""

    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        answer(environ["PATH_INFO"])
        environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    with running(wsgi) as port:
        yield port


@contextmanager
def running(wsgi: Callable[..., Any]) -> Iterator[int]:
    """A server of an application; its port."""
    server = web_server.make_server(WebConfig(port=0), wsgi)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield (
            server.effective_port
            if isinstance(server.effective_port, int)
            else int(server.effective_port)
        )
    finally:
        server.task_dispatcher.shutdown()
        # What is unsent may be in a file, which `close_all` would leave open.
        for channel in list(server.active_channels.values()):
            channel.handle_close()
        server.asyncore.close_all(server._map)
        thread.join(timeout=10)


def status_of(port: int, path: str, body: bytes | None = None) -> int:
    connection = HTTPConnection(LOOPBACK, port, timeout=20)
    try:
        connection.request("GET" if body is None else "POST", path, body)
        return connection.getresponse().status
    finally:
        connection.close()


def begun(port: int, head: bytes) -> socket.socket:
    """A request of which only the beginning has been sent."""
    client = socket.create_connection((LOOPBACK, port), timeout=20)
    client.sendall(head)
    return client


SLOW = {
    "head": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
}


@pytest.mark.parametrize("part", SLOW)
def test_requests_that_never_end_hold_no_thread(part: str) -> None:
    with serving(lambda _: None) as port, ExitStack() as held:
        for _ in range(MANY):
            held.enter_context(begun(port, SLOW[part]))
        assert status_of(port, "/health/live") == 200
        assert status_of(port, "/api/v1/edges/") == 200


@pytest.mark.parametrize("part", SLOW)
def test_a_request_that_trickles_in_is_cut_off_in_the_end(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "REQUEST_SECONDS", 0.5)
    monkeypatch.setattr(web_server, "CLEANUP_SECONDS", 0.1)
    with serving(lambda _: None) as port, begun(port, SLOW[part]) as client:
        client.settimeout(0.05)
        with pytest.raises(OSError, match=r"reset|Broken pipe|closed"):
            trickle(client)


def trickle(client: socket.socket) -> None:
    """Send a byte at a time until the server has closed the connection."""
    while True:
        client.sendall(b"x")
        try:
            if client.recv(1000) == b"":
                raise ConnectionResetError("closed")
        except TimeoutError:
            continue


def test_health_answers_while_every_thread_is_busy() -> None:
    released, busy = threading.Event(), threading.Semaphore(0)

    def answer(path: str) -> None:
        if not path.startswith("/health"):
            busy.release()
            released.wait(timeout=60)

    with serving(answer) as port, ExitStack() as held:
        for _ in range(MANY):
            held.enter_context(begun(port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
        for _ in range(web_server.THREADS):
            assert busy.acquire(timeout=20)
        assert status_of(port, "/health/live") == 200
        released.set()
        assert status_of(port, "/api/v1/edges/") == 200


def test_a_body_larger_than_any_form_is_refused_before_it_is_read() -> None:
    with serving(lambda _: None) as port:
        # The head alone: a client that goes on writing may find the connection closed.
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"
        with begun(port, head) as client:
            answer = HTTPResponse(client, method="POST")
            answer.begin()
            assert answer.status == 413
        assert status_of(port, "/", b"x" * 2_000_000) == 200


def test_a_stream_waits_for_a_client_that_is_catching_up(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [bytes([number]) * 400_000 for number in range(50)]
    waits, wait = threading.Event(), web_server.DeadlinedChannel._wait_for_reader

    def noted(channel: web_server.DeadlinedChannel) -> None:
        waits.set()
        wait(channel)

    def wsgi(_environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return parts

    monkeypatch.setattr(web_server.DeadlinedChannel, "_wait_for_reader", noted)
    with running(wsgi) as port, begun(port, STREAM_HEAD) as client:
        assert waits.wait(timeout=30)
        with HTTPResponse(client) as answer:
            answer.begin()
            assert answer.read(20_000_000) == b"".join(parts)


def test_a_stream_whose_client_does_not_read_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread is free again, and the bytes that wait for it stay few."""
    monkeypatch.setattr(web_server, "UNREAD_SECONDS", 0.2)
    assert_is_ended(lambda _client: None)


def test_a_stream_whose_client_reads_too_slowly_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_server, "CATCH_UP_SECONDS", 0.2)
    assert_is_ended(lambda client: client.recv(20_000))


def assert_is_ended(read: Callable[[socket.socket], object]) -> None:
    """Have a client read now and then until its endless stream has ended."""
    ended = threading.Event()
    written = 0

    def endless() -> Iterator[bytes]:
        nonlocal written
        try:
            while True:
                written += 2_000_000
                yield b"x" * 2_000_000
        finally:
            ended.set()

    def wsgi(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return endless()

    with running(wsgi) as port, begun(port, STREAM_HEAD) as client:
        for _ in range(3_000):
            read(client)
            if ended.wait(timeout=0.01):
                break
        assert ended.is_set()

    # The kernel holds some megabytes as well.
    assert written < 30_000_000


def test_the_server_knows_the_streams_address() -> None:
    assert reverse("stream") == web_server.STREAM
