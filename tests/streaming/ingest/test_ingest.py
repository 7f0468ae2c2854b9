"""Ingest: what an answer changes, and what it must leave alone."""

from __future__ import annotations

import math
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from betting.models import (
    ChangeKind,
    Event,
    EventAlias,
    EventStatus,
    Feed,
    LineChange,
    Market,
    MoveClass,
    Provider,
    Quote,
    QuoteStatus,
    Sport,
)
from streaming.core.movement import MovementPolicy
from streaming.core.snapshot import Snapshot, SnapshotQuote
from streaming.ingest import resolve
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from tests.support.snapshots import AWAY, HOME, at, event, make_provider, quote, snapshot

pytestmark = pytest.mark.django_db

POLICY = MovementPolicy()


@pytest.fixture
def provider() -> Provider:
    return make_provider()


def take(provider: Provider, given: Snapshot) -> IngestResult:
    return ingest(provider.pk, given, IngestPolicy(movement=POLICY))


def active() -> dict[tuple[str, str, float | None], float]:
    rows = Quote.objects.filter(status=QuoteStatus.ACTIVE).values_list(
        "bookmaker__key", "outcome__name", "outcome__point", "price"
    )
    return {(book, name, point): price for book, name, point, price in rows}


def test_a_first_answer_opens_every_quote(provider: Provider) -> None:
    result = take(provider, snapshot([event([quote("ace", HOME, 1.8), quote("ace", AWAY, 2.1)])]))

    assert result.counts == Counter({ChangeKind.OPENED: 2})
    assert [change.changes for change in result.markets] == [2]
    assert not result.markets[0].is_major
    assert active() == {("ace", HOME, None): 1.8, ("ace", AWAY, None): 2.1}


def test_an_unchanged_answer_writes_the_heartbeat_and_no_quote(provider: Provider) -> None:
    quotes = [quote("ace", HOME, 1.8), quote("ace", AWAY, 2.1)]
    take(provider, snapshot([event(quotes)]))
    result = take(provider, snapshot([event(quotes)], 60))

    assert result == IngestResult()
    assert Feed.objects.get().observed_at == at(60)
    assert set(Quote.objects.values_list("changed_at", flat=True)) == {at(0)}
    assert Market.objects.get().version == 1


def test_the_events_are_named_of_which_a_price_moved_or_left(provider: Provider) -> None:
    def answer(price: float, *books: str, seconds: int) -> Snapshot:
        moving = event([quote("ace", HOME, price), *(quote(book, AWAY, 2.1) for book in books)])
        still = event([quote("ace", "Reef Rays", 1.5)], external_id="still", home="Reef Rays")
        return snapshot([moving, still], seconds)

    (moving, _) = answer(1.8, seconds=0).events
    assert take(provider, answer(1.8, "ace", seconds=0)).moved_events == frozenset()
    assert take(provider, answer(1.8, "ace", seconds=60)).moved_events == frozenset()
    appeared = take(provider, answer(1.8, "ace", "bay", seconds=120))
    assert appeared.markets
    assert appeared.moved_events == frozenset(), "what appears has not moved"
    moved = {moving.external_id}
    assert take(provider, answer(1.9, "ace", "bay", seconds=180)).moved_events == moved
    assert take(provider, answer(1.9, "ace", seconds=240)).moved_events == moved
    assert take(provider, answer(1.9, "ace", "bay", seconds=300)).moved_events == frozenset()


def test_a_message_about_no_sport_is_a_heartbeat_and_makes_none(provider: Provider) -> None:
    quotes = [quote("ace", HOME, 1.8)]
    take(provider, snapshot([event(quotes)], feed="/stream", is_list=False, is_complete=False))
    about_none = replace(
        snapshot([], 60, feed="/stream", is_list=False, is_complete=False), sport_key=""
    )
    assert take(provider, about_none) == IngestResult()
    assert Feed.objects.get().observed_at == at(60)
    assert list(Sport.objects.values_list("key", flat=True)) == ["harbour_ball"]
    assert active() == {("ace", HOME, None): 1.8}


def test_a_price_move_is_one_change_with_both_prices(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 2.0)])]))
    result = take(provider, snapshot([event([quote("ace", HOME, 2.05)])], 60))

    change = LineChange.objects.latest("id")
    assert result.counts == Counter({ChangeKind.PRICE: 1})
    assert (change.old_price, change.new_price) == (2.0, 2.05)
    assert change.movement == pytest.approx(0.025)
    assert change.classification == MoveClass.MINOR
    assert Market.objects.get().version == 2


