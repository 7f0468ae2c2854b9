"""The closing line value of edges: row by row the same as a plain reading of the tables."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from django.db import ProgrammingError, connection
from django.utils import timezone

from betting.models import (
    Bookmaker,
    BookmakerWeight,
    ChangeKind,
    Clock,
    Event,
    LineChange,
    Provider,
    Quote,
    Side,
)
from streaming.core.snapshot import SnapshotQuote
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support import rows
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from tests.valuation.closes.by_hand import HandQuote, closes_by_hand, last_price
from valuation.closes import take as taking
from valuation.closes.take import Taken, take
from valuation.models import ClosingPrice, ClosingQuote, Edge, EdgeClosing
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

POLICY = ValuationPolicy(min_edge_ev=0.005)
BOOKS = ("ace", "bay", "cap", "dot", "elm", "pinnacle")
START = 3600.0


def replay(provider: Provider, seed: int, *, until: float = START + 300) -> None:
    """A quarter of an hour before the start, and what follows, as recorded answers."""
    rng = random.Random(seed)
    prices = {(book, name): 1.9 for book in BOOKS for name in (HOME, AWAY)}
    gone: set[str] = set()
    seconds = START - 900.0
    while seconds < until:
        for key, price in prices.items():
            if rng.random() < 0.3:
                prices[key] = round(price * rng.uniform(0.96, 1.045), 2)
        if rng.random() < 0.3:
            gone ^= {rng.choice(BOOKS)}
        quotes = [
            each
            for (book, name), price in prices.items()
            if book not in gone
            for each in _both_sides(book, name, price)
        ]
        taken = ingest(
            provider.pk, snapshot([event(quotes, starts=START)], seconds), IngestPolicy()
        )
        Bookmaker.objects.filter(key="elm").update(commission=0.02)
        recompute([each.market_id for each in taken.markets], "batch", lambda: POLICY)
        seconds += rng.choice([20, 45, 90])


def _both_sides(book: str, name: str, price: float) -> list[SnapshotQuote]:
    """A back price, and at the exchange a lay price as well."""
    back = quote(book, name, price)
    return [back, quote(book, name, price + 0.02, side="lay")] if book == "elm" else [back]


@contextmanager
def in_another_session(statement: str) -> Iterator[None]:
    """Hold the locks of a statement in a transaction of another connection."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(statement)
        yield
    finally:
        other.rollback()
        other.close()


def seconds_of(at: datetime) -> float:
    return at.timestamp()


def hand_quotes(start: datetime) -> list[HandQuote]:
    changes = LineChange.objects.order_by("id").select_related("quote")
    before = [change for change in changes if change.received_at < start]
    # One feed: whatever changes of it, it was answered then.
    seen = max((seconds_of(change.received_at) for change in before), default=None)
    return [
        HandQuote(
            id=each.pk,
            outcome=each.outcome_id,
            book=each.bookmaker_id,
            is_lay=each.side == Side.LAY,
            weight=(each.bookmaker.weights.first() or each.bookmaker).weight,
            commission=each.bookmaker.commission or 0.0,
            is_contract=each.bookmaker.fee_model == "contract",
            seen=seen,
            changes=[
                (seconds_of(change.received_at), change.new_price, change.old_price)
                for change in changes
                if change.quote_id == each.pk
            ],
        )
        for each in Quote.objects.select_related("bookmaker")
        if any(change.quote_id == each.pk for change in before)
    ]


def net(price: float, hand: HandQuote) -> float:
    if hand.is_contract:
        cost = 1 - 1 / price if hand.is_lay else 1 / price
        return 1 / (cost + hand.commission * cost * (1 - cost))
    if hand.is_lay:
        return 1 + (1 - hand.commission) / (price - 1)
    return 1 + (price - 1) * (1 - hand.commission)


