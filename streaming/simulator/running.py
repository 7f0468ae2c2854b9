"""A simulator running in a thread of this process, for tests and tools."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from streaming.simulator.faults import FaultBoard, FaultKind, FaultRule
from streaming.simulator.market import Market
from streaming.simulator.odds_api import OddsApi, Source
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.server import CallLog, Simulator, serve

API_KEY = "simulator"
"""The default key; it gives access to a simulation only."""

_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """A simulator that is listening.

    Attributes:
        base_url: ``http://127.0.0.1:PORT``.
        api_key: the key that is valid.
        faults: the faults in force; change them at any time.
        calls: the requests so far.
    """

    base_url: str
    api_key: str
    faults: FaultBoard
    calls: CallLog

    def fail(
        self, sport: str, kind: FaultKind, rate: float = 1.0, *, seconds: float = 60.0
    ) -> None:
        """Make a sport's requests fail from now on."""
        self.faults.put(FaultRule(sport, kind, rate, seconds=seconds))


@contextmanager
def running_simulator(
    source: Source | None = None,
    *,
    seed: int = 1,
    sports: Sequence[str] = (),
    policy: MarketPolicy | None = None,
    api_key: str = API_KEY,
) -> Iterator[RunningSimulator]:
    """Serve `source`, or a simulated market, on a free port of 127.0.0.1 until the block ends.

    Raises:
        ValueError: an unknown sport.
        TimeoutError: the server did not start in time.
    """
    if source is None:
        source = OddsApi(Market(datetime.now(UTC), seed, sports, policy), api_key)
    faults, calls = FaultBoard(seed), CallLog()
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def main() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        simulator = Simulator(source, faults, calls)
        await serve(
            simulator, "127.0.0.1", 0, stop, lambda url: started.set_result((url, loop, stop))
        )

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="simulator", daemon=True)
    thread.start()
    base_url, loop, stop = started.result(timeout=_START_SECONDS)
    try:
        yield RunningSimulator(base_url, api_key, faults, calls)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