def test_a_point_that_moves_is_one_change_and_not_a_removal_and_an_arrival(
    provider: Provider,
) -> None:
    def spread(point: float, price: float) -> Snapshot:
        quotes = [
            quote("ace", HOME, price, kind="spreads", point=-point),
            quote("ace", AWAY, price, kind="spreads", point=point),
        ]
        return snapshot([event(quotes)], point)

    take(provider, spread(3.5, 1.9))
    result = take(provider, spread(4.0, 1.95))

    assert result.counts == Counter({ChangeKind.POINT: 2})
    change = LineChange.objects.filter(kind=ChangeKind.POINT, quote__outcome__name=HOME).get()
    assert (change.old_point, change.new_point) == (-3.5, -4.0)
    assert (change.old_price, change.new_price) == (1.9, 1.95)
    assert active() == {("ace", HOME, -4.0): 1.95, ("ace", AWAY, 4.0): 1.95}


def test_a_point_that_moves_back_is_a_point_move_again(provider: Provider) -> None:
    for seconds, point in enumerate((3.5, 4.0, 3.5)):
        quotes = [quote("ace", HOME, 1.9, kind="spreads", point=point)]
        result = take(provider, snapshot([event(quotes)], seconds))
    assert result.counts == Counter({ChangeKind.POINT: 1})
    assert active() == {("ace", HOME, 3.5): 1.9}


def test_two_lost_points_and_one_gained_are_no_move(provider: Provider) -> None:
    def alternates(*points: float) -> list[SnapshotQuote]:
        return [quote("ace", HOME, 1.9, kind="alternate_spreads", point=p) for p in points]

    take(provider, snapshot([event(alternates(1.5, 2.5))]))
    result = take(provider, snapshot([event(alternates(3.5))], 60))
    assert result.counts == Counter({ChangeKind.OPENED: 1, ChangeKind.SUSPENDED: 2})


def test_what_a_complete_answer_leaves_out_is_suspended_and_major(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8), quote("bay", HOME, 1.9)])]))
    result = take(provider, snapshot([event([quote("ace", HOME, 1.8)])], 60))

    assert result.counts == Counter({ChangeKind.SUSPENDED: 1})
    assert result.markets[0].is_major
    assert active() == {("ace", HOME, None): 1.8}


def test_what_an_incremental_answer_leaves_out_stays(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8), quote("bay", HOME, 1.9)])]))
    result = take(provider, snapshot([event([quote("ace", HOME, 1.81)])], 60, is_complete=False))
    assert result.counts == Counter({ChangeKind.PRICE: 1})
    assert len(active()) == 2


def test_a_suspended_quote_that_comes_back_has_resumed(provider: Provider) -> None:
    both = [quote("ace", HOME, 1.8), quote("ace", AWAY, 2.1)]
    take(provider, snapshot([event(both)]))
    take(provider, snapshot([event(both[:1])], 60))
    result = take(provider, snapshot([event([both[0], quote("ace", AWAY, 2.2)])], 120))

    assert result.counts == Counter({ChangeKind.RESUMED: 1})
    assert result.markets[0].is_major
    change = LineChange.objects.latest("id")
    assert (change.old_price, change.new_price) == (2.1, 2.2)


def test_a_started_event_that_vanishes_has_ended_and_was_not_suspended(
    provider: Provider,
) -> None:
    ours, other = [quote("ace", HOME, 1.8)], [quote("ace", HOME, 1.5)]
    take(provider, snapshot([event(ours, starts=30), event(other, "e2")]))
    assert Event.objects.get(aliases__external_id="e1").status == EventStatus.SCHEDULED
    take(provider, snapshot([event(ours, starts=30), event(other, "e2")], 60))
    assert Event.objects.get(aliases__external_id="e1").status == EventStatus.LIVE

    result = take(provider, snapshot([event(other, "e2")], 120))

    assert result.counts == Counter({ChangeKind.ENDED: 1})
    assert not result.markets[0].is_major
    assert Event.objects.get(aliases__external_id="e1").status == EventStatus.ENDED


def test_an_event_that_ends_takes_its_quotes_of_other_feeds_with_it(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)], starts=30)]))
    prop = quote("ace", "Over", 1.9, kind="player_points", point=20.5, participant="A. Heron")
    take(provider, snapshot([event([prop], starts=30)], 1, feed="/events/e1", is_list=False))

    result = take(provider, snapshot([], 60))

    assert result.counts == Counter({ChangeKind.ENDED: 2})
    assert active() == {}


def test_an_event_that_vanishes_before_its_start_is_suspended(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)])]))
    result = take(provider, snapshot([], 60))
    assert result.counts == Counter({ChangeKind.SUSPENDED: 1})
    assert Event.objects.get().status == EventStatus.SCHEDULED