def give_particular_terms() -> None:
    """One bookmaker has a weight of its own on the market, and one charges for contracts."""
    cap = Bookmaker.objects.get(key="cap")
    BookmakerWeight.objects.create(bookmaker=cap, kind="h2h", weight=3)
    Bookmaker.objects.filter(key="bay").update(commission=0.07, fee_model="contract")


@pytest.mark.parametrize("seed", range(4))
def test_closes_and_clv_of_a_replay_are_those_of_a_plain_reading(seed: int) -> None:
    replay(make_provider(), seed)
    give_particular_terms()
    assert take(POLICY) == Taken(1, 0)

    start = Event.objects.get().commence_time
    quotes = {each.id: each for each in hand_quotes(start)}
    by_hand = closes_by_hand(list(quotes.values()), seconds_of(start), POLICY)
    assert by_hand
    for price in ClosingPrice.objects.all():
        close = by_hand.get(price.outcome_id)
        assert price.probability == pytest.approx(close and close.probability)
        assert bool(price.reason) == (close is None)
        if close is not None and price.priced_at is not None:
            assert (price.books, seconds_of(price.priced_at)) == (close.books, close.at)
    for closed in ClosingQuote.objects.all():
        last = last_price(quotes[closed.quote_id], seconds_of(start))
        assert closed.price == (None if last is None else last[0])
        assert (closed.seen_at and seconds_of(closed.seen_at)) == (last and last[1])

    expected = {}
    for edge in Edge.objects.all():
        arrived = [
            change.received_at
            for change in LineChange.objects.all()
            if change.recorded_at <= edge.opened_at
        ]
        close = by_hand.get(edge.quote.outcome_id)
        if max(arrived) >= start or close is None:
            continue
        hand = quotes[edge.quote_id]
        winning = close.others.get(hand.id)
        if winning is None:
            winning = 1 - close.probability if hand.is_lay else close.probability
        held = [edge.opened_price] + [
            change.new_price
            for change in LineChange.objects.filter(quote=hand.id, received_at__lt=start)
            if change.new_price is not None
            and change.recorded_at > edge.opened_at
            and (edge.closed_at is None or change.recorded_at <= edge.closed_at)
        ]
        best = min(held) if hand.is_lay else max(held)
        odds, best_odds = (net(each, hand) for each in (edge.opened_price, best))
        expected[edge.pk] = (
            winning, winning * odds - 1, best, winning * best_odds - 1,
            (start - max(arrived)).total_seconds(),
        )  # fmt: skip
    assert expected
    got = {
        row.edge_id: (
            row.probability, row.opened_clv, row.best_price, row.best_clv, row.ahead_seconds,
        )
        for row in EdgeClosing.objects.all()
    }  # fmt: skip
    assert got == {edge: pytest.approx(values) for edge, values in expected.items()}


def test_an_anchor_judges_the_edges_of_others_by_its_own_line() -> None:
    replay(make_provider(), 0)
    take(POLICY)
    anchored = EdgeClosing.objects.exclude(anchor=None)
    assert anchored
    assert {row.anchor and row.anchor.key for row in anchored} == {"pinnacle"}
    own = EdgeClosing.objects.filter(edge__quote__bookmaker__key="pinnacle")
    assert not own.exclude(anchor=None).exists()
    for row in anchored:
        assert row.anchor_opened_clv is not None
        assert row.anchor_probability is not None
        odds = (1 + row.opened_clv) / row.probability
        assert row.anchor_opened_clv == pytest.approx(row.anchor_probability * odds - 1)


def test_a_second_step_leaves_the_rows_alone_and_a_moved_start_rewrites_them() -> None:
    provider = make_provider()
    replay(provider, 2)
    take(POLICY)
    before = list(EdgeClosing.objects.order_by("edge").values())
    assert before
    assert take(POLICY) == Taken(0, 0)
    assert list(EdgeClosing.objects.order_by("edge").values()) == before

    Event.objects.update(commence_time=Event.objects.get().commence_time - timedelta(minutes=5))
    assert take(POLICY) == Taken(1, 0)
    after = list(EdgeClosing.objects.order_by("edge").values())
    assert after
    assert {row["closes_at"] for row in after} == {Event.objects.get().commence_time}
    assert {row["id"] for row in after}.isdisjoint(row["id"] for row in before)


