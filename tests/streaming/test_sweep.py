"""The sweeper: what waits too long is found, and what falls silent is noticed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from msgspec.structs import replace

from betting.config import SweepConfig
from betting.models import Clock, Feed, Market, Provider, QuoteStatus
from streaming.core.movement import MovementPolicy
from streaming.core.snapshot import SnapshotQuote
from streaming.ingest import IngestResult, ingest
from streaming.sweep import mark_silent_feeds, stale_markets
from tests.rows import make_bookmaker, make_feed, make_market, make_outcome, make_quote
from tests.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation.models import CloseReason, Edge, FairPrice
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute

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
    assert stale_markets(CONFIG) == [late.pk]


def test_a_sweep_claims_no_more_than_its_limit_and_the_longest_waiting_first() -> None:
    markets = [waiting(seconds).pk for seconds in (10, 40, 20, 50, 30)]
    limited = SweepConfig(dirty_after_ms=2_000, max_markets=2)
    claimed = [set(stale_markets(limited)) for _ in range(4)]
    assert claimed == [{markets[3], markets[1]}, {markets[4], markets[2]}, {markets[0]}, set()]


def test_a_claimed_market_is_left_to_its_recompute_for_as_long_again() -> None:
    market = waiting(60)
    assert stale_markets(CONFIG) == [market.pk]
    Market.objects.update(swept_at=ago(1.5))
    assert stale_markets(CONFIG) == []
    Market.objects.update(swept_at=ago(2.5))
    assert stale_markets(CONFIG) == [market.pk]


def test_a_market_that_was_valued_meanwhile_is_not_claimed() -> None:
    market = waiting(60)
    Market.objects.filter(pk=market.pk).update(valued_version=2, dirty_at=None)
    assert stale_markets(CONFIG) == []


@pytest.mark.django_db(transaction=True)
def test_a_sweeper_skips_what_another_is_claiming_instead_of_waiting() -> None:
    first, second = waiting(20), waiting(10)
    one = SweepConfig(dirty_after_ms=2_000, max_markets=1)
    is_claimed, may_commit = threading.Event(), threading.Event()

    def slow_sweep() -> list[int]:
        with closing(connection), transaction.atomic():
            claimed = stale_markets(one)
            is_claimed.set()
            assert may_commit.wait(10)
            return claimed

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(slow_sweep)
        assert is_claimed.wait(10)
        assert stale_markets(CONFIG) == [second.pk]
        may_commit.set()
        assert slow.result() == [first.pk]
    assert stale_markets(CONFIG) == []


@pytest.mark.django_db(transaction=True)
def test_sweepers_at_the_same_moment_claim_each_market_once() -> None:
    markets = [waiting(10).pk for _ in range(60)]
    barrier = threading.Barrier(4)

    def sweep() -> list[int]:
        with closing(connection):
            connection.ensure_connection()
            barrier.wait()
            return stale_markets(CONFIG)

    with ThreadPoolExecutor() as pool:
        sweeps = [pool.submit(sweep) for _ in range(4)]
    assert Counter(market for each in sweeps for market in each.result()) == Counter(markets)


# --- Feeds that fall silent ---


def live_provider(key: str = "live") -> Provider:
    return make_provider(key, clock=Clock.WALL, stale_after_seconds=120.0)


def hear(provider: Provider, quotes: list[SnapshotQuote], feed: str = "/odds") -> IngestResult:
    """Let the provider answer now."""
    answer = snapshot([event(quotes)], feed=feed, is_list=False)
    return ingest(provider.pk, replace(answer, received_at=datetime.now(UTC)), MovementPolicy())


EVEN = {HOME: 1.9, AWAY: 1.9}
GENEROUS = {HOME: 2.15, AWAY: 1.75}


def board(*books: str, generous: str = "") -> list[SnapshotQuote]:
    """Both sides at each bookmaker; one of them pays more for the home side than is fair."""
    return [
        quote(book, name, price)
        for book in books
        for name, price in (GENEROUS if book == generous else EVEN).items()
    ]


def silence(seconds: float, feed: str = "/odds") -> None:
    """Let so much time pass since a feed was heard."""
    Feed.objects.filter(key=feed).update(observed_at=ago(seconds))


def value_all() -> None:
    recompute(list(Market.objects.values_list("pk", flat=True)), "sweep", ValuationPolicy())


def fair_states() -> set[tuple[str, str]]:
    return set(FairPrice.objects.values_list("state", "reason"))


@pytest.mark.usefixtures("redis")
def test_a_silent_feed_prices_nothing_until_it_is_heard_again() -> None:
    provider, quotes = live_provider(), board("ace", "bay", "cap", "dot", generous="dot")
    hear(provider, quotes)
    value_all()
    assert fair_states() == {("ok", "")}
    assert Edge.objects.filter(closed_at=None).count() == 1

    silence(121)
    assert mark_silent_feeds() == 1
    value_all()
    assert fair_states() == {("none", "too few bookmakers have fresh quotes")}
    assert Edge.objects.get().close_reason == CloseReason.STALE
    market = Market.objects.get()
    assert (market.version, market.valued_version) == (2, 2)

    result = hear(provider, quotes)
    assert [change.changes for change in result.markets] == [0]
    value_all()
    assert fair_states() == {("ok", "")}
    assert Edge.objects.filter(closed_at=None).count() == 1
    assert Feed.objects.get().stale_since is None


def test_silence_is_noticed_once() -> None:
    hear(live_provider(), board("ace", "bay"))
    silence(121)
    assert [mark_silent_feeds() for _ in range(3)] == [1, 0, 0]
    assert Market.objects.get().version == 2
    assert Feed.objects.get().stale_since is not None


def test_a_feed_that_falls_silent_again_is_noticed_again() -> None:
    provider = live_provider()
    for version in (1, 3):
        hear(provider, board("ace"))
        assert Market.objects.get().version == version
        silence(121)
        assert mark_silent_feeds() == 1
    assert Market.objects.get().version == 4


def test_a_market_that_falls_silent_waits_for_its_valuation_from_then_on() -> None:
    hear(live_provider(), board("ace"))
    Market.objects.update(valued_version=1, dirty_at=None)
    silence(121)
    before = datetime.now(UTC)
    mark_silent_feeds()
    dirty_at = Market.objects.get().dirty_at
    assert dirty_at is not None
    assert before <= dirty_at <= datetime.now(UTC)


def test_a_market_that_waited_before_it_fell_silent_has_waited_since_then() -> None:
    hear(live_provider(), board("ace"))
    since = ago(500)
    Market.objects.update(dirty_at=since)
    silence(121)
    mark_silent_feeds()
    assert Market.objects.get().dirty_at == since


def heard_in_time() -> None:
    hear(live_provider(), board("ace"))
    silence(100)


def recorded_long_ago() -> None:
    hear(make_provider(clock=Clock.RECORDED, stale_after_seconds=1.0), board("ace"))
    silence(1_000_000)


@pytest.mark.parametrize("have_it", [heard_in_time, recorded_long_ago])
def test_a_feed_within_its_limit_or_of_a_recording_does_not_fall_silent(
    have_it: Callable[[], None],
) -> None:
    have_it()
    assert mark_silent_feeds() == 0
    assert Feed.objects.get().stale_since is None
    assert Market.objects.get().version == 1


def test_each_provider_has_a_limit_of_its_own() -> None:
    hasty = make_provider("hasty", clock=Clock.WALL, stale_after_seconds=10.0)
    hear(hasty, board("ace"), feed="/hasty")
    hear(live_provider(), board("bay"), feed="/live")
    Feed.objects.update(observed_at=ago(60))
    assert mark_silent_feeds() == 1
    assert Feed.objects.get(stale_since__isnull=False).key == "/hasty"


def test_only_markets_with_an_active_quote_of_the_silent_feed_are_raised() -> None:
    silent = make_feed(live_provider(), observed_at=ago(121))
    heard = make_feed(live_provider("other"))
    bookmaker = make_bookmaker()
    versions = {}
    for feeds, status, raised in (
        ([silent], QuoteStatus.ACTIVE, 1),
        ([silent, heard], QuoteStatus.ACTIVE, 1),
        ([heard], QuoteStatus.ACTIVE, 0),
        ([silent], QuoteStatus.SUSPENDED, 0),
    ):
        market = make_market()
        versions[market.pk] = raised
        for feed in feeds:
            outcome = make_outcome(market, feed.key)
            make_quote(outcome, feed, bookmaker=bookmaker, status=status)
    mark_silent_feeds()
    assert dict(Market.objects.values_list("pk", "version")) == versions


@pytest.mark.usefixtures("redis")
def test_a_silent_feed_takes_only_its_own_bookmakers_out_of_the_consensus() -> None:
    provider = live_provider()
    hear(provider, board("ace", "bay", "cap"))
    hear(provider, board("dot"), feed="/slow")
    value_all()
    silence(121, feed="/slow")
    mark_silent_feeds()
    value_all()
    assert fair_states() == {("ok", "")}
    assert set(FairPrice.objects.values_list("books", flat=True)) == {3}
