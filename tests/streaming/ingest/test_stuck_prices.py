"""A price whose market is not looked at any more, while its bookmaker moves on any other one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec import structs

from betting.db.sql import fetch_all
from betting.models import Clock, FeedBookmaker, Market, Provider, Quote
from streaming.core.snapshot import SnapshotEvent, SnapshotQuote
from streaming.core.staleness import StalenessPolicy
from streaming.ingest.ageing import age
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.ingest.quarantine import quarantine_unsafe
from tests.support.snapshots import (
    AWAY,
    HOME,
    NEXT_CENTURY,
    at,
    event,
    make_provider,
    quote,
    snapshot,
)
from valuation.models import CloseReason, Edge, FairPrice
from valuation.opportunities import load
from valuation.policy import ValuationPolicy
from valuation.reasons import REASON_TEXT, Reason
from valuation.recompute import recompute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

LIMIT = 120.0
OTHERS = {"ace": 1.90, "bay": 1.94, "cap": 1.98}
STUCK_AGE = 840.0
POLICY = IngestPolicy(staleness=StalenessPolicy(cap_seconds=900.0))
TOO_FEW_FRESH = REASON_TEXT[Reason.STALE]


@pytest.fixture
def provider() -> Provider:
    return live_provider()


def live_provider(**fields: Any) -> Provider:
    return make_provider(**{"clock": Clock.WALL, "stale_after_seconds": LIMIT, **fields})


def prices(book: str, home: float, away: float, looked: float) -> list[SnapshotQuote]:
    """Both sides of a market, and when the provider looked at it."""
    both = (quote(book, name, price) for name, price in ((HOME, home), (AWAY, away)))
    return [structs.replace(one, source_at=at(looked)) for one in both]


def take(provider: Provider, events: list[SnapshotEvent], seconds: float) -> IngestResult:
    """A complete answer whose stamps say when its provider looked."""
    answer = structs.replace(snapshot(events, seconds), stamps_confirm=True)
    return ingest(provider.pk, answer, POLICY)


def hear(
    provider: Provider, seconds: float, *, stuck_at: float, price: float = 2.60
) -> IngestResult:
    """An answer in which everything was just looked at, but for elm's price on the first event."""
    others = [each for book, odds in OTHERS.items() for each in prices(book, odds, 1.92, seconds)]
    stuck, moving = prices("elm", price, 1.50, stuck_at), prices("elm", 1.92, 1.92, seconds)
    events = [
        event([*others, *stuck], "stuck", NEXT_CENTURY),
        event([*others, *moving], "moving", NEXT_CENTURY),
    ]
    return take(provider, events, seconds)


def value_all() -> None:
    recompute(list(Market.objects.values_list("pk", flat=True)), "sweep", ValuationPolicy)


def stuck_market() -> Market:
    return Market.objects.get(event__aliases__external_id="stuck")


def open_edges() -> list[tuple[str, float]]:
    edges = Edge.objects.filter(closed_at=None).order_by("id")
    return list(edges.values_list("quote__bookmaker__key", "price"))


def test_a_price_stamped_long_ago_opens_no_edge_while_the_others_are_stamped_now(
    provider: Provider,
) -> None:
    hear(provider, 0, stuck_at=-STUCK_AGE)
    value_all()

    assert not Edge.objects.exists()
    # The others still have a fair price, without it.
    assert set(FairPrice.objects.values_list("state", "books")) == {("ok", 3), ("ok", 4)}
    assert {bet.bookmaker for cover in load(stuck_market()).covers for bet in cover.bets} <= {
        *OTHERS
    }
    # It is offered, as far as anybody knows: it is stale, and not suspended.
    assert set(Quote.objects.values_list("status", flat=True)) == {"active"}


def test_an_edge_closes_as_stale_once_its_market_is_looked_at_no_more(provider: Provider) -> None:
    hear(provider, 0, stuck_at=0)
    value_all()
    assert open_edges() == [("elm", 2.60)]

    for seconds in (60, 120, 180):
        aged = hear(provider, seconds, stuck_at=0).aged
    assert list(aged) == [stuck_market().pk]
    value_all()

    assert Edge.objects.get().close_reason == CloseReason.STALE
    assert quarantine_unsafe(at(200)) == []


def test_a_market_that_becomes_too_old_between_two_answers_is_valued_again_once(
    provider: Provider,
) -> None:
    hear(provider, 100, stuck_at=0)
    value_all()
    assert open_edges() == [("elm", 2.60)]
    version = stuck_market().version

    assert age(at(LIMIT)) == []
    assert age(at(LIMIT + 1)) == [stuck_market().pk]
    assert age(at(LIMIT + 2)) == []

    market = stuck_market()
    assert (market.version, market.version - market.valued_version) == (version + 1, 1)
    value_all()
    assert Edge.objects.get().close_reason == CloseReason.STALE


