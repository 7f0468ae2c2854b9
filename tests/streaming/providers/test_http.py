from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import socket
import struct
import threading
import time
import tomllib
import traceback
import tracemalloc
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streaming.bounded_http.exchange import USER_AGENT
from streaming.core.deadlines import FetchPolicy
from streaming.core.failures import (
    DataFailure,
    PermanentFailure,
    ProviderFailure,
    TransientFailure,
)
from streaming.providers.base import Authorisation, Request, Response, Secret
from streaming.providers.http import fetch
from tests.streaming.providers.conftest import WireServer

KEY = "5ecre7c0ffee5ecre7c0ffee5ecre7c0"
BRIEF = FetchPolicy(
    connect_timeout_seconds=0.3,
    read_timeout_seconds=0.3,
    total_timeout_seconds=0.6,
    max_body_bytes=100_000,
)
#: Where no deadline is meant to pass, however busy the machine is.
PATIENT = replace(
    BRIEF, connect_timeout_seconds=20, read_timeout_seconds=20, total_timeout_seconds=20
)
GZIP = gzip.compress(b'[{"home": "Gulls"}]')
RAW = zlib.compress(b'[{"home": "Gulls"}]')[2:-4]  # deflate without zlib's frame
SLACK_SECONDS = 1.5  # what a busy machine may add to a deadline


def ask(base_url: str, policy: FetchPolicy = PATIENT) -> Response:
    secret = Secret(KEY)
    authorisation = Authorisation(
        params={"apiKey": secret.value}, headers={"X-Key": secret.value}, secret=secret
    )
    request = Request("any", base_url, "/odds", {"markets": "h2h,totals"})
    return fetch(request, authorisation, policy, is_private_allowed=True)


def failure_of(base_url: str, policy: FetchPolicy = PATIENT) -> ProviderFailure:
    """The failure, after making sure that nothing about it shows the key."""
    with pytest.raises(ProviderFailure) as caught:
        ask(base_url, policy)
    failure = caught.value
    assert failure.__cause__ is None
    assert failure.__context__ is None
    shown = traceback.TracebackException.from_exception(failure, capture_locals=True)
    assert KEY not in "".join(shown.format(chain=True))
    assert KEY not in repr(failure) + str(failure) + repr(vars(failure))
    return failure


def test_an_answer_comes_back_whole(server: WireServer) -> None:
    server.answers("200 OK", b'{"ok": true}', X_Requests_Remaining="41")
    before = datetime.now(UTC)
    response = ask(server.url)
    assert response.status == 200
    assert response.body == b'{"ok": true}'
    assert response.headers["x-requests-remaining"] == "41"
    assert before <= response.received_at <= datetime.now(UTC)
    assert 0 < response.duration_ms < 5_000
    assert response.wire_bytes == 12


def test_the_request_names_the_client_and_carries_the_key(server: WireServer) -> None:
    server.answers("200 OK", Set_Cookie="session=1")
    ask(server.url)
    ask(server.url)
    head = server.heads[-1]
    assert head.startswith(f"GET /odds?markets=h2h,totals&apiKey={KEY} HTTP/1.1\r\n")
    assert f"User-Agent: {USER_AGENT}\r\n" in head
    assert f"X-Key: {KEY}\r\n" in head
    assert "Accept-Encoding: gzip\r\n" in head
    assert "Cookie" not in head


def test_the_client_names_the_version_of_the_project() -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert f"{project['name']}/{project['version']}" == USER_AGENT


@pytest.mark.parametrize("status", ["401 No", "404 No", "429 No", "500 No", "503 No"])
def test_a_refusal_is_an_answer_too(server: WireServer, status: str) -> None:
    server.answers(status, b"{}", Retry_After="7")
    response = ask(server.url)
    assert f"{response.status} No" == status
    assert response.headers["retry-after"] == "7"


def test_a_redirect_is_not_followed(server: WireServer) -> None:
    server.answers("302 Found", Location="/elsewhere")
    assert ask(server.url).status == 302
    assert len(server.heads) == 1