def test_an_answer_about_one_feed_says_nothing_of_another(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)])], feed="/a"))
    take(provider, snapshot([event([quote("bay", HOME, 1.9)])], 1, feed="/b"))
    result = take(provider, snapshot([event([])], 60, feed="/b"))
    assert result.counts == Counter({ChangeKind.SUSPENDED: 1})
    assert active() == {("ace", HOME, None): 1.8}


def test_an_id_whose_start_moves_is_the_same_event(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)], starts=1_000)]))
    take(provider, snapshot([event([quote("ace", HOME, 1.8)], starts=9_000)], 60))
    assert Event.objects.get().commence_time == at(9_000)


def test_two_ids_of_one_provider_are_two_events(provider: Provider) -> None:
    quotes = [quote("ace", HOME, 1.8)]
    take(provider, snapshot([event(quotes, "first"), event(quotes, "second")]))
    assert Event.objects.count() == 2
    assert set(EventAlias.objects.values_list("external_id", flat=True)) == {"first", "second"}


def test_an_older_answer_is_superseded(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)])], 60))
    result = take(provider, snapshot([event([quote("ace", HOME, 1.7)])], 30))
    assert result == IngestResult(skipped_reason="superseded")
    assert active() == {("ace", HOME, None): 1.8}


def test_an_older_answer_after_an_unchanged_newer_one_is_superseded(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)])], 0))
    take(provider, snapshot([event([quote("ace", HOME, 1.8)])], 60))
    result = take(provider, snapshot([event([quote("ace", HOME, 1.7)])], 30))
    assert result.skipped_reason == "superseded"


def test_the_same_answer_twice_changes_nothing_the_second_time(provider: Provider) -> None:
    answer = snapshot([event([quote("ace", HOME, 1.8)])])
    take(provider, answer)
    assert take(provider, answer) == IngestResult()


def test_lay_and_back_are_two_quotes(provider: Provider) -> None:
    quotes = [quote("swap", HOME, 1.8), quote("swap", HOME, 1.82, side="lay")]
    result = take(provider, snapshot([event(quotes)]))
    assert result.counts == Counter({ChangeKind.OPENED: 2})


def test_ids_that_are_gone_are_resolved_again_from_their_names(provider: Provider) -> None:
    answer = snapshot([event([quote("ace", HOME, 1.8)])])
    take(provider, answer)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        Event.objects.all().delete()
    connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
    result = take(provider, snapshot([event([quote("ace", HOME, 1.8)])], 60))
    assert result.counts == Counter({ChangeKind.OPENED: 1})


def test_line_history_cannot_be_rewritten(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)])]))
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        LineChange.objects.update(new_price=9.0)


def test_a_quote_that_has_a_history_cannot_be_deleted(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)])]))
    delete = "DELETE FROM betting_quote"
    with pytest.raises(IntegrityError, match="refer to a quote"), transaction.atomic():
        connection.cursor().execute(delete)
    LineChange.objects.all().delete()
    connection.cursor().execute(delete)
    assert not Quote.objects.exists()


def test_a_market_tells_its_largest_move_in_log_odds_and_an_opening_none(
    provider: Provider,
) -> None:
    def moved(seconds: int, home: float, away: float) -> float | None:
        quotes = [quote("ace", HOME, home), quote("ace", AWAY, away)]
        (market,) = take(provider, snapshot([event(quotes)], seconds)).markets
        return market.move

    assert moved(0, 2.0, 2.0) is None
    assert moved(60, 2.05, 1.99) == pytest.approx(math.log(1.05))
    assert moved(120, 2.05, 1.8) == pytest.approx(math.log(0.99 / 0.8))


prices = st.floats(1.01, 50.0)


def is_major(old: float, new: float, points: tuple[float | None, float | None]) -> bool:
    """A second account of the rule, of prices and points that move."""
    old_point, new_point = points
    return (
        (
            (old_point is not None and new_point is not None)
            and abs(new_point - old_point) >= POLICY.major_point_move
        )
        or abs(new - old) / old - POLICY.major_price_move > 1e-9
        or abs(1 / new - 1 / old) - POLICY.major_probability_move >= -1e-9
    )


@settings(max_examples=60, deadline=None)
@given(
    old=prices,
    new=prices,
    points=st.sampled_from([(None, None), (3.5, 3.5), (3.5, 4.0), (3.5, 4.5), (-1.0, 1.0)]),
)
def test_the_database_and_the_movement_rule_agree_on_what_is_major(
    old: float, new: float, points: tuple[float | None, float | None]
) -> None:
    kind = "h2h" if points[0] is None else "totals"
    resolve.forget()
    with transaction.atomic():
        provider = make_provider("movement")
        for seconds, (price, point) in enumerate(zip((old, new), points, strict=True)):
            given_quote = quote("ace", HOME, price, kind=kind, point=point)
            result = take(provider, snapshot([event([given_quote])], seconds))
        assert any(change.is_major for change in result.markets) == is_major(old, new, points)
        transaction.set_rollback(True)