def test_killed_between_the_closes_and_the_edges_it_leaves_neither(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replay(make_provider(), 3)
    with monkeypatch.context() as patched:
        patched.setattr(taking, "_INSERT_EDGES", "SELECT FROM nowhere")
        with pytest.raises(ProgrammingError):
            take(POLICY)
    assert not ClosingPrice.objects.exists()
    assert take(POLICY) == Taken(1, 0)
    assert EdgeClosing.objects.exists()


def live_board(minutes_ago: float) -> rows.Board:
    """A live board of fair coins, whose event has started."""
    provider = rows.make_provider(clock=Clock.WALL)
    board = rows.make_board(*[(1.905, 1.905)] * 4, provider=provider)
    start = timezone.now() - timedelta(minutes=minutes_ago)
    Event.objects.filter(pk=board.event.pk).update(commence_time=start)
    rows.make_poll_run(provider, feed=board.feed.key, started_at=start - timedelta(seconds=5))
    Edge.objects.all().delete()
    board.event.refresh_from_db()
    return board


def test_an_edge_of_a_live_event_is_judged_at_its_opening_and_its_best_price() -> None:
    board = live_board(10)
    held, start = board.quotes[0], board.event.commence_time
    edge = rows.make_edge(held, opened_at=start - timedelta(hours=2), opened_price=2.1)
    for seconds, price in ((60, 2.2), (120, 2.05)):
        rows.make_change(
            held, kind=ChangeKind.PRICE, old_price=1.9, new_price=price,
            received_at=start - timedelta(hours=1, seconds=-seconds),
            recorded_at=start - timedelta(hours=1, seconds=-seconds),
        )  # fmt: skip
    rows.make_edge(board.quotes[1], opened_at=start + timedelta(seconds=1))

    take(POLICY)

    row = EdgeClosing.objects.get()
    assert row.edge == edge
    assert (row.best_price, row.by_others, row.books) == (2.2, True, 3)
    assert row.opened_clv == pytest.approx(0.05)
    assert row.best_clv == pytest.approx(0.10)
    assert row.ahead_seconds == row.open_seconds == 7200


def test_with_too_few_others_the_whole_consensus_judges() -> None:
    board = live_board(10)
    LineChange.objects.filter(quote__in=board.quotes[6:]).delete()
    Quote.objects.filter(pk__in=[quote.pk for quote in board.quotes[6:]]).delete()
    rows.make_edge(
        board.quotes[0], opened_at=board.event.commence_time - timedelta(hours=1), opened_price=2.1
    )

    take(POLICY)

    row = EdgeClosing.objects.get()
    assert (row.by_others, row.books) == (False, 3)


def test_an_edge_whose_outcome_has_no_close_gets_no_clv() -> None:
    board = live_board(10)
    LineChange.objects.filter(quote__in=board.quotes[4:]).delete()
    Quote.objects.filter(pk__in=[quote.pk for quote in board.quotes[4:]]).delete()
    rows.make_edge(board.quotes[0], opened_at=board.event.commence_time - timedelta(hours=1))
    take(POLICY)
    assert not EdgeClosing.objects.exists()
    assert ClosingPrice.objects.exists()


def test_an_event_that_an_ingest_has_locked_is_left_to_the_next_step() -> None:
    replay(make_provider(), 0)
    with in_another_session("SELECT FROM betting_event FOR NO KEY UPDATE"):
        assert take(POLICY) == Taken(0, 0)
    assert not ClosingPrice.objects.exists()
    assert take(POLICY) == Taken(1, 0)


def test_markets_that_others_write_are_not_waited_for() -> None:
    replay(make_provider(), 0)
    with in_another_session("SELECT FROM betting_market FOR NO KEY UPDATE"):
        assert take(POLICY) == Taken(1, 0)
