"""The sweeper: what waits too long is found, and what falls silent is noticed."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from betting.config import SweepConfig
from betting.models import Market
from streaming.coalescing import sweep
from streaming.coalescing.sweep import unvalued_markets
from tests.support.rows import make_market

CONFIG = SweepConfig(dirty_after_ms=2_000)

pytestmark = pytest.mark.django_db


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def waiting(seconds: float) -> Market:
    """A market whose valuation has been waited for so long."""
    return make_market(version=2, valued_version=1, dirty_at=ago(seconds))


# --- Markets that wait too long ---


def test_a_market_that_waits_longer_than_the_bound_is_claimed() -> None:
    late = waiting(3)
    waiting(1)
    make_market(version=2, valued_version=2, dirty_at=ago(3))
    assert unvalued_markets(CONFIG) == [late.pk]


def test_a_sweep_claims_no_more_than_its_limit_and_the_longest_waiting_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    markets = [waiting(seconds).pk for seconds in (10, 40, 20, 50, 30)]
    monkeypatch.setattr(sweep, "MAX_MARKETS", 2)
    claimed = [set(unvalued_markets(CONFIG)) for _ in range(4)]
    assert claimed == [{markets[3], markets[1]}, {markets[4], markets[2]}, {markets[0]}, set()]


def test_a_claimed_market_is_left_to_its_recompute_for_as_long_again() -> None:
    market = waiting(60)
    assert unvalued_markets(CONFIG) == [market.pk]
    Market.objects.update(swept_at=ago(1.5))
    assert unvalued_markets(CONFIG) == []
    Market.objects.update(swept_at=ago(2.5))
    assert unvalued_markets(CONFIG) == [market.pk]


def test_a_market_that_was_valued_meanwhile_is_not_claimed() -> None:
    market = waiting(60)
    Market.objects.filter(pk=market.pk).update(valued_version=2, dirty_at=None)
    assert unvalued_markets(CONFIG) == []


@pytest.mark.django_db(transaction=True)
def test_a_sweeper_skips_what_another_is_claiming_instead_of_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = waiting(20), waiting(10)
    monkeypatch.setattr(sweep, "MAX_MARKETS", 1)
    is_claimed, may_commit = threading.Event(), threading.Event()

    def slow_sweep() -> list[int]:
        with closing(connection), transaction.atomic():
            claimed = unvalued_markets(CONFIG)
            is_claimed.set()
            assert may_commit.wait(10)
            return claimed

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(slow_sweep)
        assert is_claimed.wait(10)
        assert unvalued_markets(CONFIG) == [second.pk]
        may_commit.set()
        assert slow.result() == [first.pk]
    assert unvalued_markets(CONFIG) == []


@pytest.mark.django_db(transaction=True)
def test_sweepers_at_the_same_moment_claim_each_market_once() -> None:
    markets = [waiting(10).pk for _ in range(60)]
    barrier = threading.Barrier(4)

    def sweep() -> list[int]:
        with closing(connection):
            connection.ensure_connection()
            barrier.wait()
            return unvalued_markets(CONFIG)

    with ThreadPoolExecutor() as pool:
        sweeps = [pool.submit(sweep) for _ in range(4)]
    assert Counter(market for each in sweeps for market in each.result()) == Counter(markets)