def statements_of(monkeypatch: pytest.MonkeyPatch, provider: Provider, given: Snapshot) -> int:
    sent: list[str] = []
    execute: Any = psycopg.Cursor.execute

    def counted(cursor: Any, query: Any, *args: Any, **options: Any) -> Any:
        if not str(query).startswith(("SAVEPOINT", "RELEASE")):  # the test's own transaction
            sent.append(query)
        return execute(cursor, query, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", counted)
        take(provider, given)
    return len(sent)


def test_an_answer_takes_a_few_statements_whatever_its_size(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(events: int, seconds: float, price: float) -> Snapshot:
        return snapshot(
            [
                event([quote(f"b{b}", HOME, price) for b in range(10)], f"e{e}")
                for e in range(events)
            ],
            seconds,
        )

    counts = []
    for turn, events in enumerate((2, 60)):
        take(provider, answer(events, 2 * turn, 1.8))
        counts.append(statements_of(monkeypatch, provider, answer(events, 2 * turn + 1, 1.9)))
    assert LineChange.objects.filter(kind=ChangeKind.PRICE).count() == 20 + 20 + 600
    assert counts == [4, 5]  # many changes are planned with their real number


def test_an_incremental_answer_without_events_is_a_heartbeat_in_two_statements(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)])]))
    beat = snapshot([], 60, is_complete=False)

    assert statements_of(monkeypatch, provider, beat) == 2
    assert Feed.objects.get().observed_at == at(60)
    assert (active(), Market.objects.get().version) == ({("ace", HOME, None): 1.8}, 1)
    late = take(provider, snapshot([], 59, is_complete=False))
    assert late.skipped_reason == "superseded"


def test_an_incremental_answer_takes_back_what_it_says_is_gone_and_nothing_else(
    provider: Provider,
) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8), quote("ace", AWAY, 2.1)])]))
    gone = [quote("ace", HOME, None), quote("bay", HOME, None)]

    result = take(provider, snapshot([event(gone)], 60, is_complete=False))
    again = take(provider, snapshot([event(gone)], 61, is_complete=False))
    back = take(provider, snapshot([event([quote("ace", HOME, 1.8)])], 62, is_complete=False))

    assert (result.counts, again.counts) == (Counter({ChangeKind.SUSPENDED: 1}), Counter())
    assert result.markets[0].is_major
    assert back.counts == Counter({ChangeKind.RESUMED: 1})
    assert Quote.objects.filter(status=QuoteStatus.ACTIVE).count() == 2


def test_one_feed_does_not_take_back_what_another_offers(provider: Provider) -> None:
    take(provider, snapshot([event([quote("ace", HOME, 1.8)])]))
    gone = snapshot([event([quote("ace", HOME, None)])], 60, feed="/other", is_complete=False)
    assert take(provider, gone) == IngestResult()
    assert Quote.objects.get().status == QuoteStatus.ACTIVE


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_meet_the_same_new_answer_make_its_rows_once() -> None:
    provider = make_provider()
    answer = snapshot(
        [event([quote(f"b{b}", HOME, 1.8) for b in range(5)], f"e{e}") for e in range(20)]
    )
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        with closing(connection):
            take(provider, answer)

    with ThreadPoolExecutor() as pool:
        workers = [pool.submit(work) for _ in range(4)]
    for worker in workers:
        worker.result()

    assert Event.objects.count() == 20
    assert Quote.objects.count() == 100
    assert LineChange.objects.count() == 100


def test_times_are_kept_to_the_microsecond(provider: Provider) -> None:
    stamp = at(0) + timedelta(microseconds=123_457)
    given_quote = quote("ace", HOME, 1.8)
    stamped = type(given_quote)(
        **{name: getattr(given_quote, name) for name in given_quote.__struct_fields__}
        | {"source_at": stamp}
    )
    take(provider, snapshot([event([stamped])]))
    assert Quote.objects.get().source_at == stamp


def test_an_ended_event_is_brought_back_by_a_list_and_by_nothing_else(provider: Provider) -> None:
    quotes = [quote("ace", HOME, 1.8)]
    take(provider, snapshot([event(quotes, starts=30)]))
    take(provider, snapshot([], 60))
    own = snapshot([event(quotes, starts=30)], 70, feed="/events/e1", is_list=False)
    assert take(provider, own) == IngestResult()
    assert Event.objects.get().status == EventStatus.ENDED

    result = take(provider, snapshot([event(quotes, starts=30)], 80))
    assert result.counts == Counter({ChangeKind.RESUMED: 1})
    assert Event.objects.get().status == EventStatus.LIVE
