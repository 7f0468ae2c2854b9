"""The implementation of each fault: what is sent over the wire, or is not."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain, repeat
from random import Random
from typing import Any

import msgspec
from aiohttp import web

from streaming.simulator.faults import FaultKind, FaultRule
from streaming.simulator.query import (
    EXCEEDED_FREQ_LIMIT,
    INVALID_KEY,
    OUT_OF_USAGE_CREDITS,
    UNKNOWN_SPORT,
    Answer,
)

_MEGABYTE = 1024 * 1024
_DRIP_SECONDS = 0.2
_GZIP_FORMAT = 31  # zlib's number for a gzip header around the largest window
_LINGER_ZERO = struct.pack("ii", 1, 0)

_REASONS = {
    "403": "Forbidden",
    "500": "Internal Server Error",
    "502": "Bad Gateway",
    "503": "Service Temporarily Unavailable",
}


@dataclass(frozen=True, slots=True)
class Case:
    """A request to which a fault applies.

    Attributes:
        rule: the fault.
        request: the request.
        answer: returns the right answer, for the faults that alter it.
        stopping: set when the server stops, which ends every hang and drip at once.
        rng: chooses among wrong schemas.
    """

    rule: FaultRule
    request: web.Request
    answer: Callable[[], Answer]
    stopping: asyncio.Event
    rng: Random

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than the server runs."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)


async def commit(case: Case) -> web.StreamResponse:
    """Answer the request with the fault."""
    return await _WAYS[case.rule.kind](case)


def respond(answer: Answer, *, accepts_gzip: bool = False) -> web.Response:
    """Return an answer as the API sends it."""
    headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
    body = answer.body
    if accepts_gzip:
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(status=answer.status, body=body, headers=headers)


def wrong_schema(body: bytes, rng: Random) -> bytes:
    """Return valid JSON that is not what the API documents, in one of four ways at random.

    All records are altered, as after a change of the format: a single one would be left out.
    """
    answer: Any = msgspec.json.decode(body)
    events = answer if isinstance(answer, list) else [answer]
    outcomes = [
        outcome
        for event in events
        for book in event.get("bookmakers", ())
        for market in book["markets"]
        for outcome in market["outcomes"]
    ]
    ways: list[Callable[[], object]] = [lambda: {"data": answer}]
    if outcomes:
        ways += [
            lambda: [outcome.update(price=str(outcome["price"])) for outcome in outcomes],
            lambda: [outcome.pop("name") for outcome in outcomes],
            lambda: [event.pop("commence_time") for event in events],
        ]
    way = rng.randrange(len(ways))
    result = ways[way]()
    return msgspec.json.encode(result if way == 0 else answer)


async def _gateway_page(case: Case) -> web.Response:
    """Answer as a proxy in front of the API does: with HTML, not JSON."""
    title = f"{case.rule.kind} {_REASONS[case.rule.kind]}"
    html = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return web.Response(status=int(case.rule.kind), text=html, content_type="text/html")


async def _rate_limited(case: Case) -> web.Response:
    retry_after = {"Retry-After": str(case.rule.retry_after_seconds)}
    return respond(EXCEEDED_FREQ_LIMIT.answer(retry_after))


async def _invalid_key(_case: Case) -> web.Response:
    return respond(INVALID_KEY.answer({}))


async def _unknown_sport(_case: Case) -> web.Response:
    return respond(UNKNOWN_SPORT.answer({}))


async def _empty(case: Case) -> web.Response:
    """Answer with no events, as for a sport that is out of season."""
    return respond(replace(case.answer(), body=b"[]"))


async def _not_modified(_case: Case) -> web.Response:
    """Answer 304 to a request without a condition, as a broken cache does."""
    return web.Response(status=304)


async def _out_of_credits(_case: Case) -> web.Response:
    spent = {"x-requests-remaining": "0", "x-requests-last": "0"}
    return respond(OUT_OF_USAGE_CREDITS.answer(spent))


async def _reset(case: Case) -> web.Response:
    """Drop the connection with an RST: a linger time of 0 discards unsent data."""
    if case.request.transport is not None:
        connection: socket.socket = case.request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        case.request.transport.abort()
    return web.Response()


async def _hang(case: Case) -> web.Response:
    await case.pause(case.rule.seconds)
    return await _reset(case)


async def _slow_drip(case: Case) -> web.StreamResponse:
    """Send a byte at intervals: no read times out, yet the body is never complete."""
    answer = case.answer()
    response = await _begin(case.request, answer.status, len(answer.body))
    with suppress(ConnectionError):
        for byte in answer.body[: int(case.rule.seconds / _DRIP_SECONDS)]:
            if case.stopping.is_set():
                break
            await response.write(bytes((byte,)))
            await case.pause(_DRIP_SECONDS)
    _hang_up(case.request)
    return response


async def _truncated(case: Case) -> web.StreamResponse:
    """Promise the whole body, send half of it, and hang up."""
    answer = case.answer()
    response = await _begin(case.request, answer.status, len(answer.body))
    with suppress(ConnectionError):
        await response.write(_half(answer.body))
    _hang_up(case.request)
    return response


async def _invalid_json(case: Case) -> web.Response:
    """Answer with a body that is complete for HTTP, but ends in the middle of the JSON."""
    answer = case.answer()
    return respond(replace(answer, body=_half(answer.body)))


async def _wrong_schema(case: Case) -> web.Response:
    answer = case.answer()
    return respond(replace(answer, body=wrong_schema(answer.body, case.rng)))


async def _huge(case: Case) -> web.StreamResponse:
    """Answer with a JSON array of many megabytes; the client may hang up at any time."""
    response = await _begin(case.request, 200, None)
    with suppress(ConnectionError):
        await response.write(b"[")
        for _ in range(case.rule.megabytes):
            await response.write(b" " * _MEGABYTE)
        await response.write(b"]")
    return response


async def _gzip_bomb(case: Case) -> web.Response:
    """Answer with a few kilobytes that decompress to many megabytes."""
    body = await asyncio.to_thread(_bomb, case.rule.megabytes)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return web.Response(body=body, headers=headers)


def _bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(level=9, wbits=_GZIP_FORMAT)
    chunks = chain((b"[",), repeat(b" " * _MEGABYTE, megabytes), (b"]",))
    return b"".join([*map(packer.compress, chunks), packer.flush()])


async def _begin(request: web.Request, status: int, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
    response.content_length = length
    await response.prepare(request)
    return response


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


_WAYS: dict[FaultKind, Callable[[Case], Awaitable[web.StreamResponse]]] = {
    "500": _gateway_page,
    "502": _gateway_page,
    "503": _gateway_page,
    "429": _rate_limited,
    "401": _invalid_key,
    "out_of_credits": _out_of_credits,
    "304": _not_modified,
    "403": _gateway_page,
    "404": _unknown_sport,
    "empty": _empty,
    "reset": _reset,
    "hang": _hang,
    "slow_drip": _slow_drip,
    "truncated": _truncated,
    "invalid_json": _invalid_json,
    "wrong_schema": _wrong_schema,
    "huge": _huge,
    "gzip_bomb": _gzip_bomb,
}
