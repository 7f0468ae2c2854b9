"""The HTTP server: The Odds API on `/v4`, and on `/control` the faults and the calls.

Loopback only. Nothing is logged per request: API keys travel in the query string.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from random import Random

import msgspec
from aiohttp import web

from streaming.core.snapshot import LeftOut
from streaming.simulator.fault_responses import Case, commit, respond
from streaming.simulator.faults import FaultBoard, FaultRule
from streaming.simulator.odds_api import Source
from streaming.simulator.query import Answer

_CALLS_KEPT = 10_000
_SHUTDOWN_SECONDS = 1.0


class CallLog:
    """The times of each sport's calls, in seconds of the monotonic clock, and their faults."""

    def __init__(self) -> None:
        self._at: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_CALLS_KEPT))
        self._faults: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._count: Counter[str] = Counter()

    def add(self, sport: str, fault: str) -> None:
        """Record a call now; `fault` is empty for one without a fault."""
        self._count[sport] += 1
        self._at[sport].append(time.monotonic())
        if fault:
            self._faults[sport][fault] += 1

    def clear(self) -> None:
        """Forget everything."""
        for counts in (self._at, self._faults, self._count):
            counts.clear()

    def count(self, sport: str) -> int:
        """Return the number of calls for a sport so far."""
        return self._count[sport]

    def times(self, sport: str) -> list[float]:
        """Return the times of a sport's calls, oldest first; at most the newest 10,000."""
        return list(self._at.get(sport, ()))

    def summary(self) -> dict[str, object]:
        """Return everything, as `/control/stats` shows it."""
        sports = {
            sport: {"calls": n, "at": list(self._at[sport]), "faults": self._faults[sport]}
            for sport, n in self._count.items()
        }
        return {"now": time.monotonic(), "calls": self._count.total(), "sports": sports}


class Simulator:
    """The server of a source, with faults.

    Args:
        source: what is served: a simulated market or a recording.
        faults: the faults in force.
        calls: where calls are recorded.
        left_out: lines of a recording that are not served, as `/control/stats` shows them.
    """

    def __init__(
        self,
        source: Source,
        faults: FaultBoard,
        calls: CallLog,
        left_out: Sequence[LeftOut] = (),
    ) -> None:
        self._source = source
        self._faults = faults
        self._calls = calls
        self._left_out = left_out
        self._stopping = asyncio.Event()
        self._rng = Random(1)  # noqa: S311 - repeatable choices, not a secret

    def application(self) -> web.Application:
        """Return the aiohttp application; serve it from the event loop that made this object."""
        app = web.Application()
        app.router.add_get("/control/healthz", self._healthz)
        app.router.add_get("/control/stats", self._stats)
        app.router.add_delete("/control/stats", self._clear_stats)
        app.router.add_get("/control/faults", self._list_faults)
        app.router.add_put("/control/faults", self._put_fault)
        app.router.add_delete("/control/faults", self._clear_faults)
        app.router.add_get("/{path:.*}", self._odds)
        app.on_shutdown.append(self._stop)
        return app

    async def _odds(self, request: web.Request) -> web.StreamResponse:
        sport = _sport_of(request.path)
        rule = self._faults.pick(sport)
        self._calls.add(sport, rule.kind if rule else "")
        if rule:
            answer = partial(self._answer, request)
            return await commit(Case(rule, request, answer, self._stopping, self._rng))
        accepts_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
        return respond(self._answer(request), accepts_gzip=accepts_gzip)

    def _answer(self, request: web.Request) -> Answer:
        return self._source.answer(request.path, request.query, datetime.now(UTC))

    async def _healthz(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _stats(self, _request: web.Request) -> web.Response:
        return _json({**self._calls.summary(), "left_out": self._left_out})

    async def _clear_stats(self, _request: web.Request) -> web.Response:
        self._calls.clear()
        return _json({**self._calls.summary(), "left_out": self._left_out})

    async def _list_faults(self, _request: web.Request) -> web.Response:
        return _json(self._faults.rules())

    async def _put_fault(self, request: web.Request) -> web.Response:
        try:
            rules = msgspec.json.decode(await request.read(), type=FaultRule | list[FaultRule])
        except ValueError as error:
            return _json({"message": str(error)}, status=400)
        for rule in rules if isinstance(rules, list) else [rules]:
            self._faults.put(rule)
        return _json(self._faults.rules())

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear(request.query.get("sport", ""), request.query.get("kind", ""))
        return _json(self._faults.rules())

    async def _stop(self, _app: web.Application) -> None:
        self._stopping.set()


async def serve(
    simulator: Simulator,
    host: str,
    port: int,
    stop: asyncio.Event,
    on_listening: Callable[[str], None],
) -> None:
    """Serve until `stop` is set.

    Args:
        simulator: what is served.
        host: a loopback address.
        port: 0 picks a free one.
        stop: ends the server, and every request in it, within about a second.
        on_listening: called with the base URL once connections are accepted.

    Raises:
        ValueError: the host is not a loopback address.
        OSError: the port is taken.
    """
    require_loopback(host)
    runner = web.AppRunner(
        simulator.application(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        shown = f"[{host}]" if ":" in host else host
        on_listening(f"http://{shown}:{runner.addresses[0][1]}")
        await stop.wait()
    finally:
        await runner.cleanup()


def require_loopback(host: str) -> None:
    """Refuse a host that other machines can reach.

    Raises:
        ValueError: not a loopback address.

    >>> require_loopback("127.0.0.1")
    >>> require_loopback("0.0.0.0")
    Traceback (most recent call last):
    ValueError: the simulator listens on loopback only, not on '0.0.0.0'
    """
    if not _is_loopback(host):
        raise ValueError(f"the simulator listens on loopback only, not on {host!r}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sport_of(path: str) -> str:
    """Return the sport key in a request's path; empty if there is none.

    >>> _sport_of("/v4/sports/baseball_mlb/odds"), _sport_of("/v4/sports")
    ('baseball_mlb', '')
    """
    parts = path.strip("/").split("/")
    return parts[2] if len(parts) > 3 and parts[:2] == ["v4", "sports"] else ""


def _json(content: object, *, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(content), content_type="application/json"
    )
