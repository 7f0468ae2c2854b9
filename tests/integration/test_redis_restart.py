"""Redis dies, with messages in countdown and changes flowing, and comes back: nothing is lost."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from itertools import count

import pytest

from betting.config import Config
from betting.db.outages import OUTAGES
from betting.db.redis import redis_client
from betting.models import Market, Provider
from betting.runtime.embedded import ensure_running, status
from betting.runtime.supervisor import Supervisor
from streaming.core.snapshot import Snapshot
from streaming.ingest.ingest import IngestPolicy, ingest
from streaming.runner.backlog import backlog
from streaming.tasks import send_changes, sweep
from tests.integration.conftest import all_valued, wait_until
from tests.streaming.coalescing.test_interleavings import assert_valued_from_the_final_quotes
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation.models import RecomputeRun

MARKETS = 20
ANSWERS_WHILE_AWAY = 10
BOOKS = ("ace", "bay", "cap", "dot")

pytestmark = pytest.mark.django_db(transaction=True)


def answer(step: int) -> Snapshot:
    """The same markets, each with one price a little changed at every step."""
    price = 1.95 + 0.001 * (step % 9)
    return snapshot(
        [
            event(
                [
                    quote(book, name, price if (book, name) == ("ace", HOME) else 1.95)
                    for book in BOOKS
                    for name in (HOME, AWAY)
                ],
                f"e{number}",
            )
            for number in range(MARKETS)
        ],
        step,
        is_list=False,
    )


def take(provider: Provider, step: int) -> None:
    """Ingest the answer of a step; the messages about it are lost while Redis is away."""
    changes = ingest(provider.pk, answer(step), IngestPolicy()).markets
    with suppress(*OUTAGES):
        send_changes(changes)


def kill_redis(config: Config) -> None:
    (redis,) = (server for server in status(config) if server.name == "Redis")
    assert redis.pid is not None
    os.kill(redis.pid, signal.SIGKILL)
    wait_until(
        lambda: not any(s.is_running for s in status(config) if s.name == "Redis"), "its end"
    )


@pytest.mark.parametrize("memory", ["kept", "lost"])
@pytest.mark.timeout(240)
def test_redis_killed_in_the_middle_of_a_countdown_loses_no_valuation(
    servers: Config, valuers: Supervisor, memory: str
) -> None:
    provider, steps = make_provider(), count()

    def has_countdown() -> bool:
        take(provider, next(steps))
        return backlog(servers.coalesce).unacknowledged_messages > 0

    def becomes_valued() -> bool:
        """What beat and the supervisor do once a second in a run, until all is valued."""
        valuers.tend()
        with suppress(*OUTAGES):
            sweep()
        return all_valued()

    wait_until(has_countdown, "a message in countdown")
    if memory == "lost":
        redis_client().flushall()
    kill_redis(servers)
    for _ in range(ANSWERS_WHILE_AWAY):
        take(provider, next(steps))
    assert not all_valued()
    ensure_running(servers)
    for _ in range(ANSWERS_WHILE_AWAY):
        take(provider, next(steps))

    wait_until(becomes_valued, "every market's valuation")

    assert Market.objects.count() == MARKETS
    for market in Market.objects.all():
        assert_valued_from_the_final_quotes(market)
    # And the usual way works again: what comes now needs no sweeper.
    without_sweeper = RecomputeRun.objects.filter(trigger__in=["first", "batch"])
    before = without_sweeper.count()
    take(provider, next(steps))
    wait_until(all_valued, "the usual way")
    assert without_sweeper.count() > before