def test_a_gzipped_answer_is_unpacked_and_its_size_on_the_wire_kept(server: WireServer) -> None:
    plain = b"[" + b"1," * 5_000 + b"1]"
    packed = gzip.compress(plain)
    server.answers("200 OK", packed, Content_Encoding="gzip")
    response = ask(server.url)
    assert response.body == plain
    assert response.wire_bytes == len(packed)


def test_an_answer_that_echoes_the_key_is_cleaned(server: WireServer) -> None:
    server.answers("302 Found", f"no {KEY}!".encode(), Location=f"/login?back={KEY}")
    response = ask(server.url)
    assert response.body == b"no ***!"
    assert response.headers["location"] == "/login?back=***"


def test_nothing_the_client_logs_shows_the_key(
    server: WireServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers("200 OK", b"{}")
    with caplog.at_level(logging.DEBUG):
        ask(server.url)
        failure_of("http://127.0.0.1:1")
    assert KEY not in caplog.text


def test_a_server_that_never_answers_meets_the_read_deadline(server: WireServer) -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server.script = hang
    assert_times_out(server.url)


def test_a_head_that_drips_meets_the_total_deadline(server: WireServer) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        await drip_for_ever(writer)

    server.script = drip
    assert_times_out(server.url)


def test_a_body_that_drips_meets_the_total_deadline(server: WireServer) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        await drip_for_ever(writer)

    roomy = FetchPolicy(1.0, 1.0, 0.5, 10_000_000)
    server.script = drip
    assert_times_out(server.url, roomy)


def test_a_name_lookup_that_hangs_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def never(*_: object, **__: object) -> list[object]:
        over.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", never)
    try:
        assert_times_out("http://provider.example")
        assert_times_out("http://provider.example", FetchPolicy(5.0, 5.0, 0.3, 1_000))
    finally:
        over.set()


def assert_times_out(base_url: str, policy: FetchPolicy = BRIEF) -> None:
    started = time.monotonic()
    failure = failure_of(base_url, policy)
    assert isinstance(failure, TransientFailure)
    assert failure.code == "timeout"
    assert time.monotonic() - started < policy.total_timeout_seconds + SLACK_SECONDS


async def drip_for_ever(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


def test_a_host_name_that_does_not_exist_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert_transient(failure_of("http://provider.example"), "dns")


def test_a_host_name_is_looked_up(server: WireServer) -> None:
    server.answers("200 OK", b"{}")
    assert ask(f"http://localhost:{server.port}").status == 200


def test_a_refused_connection_is_transient() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        assert_transient(failure_of(f"http://127.0.0.1:{taken.getsockname()[1]}"), "connect")


def test_a_server_without_tls_is_transient(server: WireServer) -> None:
    server.answers("200 OK")
    server.waits_for_a_head = False
    assert_transient(failure_of(f"https://127.0.0.1:{server.port}"), "tls")


def test_a_connection_closed_before_the_answer_is_transient(server: WireServer) -> None:
    async def close(_: asyncio.StreamWriter) -> None:
        pass

    server.script = close
    assert_transient(failure_of(server.url), "reset")


@pytest.mark.parametrize(
    ("sent", "codes"),
    [
        (b"", {"reset"}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1", {"reset", "truncated"}),
    ],
)
def test_a_reset_connection_is_transient(server: WireServer, sent: bytes, codes: set[str]) -> None:
    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()
        linger_off = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_off)
        writer.transport.abort()

    server.script = reset
    failure = failure_of(server.url)
    assert isinstance(failure, TransientFailure)
    assert failure.code in codes


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1, 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n[1, 2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n",
    ],
)
def test_a_body_that_stops_short_of_its_length_is_transient(
    server: WireServer, sent: bytes
) -> None:
    async def stop_short(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)

    server.script = stop_short
    assert_transient(failure_of(server.url), "truncated")


def test_an_answer_that_is_not_http_is_transient(server: WireServer) -> None:
    async def babble(writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n\r\n")

    server.script = babble
    assert_transient(failure_of(server.url), "protocol")


def assert_transient(failure: ProviderFailure, code: str) -> None:
    assert isinstance(failure, TransientFailure)
    assert failure.code == code


@pytest.mark.parametrize(
    "base_url", ["ftp://provider.example", "provider.example", "", "http://", "http://[::1"]
)
def test_an_address_that_is_none_is_permanent(base_url: str) -> None:
    failure = failure_of(base_url)
    assert isinstance(failure, PermanentFailure)
    assert failure.code == "invalid_url"


def test_a_body_announced_too_large_is_not_read(server: WireServer) -> None:
    async def announce(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n")
        await asyncio.Event().wait()

    server.script = announce
    assert_data_failure(failure_of(server.url), "too_large")


def test_a_body_that_grows_too_large_is_left_off(server: WireServer) -> None:
    sent = 0

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while sent < 100_000_000:
                writer.write(b"x" * 10_000)
                sent += 10_000
                await writer.drain()

    server.script = flood
    assert_data_failure(failure_of(server.url), "too_large")
    assert sent < 50_000_000


def test_a_gzip_bomb_does_not_unfold(server: WireServer) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(50)) + packer.flush()
    assert len(bomb) < BRIEF.max_body_bytes
    server.answers("200 OK", bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        assert_data_failure(failure_of(server.url), "too_large")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_a_body_of_exactly_the_limit_is_accepted(server: WireServer) -> None:
    body = b"x" * BRIEF.max_body_bytes
    server.answers("200 OK", body)
    assert ask(server.url).body == body
    server.answers("200 OK", gzip.compress(body), Content_Encoding="gzip")
    assert ask(server.url).body == body


@pytest.mark.parametrize(
    "body",
    [b"not gzip", b"\x1f", gzip.compress(b"[1, 2, 3]" * 99)[:-9], gzip.compress(b"[]") + GZIP[:-1]],
    ids=["plain", "one byte", "cut short", "second member cut short"],
)
def test_gzip_that_is_none_is_a_data_failure(server: WireServer, body: bytes) -> None:
    server.answers("200 OK", body, Content_Encoding="gzip")
    assert_data_failure(failure_of(server.url), "bad_encoding")


GULLS = b'[{"home": "Gulls"}]'


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", GZIP + b"tail"),
        ("gzip", GZIP + bytes(8)),
        ("x-gzip", GZIP + b"\x1f"),
        ("GZIP", gzip.compress(GULLS[:5]) + gzip.compress(GULLS[5:])),
        ("deflate", zlib.compress(GULLS)),
        ("deflate", zlib.compress(GULLS) + b"tail"),
        ("deflate", RAW),
        ("gzip, gzip", gzip.compress(GZIP)),
        ("deflate, gzip", gzip.compress(zlib.compress(GULLS))),
        ("identity", GULLS),
        ("identity, gzip", GZIP),
    ],
    ids=[*map(str, range(11))],  # packed bytes hold the time: no name of a test
)
@pytest.mark.parametrize("bytes_a_write", [1, 10_000])
def test_a_body_is_unpacked_as_common_clients_unpack_it(
    server: WireServer, encoding: str, body: bytes, bytes_a_write: int
) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode())
        for start in range(0, len(body), bytes_a_write):
            writer.write(body[start : start + bytes_a_write])
            await writer.drain()

    server.script = script
    assert ask(server.url).body == GULLS


def test_a_bomb_within_a_bomb_does_not_unfold(server: WireServer) -> None:
    bomb = gzip.compress(gzip.compress(bytes(50_000_000)))
    server.answers("200 OK", bomb, Content_Encoding="gzip, gzip")
    tracemalloc.start()
    try:
        assert_data_failure(failure_of(server.url), "too_large")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_a_body_packed_without_end_is_a_data_failure(server: WireServer) -> None:
    server.answers("200 OK", GZIP, Content_Encoding=", ".join(["gzip"] * 9))
    assert_data_failure(failure_of(server.url), "bad_encoding")


def test_an_encoding_that_was_not_asked_for_is_a_data_failure(server: WireServer) -> None:
    server.answers("200 OK", b"...", Content_Encoding="br")
    assert_data_failure(failure_of(server.url), "bad_encoding")


def assert_data_failure(failure: ProviderFailure, code: str) -> None:
    assert isinstance(failure, DataFailure)
    assert failure.code == code
