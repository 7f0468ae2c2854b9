"""A market whose price a test moves, with everything up to the broker being real."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from redis import Redis

from betting.models import Market
from streaming import tasks
from streaming.core.coalesce import CoalescePolicy
from streaming.core.snapshot import Snapshot
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support.broker import work_off
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation.models import RecomputeRun

BOOKS = ("ace", "bay", "cap", "dot")


def board(price: float, seconds: float) -> Snapshot:
    """One market at four bookmakers, one of which asks `price` for the home side."""
    even = [quote(book, name, 1.9) for book in BOOKS for name in (HOME, AWAY)]
    return snapshot([event([quote("ace", HOME, price), *even[1:]])], seconds)


def begin_burst(redis: Redis) -> None:
    """Let the window have had its answers, and last: no change goes at once."""
    redis.set("hardline:first:answers", CoalescePolicy().first_answers, ex=600)


class MovedMarket:
    """A market that has been valued once, at 1.9, and whose changes come in a burst."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        begin_burst(redis)
        self.provider = make_provider()
        self._seconds = 0.0
        self.moves_to(1.9)
        work_off(redis)

    def moves_to(self, price: float) -> None:
        self._seconds += 1
        taken = ingest(self.provider.pk, board(price, self._seconds), IngestPolicy())
        tasks.send_changes(taken.markets)

    def moves(self, times: int, *, separately: int = 0) -> None:
        """So many small moves, of which the first are valued one by one and the rest together."""
        for step in range(1, times + 1):
            self.moves_to(1.9 + 0.001 * step)
            if step <= separately:
                work_off(self._redis)
        work_off(self._redis)

    def recomputes(self) -> int:
        """Recomputes since it was first valued."""
        return RecomputeRun.objects.count() - 1


def sweep(redis: Redis) -> None:
    """The sweeper finds what waits, as it would ten seconds later."""
    Market.objects.filter(dirty_at__isnull=False).update(
        dirty_at=datetime.now(UTC) - timedelta(seconds=10)
    )
    tasks.sweep()
    work_off(redis)
