"""Arbitrages, middles and low-hold covers: stored by the recompute, closed as edges are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from betting.models import (
    Bookmaker,
    Clock,
    Event,
    Market,
    Outcome,
    Provider,
    Quote,
    QuoteStatus,
    Side,
)
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support import rows
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from tests.support.undone import undone
from valuation import opportunities, starting
from valuation.board import value
from valuation.models import Opportunity
from valuation.opportunities import Bet
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute, write
from valuation.unvalued import read

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

POLICY = ValuationPolicy()

Row = tuple[str, tuple[tuple[int, float, float], ...], tuple[float, ...]]
"""Kind; quote, price and part of each leg; the figures."""


def revalue(*markets: Market) -> None:
    Market.objects.filter(pk__in=[market.pk for market in markets]).update(version=F("version") + 1)
    recompute([market.pk for market in markets], "batch", lambda: POLICY)


def stored() -> set[Row]:
    return {
        (
            one.kind,
            tuple(zip(one.quotes, one.prices, rounded(one.parts), strict=True)),
            rounded([one.booksum, one.profit, one.worst, one.gap or 0.0, one.break_even or 0.0]),
        )
        for one in Opportunity.objects.filter(closed_at=None)
    }


def computed(market: Market) -> set[Row]:
    """What `opportunities.py` finds of it, by the rules of what is kept."""
    quotes = {
        (each.bookmaker.key, each.side, each.outcome.name, each.outcome.point): each.pk
        for each in Quote.objects.select_related("bookmaker", "outcome")
    }

    def leg(bet: Bet, part: float) -> tuple[int, float, float]:
        key = (bet.bookmaker, bet.side.value, bet.selection.name, bet.selection.point)
        return quotes[key], bet.price, round(part, 9)

    found = opportunities.load(market)
    lines: set[float | None] = set()
    kept: set[Row] = set()
    for cover in found.covers:  # the lowest booksum first
        if len({bet.bookmaker for bet in cover.bets}) > 1:
            is_best = cover.bets[0].selection.line not in lines
            lines.add(cover.bets[0].selection.line)
        else:
            is_best = False
        if cover.is_arbitrage or (is_best and cover.profit >= -POLICY.max_low_hold):
            kept.add((
                "arbitrage" if cover.is_arbitrage else "low_hold",
                tuple(leg(*each) for each in zip(cover.bets, cover.stakes, strict=True)),
                rounded([cover.booksum, cover.profit, cover.worst, 0.0, 0.0]),
            ))  # fmt: skip
    for middle in found.middles:
        booksum = 1 / middle.above.odds + 1 / middle.below.odds
        if middle.worst >= -POLICY.max_middle_cost:
            kept.add((
                "middle",
                tuple(leg(bet, 1 / bet.odds / booksum) for bet in (middle.above, middle.below)),
                rounded([booksum, 1 / booksum - 1, middle.worst, middle.gap, middle.break_even]),
            ))  # fmt: skip
    return kept


def rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(value, 9) for value in values)


PRICE = st.sampled_from([1.8, 1.93, 1.97, 2.02, 2.05, 2.11, 2.3, 3.1]).map(
    lambda price: round(price, 2)
)
STATUS = st.sampled_from([QuoteStatus.ACTIVE] * 7 + [QuoteStatus.SUSPENDED])
POINTS = st.sampled_from([None, 2.0, 2.5, 2.75, 3.5])
OFFER = st.tuples(st.integers(0, 3), st.booleans(), POINTS, st.integers(0, 1), PRICE, STATUS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OFFER, min_size=2, max_size=30), st.lists(OFFER, max_size=6))
def test_what_is_stored_is_what_the_opportunities_of_the_market_are(
    offers: list[Any], later: list[Any]
) -> None:
    with undone():
        market = rows.make_market(kind="totals")
        feed = rows.make_feed(rows.make_provider(clock=Clock.WALL))
        books = [rows.make_bookmaker(commission=rate) for rate in (0.0, 0.0, 0.02)]
        books.append(rows.make_bookmaker(kind="exchange", commission=None))
        for some in (offers, later):
            for number, is_lay, point, side, price, status in some:
                outcome, _ = Outcome.objects.get_or_create(
                    market=market, name=("Over", "Under")[side], point=point,
                    defaults={"line": point},
                )  # fmt: skip
                Quote.objects.update_or_create(
                    outcome=outcome, bookmaker=books[number],
                    side=Side.LAY if is_lay else Side.BACK,
                    defaults={"feed": feed, "market": market, "price": price, "status": status,
                              "changed_at": timezone.now()},
                )  # fmt: skip
            revalue(market)
            assert stored() == computed(market)


@pytest.fixture
def board() -> rows.Board:
    """An arbitrage of 4.5 %, live, confirmed just now."""
    provider = rows.make_provider(clock=Clock.WALL, stale_after_seconds=1_000)
    board = rows.make_board((2.2, 1.7), (1.7, 2.0), provider=provider)
    revalue(board.market)
    return board


def only() -> Opportunity:
    return Opportunity.objects.get()


def test_an_arbitrage_is_stored_with_its_legs(board: rows.Board) -> None:
    one, quotes = only(), [board.quotes[0], board.quotes[3]]
    assert (one.kind, one.market, one.version) == ("arbitrage", board.market, 1)
    assert one.quotes == [quote.pk for quote in quotes]
    assert one.bookmakers == [quote.bookmaker_id for quote in quotes]
    assert one.prices == [2.2, 2.0]
    assert one.profit == pytest.approx(one.worst) == pytest.approx(1 / (1 / 2.2 + 1 / 2.0) - 1)
    assert sum(one.parts) == pytest.approx(1)
    assert not one.in_play


def set_price(quote: Quote, price: float) -> None:
    Quote.objects.filter(pk=quote.pk).update(price=price)


def test_an_opportunity_whose_figures_change_keeps_its_row(board: rows.Board) -> None:
    before = only()
    set_price(board.quotes[0], 2.3)
    revalue(board.market)
    after = only()
    assert (after.pk, after.opened_at, after.version) == (before.pk, before.opened_at, 2)
    assert after.prices == [2.3, 2.0]
    assert after.profit > before.profit


def test_another_bookmakers_better_price_is_another_opportunity(board: rows.Board) -> None:
    set_price(board.quotes[2], 2.4)
    revalue(board.market)
    old, new = Opportunity.objects.order_by("id")
    assert old.close_reason == "gone"
    assert (new.closed_at, new.prices) == (None, [2.4, 2.0])


def test_an_arbitrage_that_costs_a_little_becomes_a_low_hold(board: rows.Board) -> None:
    set_price(board.quotes[0], 1.98)
    revalue(board.market)
    old, new = Opportunity.objects.order_by("id")
    assert (old.kind, old.close_reason) == ("arbitrage", "gone")
    assert (new.kind, new.closed_at) == ("low_hold", None)


def test_what_one_bookmaker_alone_offers_is_no_low_hold() -> None:
    board = rows.make_board((1.99, 1.99), (1.9, 1.9))
    revalue(board.market)
    assert not Opportunity.objects.exists()


@pytest.mark.parametrize("keys", [("zulu", "alpha"), ("alpha", "zulu")])
def test_of_equal_prices_the_first_bookmaker_by_key_is_the_leg_whichever_came_first(
    keys: tuple[str, str],
) -> None:
    board = rows.make_board((2.2, 1.7), (2.2, 1.7), (1.7, 2.0))
    for leg, key in zip((board.quotes[0], board.quotes[2]), keys, strict=True):
        Bookmaker.objects.filter(pk=leg.bookmaker_id).update(key=key)
    revalue(board.market)
    assert only().bookmakers[0] == Bookmaker.objects.get(key="alpha").pk
    assert stored() == computed(board.market)


def suspend(board: rows.Board) -> None:
    Quote.objects.filter(pk=board.quotes[3].pk).update(status=QuoteStatus.SUSPENDED)


def quarantine(board: rows.Board) -> None:
    Quote.objects.filter(pk=board.quotes[3].pk).update(status=QuoteStatus.QUARANTINED)


def suspend_and_quarantine(board: rows.Board) -> None:
    Quote.objects.filter(pk=board.quotes[0].pk).update(status=QuoteStatus.SUSPENDED)
    quarantine(board)


def open_circuit(board: rows.Board) -> None:
    Provider.objects.filter(pk=board.provider.pk).update(generation=1)


def declare_stale(board: rows.Board) -> None:
    quote = board.quotes[3]
    rows.make_feed_bookmaker(quote.feed, bookmaker=quote.bookmaker, stale_markets=[board.market.pk])


def start_unseen(board: rows.Board) -> None:
    board.feed.observed_at = timezone.now() - timedelta(seconds=100)
    board.feed.save()
    Event.objects.update(status="live")


def end(board: rows.Board) -> None:  # noqa: ARG001 - one of several
    Event.objects.update(status="ended")


def raise_commission(board: rows.Board) -> None:
    Bookmaker.objects.filter(pk=board.quotes[0].bookmaker_id).update(commission=0.9)


def forget_commission(board: rows.Board) -> None:
    books = Bookmaker.objects.filter(pk=board.quotes[0].bookmaker_id)
    books.update(kind="exchange", commission=None)


def learn_of_a_draw(board: rows.Board) -> None:
    rows.make_outcome(board.market, "Draw")


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (suspend, "suspended"),
        (quarantine, "quarantined"),
        (suspend_and_quarantine, "quarantined"),
        (open_circuit, "quarantined"),
        (declare_stale, "stale"),
        (start_unseen, "stale"),
        (end, "event_ended"),
        (raise_commission, "gone"),
        (forget_commission, "gone"),
        (learn_of_a_draw, "gone"),
    ],
)
def test_an_opportunity_closes_with_its_reason(
    board: rows.Board, happens: Callable[[rows.Board], None], reason: str
) -> None:
    happens(board)
    revalue(board.market)
    one = only()
    assert one.closed_at is not None
    assert (one.close_reason, one.version) == (reason, 2)


def test_a_late_recompute_of_an_older_version_changes_nothing(board: rows.Board) -> None:
    Market.objects.update(version=F("version") + 1)
    old = read([board.market.pk])
    set_price(board.quotes[0], 1.7)
    revalue(board.market)
    closed = only()
    assert closed.close_reason == "gone"

    with transaction.atomic():
        late = write(old, value(old.board, POLICY), POLICY)

    assert list(late.valued) == []
    assert Opportunity.objects.values().get() == {
        name: getattr(closed, name) for name in Opportunity.objects.values().get()
    }


def test_a_change_between_reading_and_writing_leaves_it_to_the_next_recompute(
    board: rows.Board,
) -> None:
    Market.objects.update(version=F("version") + 1)
    seen = read([board.market.pk])
    set_price(board.quotes[0], 2.5)
    Market.objects.update(version=F("version") + 1)
    with transaction.atomic():
        write(seen, value(seen.board, POLICY), POLICY)
    assert (only().version, only().prices) == (1, [2.2, 2.0])
    recompute([board.market.pk], "batch", lambda: POLICY)
    assert (only().version, only().prices) == (3, [2.5, 2.0])


def test_a_quote_that_goes_with_its_provider_meanwhile_opens_nothing() -> None:
    board = rows.make_board((2.2, 1.7), (1.7, 2.0))
    Market.objects.update(version=1)
    seen = read([board.market.pk])
    Quote.objects.filter(pk=board.quotes[3].pk).delete()
    Market.objects.update(version=2)
    with transaction.atomic():
        assert write(seen, value(seen.board, POLICY), POLICY).valued == [board.market.pk]
    assert not Opportunity.objects.exists()


def test_an_event_that_starts_marks_its_opportunities_though_no_quote_changes(
    board: rows.Board,
) -> None:
    assert starting.mark() == []
    Event.objects.update(commence_time=timezone.now() - timedelta(seconds=1))
    assert starting.mark() == [board.market.pk]
    recompute([board.market.pk], "batch", lambda: POLICY)
    assert only().in_play
    assert starting.mark() == []


@pytest.mark.usefixtures("board")
def test_one_set_of_legs_is_open_once() -> None:
    one = only()
    one.pk = None
    with pytest.raises(IntegrityError, match="opportunity_one_open_per_legs"):
        one.save()


def test_a_cover_of_more_legs_than_anyone_places_is_not_kept() -> None:
    market = rows.make_market(kind="outrights")
    feed = rows.make_feed()
    for number in range(POLICY.max_legs + 1):
        outcome = rows.make_outcome(market, f"Runner {number}")
        for price in (40.0, 41.0):
            key = f"book{price:g}"
            book = Bookmaker.objects.filter(key=key).first() or rows.make_bookmaker(key=key)
            rows.make_quote(outcome, feed, price, bookmaker=book)
    revalue(market)
    assert opportunities.load(market).arbitrages
    assert not Opportunity.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_recomputes_at_once_store_each_opportunity_once() -> None:
    provider = make_provider()
    Provider.objects.update(clock=Clock.RECORDED)
    quotes = [
        quote(book, name, price)
        for book, *pair in (("ace", 2.2, 1.7), ("bay", 1.7, 2.0))
        for name, price in zip((HOME, AWAY), pair, strict=True)
    ]
    events = [event(quotes, f"e{number}") for number in range(20)]
    result = ingest(provider.pk, snapshot(events), IngestPolicy())
    markets = [change.market_id for change in result.markets]

    def revalue_all(order: int) -> None:
        try:
            recompute(markets[::order], "batch", lambda: POLICY)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(revalue_all, (1, -1)))

    assert Opportunity.objects.count() == len(markets)
    assert Opportunity.objects.filter(closed_at=None, version=1).count() == len(markets)