def test_a_market_that_is_looked_at_again_is_valued_again(provider: Provider) -> None:
    hear(provider, 0, stuck_at=-STUCK_AGE)
    value_all()

    result = hear(provider, 30, stuck_at=25)

    assert (result.aged, result.markets) == ((stuck_market().pk,), ())
    value_all()
    assert open_edges() == [("elm", 2.60)]


def test_a_market_aged_by_the_sweeper_comes_back_with_its_stamp(provider: Provider) -> None:
    hear(provider, 100, stuck_at=0)
    age(at(LIMIT + 1))
    value_all()
    assert open_edges() == []

    result = hear(provider, 160, stuck_at=160)

    assert list(result.aged) == [stuck_market().pk]
    value_all()
    assert open_edges() == [("elm", 2.60)]


def test_a_fair_price_that_leans_on_stuck_prices_says_why_there_is_none(
    provider: Provider,
) -> None:
    for seconds in (0, 200):
        books = [("ace", seconds), ("bay", 0), ("cap", 0)]
        answer = [
            event([q for book, looked in books for q in prices(book, 1.9, 1.9, looked)], "stuck"),
            event([q for book, _ in books for q in prices(book, 1.9, 1.9, seconds)], "moving"),
        ]
        take(provider, answer, seconds)
        value_all()

    prices_of = FairPrice.objects.filter(market=stuck_market())
    assert set(prices_of.values_list("state", "reason")) == {("none", TOO_FEW_FRESH)}
    others = FairPrice.objects.exclude(market=stuck_market())
    assert set(others.values_list("state", flat=True)) == {"ok"}


def test_a_recorded_price_is_judged_at_the_recorded_time_and_stays_active() -> None:
    recording = live_provider(clock=Clock.RECORDED)
    hear(recording, 0, stuck_at=0)
    value_all()
    assert open_edges() == [("elm", 2.60)]

    result = hear(recording, 300, stuck_at=0)

    assert (list(result.aged), result.counts) == ([stuck_market().pk], Counter())
    assert age(at(1_000_000)) == quarantine_unsafe(at(1_000_000)) == []
    value_all()
    assert Edge.objects.get().close_reason == CloseReason.STALE
    assert set(Quote.objects.values_list("status", flat=True)) == {"active"}


def test_a_recorded_bookmaker_that_stands_still_as_a_whole_is_stale_and_stays_active() -> None:
    recording = live_provider(clock=Clock.RECORDED)
    for seconds in (0, 300):
        books = [("ace", seconds), ("bay", seconds), ("cap", seconds), ("elm", 0)]
        quotes = [q for book, looked in books for q in prices(book, 1.9, 1.9, looked)]
        if seconds:
            quotes[-2:] = prices("elm", 2.6, 1.5, 0)
        take(recording, [event(quotes)], seconds)
        value_all()

    assert not Edge.objects.exists()
    assert Quote.objects.filter(price=2.6, status="active").exists()


def test_without_stamps_every_listing_confirms(provider: Provider) -> None:
    for seconds in (0, 100, 200, 300):
        quotes = [q for book in (*OTHERS, "elm") for q in prices(book, 1.9, 1.9, 0)]
        result = ingest(provider.pk, snapshot([event(quotes)], seconds), POLICY)
        assert list(result.aged) == []
    assert set(FeedBookmaker.objects.values_list("confirmed_at", flat=True)) == {at(300)}


def test_an_unchanged_answer_writes_at_most_one_row_a_bookmaker(provider: Provider) -> None:
    hear(provider, 0, stuck_at=-STUCK_AGE)
    before = dict(fetch_all(_ROW_VERSIONS, {}))

    result = hear(provider, 60, stuck_at=-STUCK_AGE)

    after = dict(fetch_all(_ROW_VERSIONS, {}))
    assert result == IngestResult()
    assert set(after) == set(before)
    assert all(after[key] != before[key] for key in after), "each bookmaker was looked at again"
    assert Market.objects.filter(version=1).count() == 2


def test_what_is_learnt_of_a_bookmaker_is_not_what_its_stuck_market_did(provider: Provider) -> None:
    for seconds in range(0, 901, 30):
        hear(provider, seconds, stuck_at=0)
    hear(provider, 930, stuck_at=930)
    book = FeedBookmaker.objects.get(bookmaker__key="elm")
    assert (book.expires_at - book.confirmed_at).total_seconds() == LIMIT
    assert (book.lagging_markets, book.stale_markets, book.next_stale_at) == ([], [], None)


def test_a_stuck_market_shows_how_old_its_price_is(provider: Provider) -> None:
    hear(provider, 100, stuck_at=-STUCK_AGE)
    book = FeedBookmaker.objects.get(bookmaker__key="elm")
    assert book.confirmed_at == at(100)
    assert dict(zip(book.lagging_markets, book.lagging_ats, strict=True)) == {
        stuck_market().pk: at(-STUCK_AGE)
    }


_ROW_VERSIONS = "SELECT bookmaker_id, xmin::text FROM betting_feedbook"
