"""Past events and unheard feeds go, with all that is theirs and while answers come in."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from betting.config import RetentionConfig
from betting.db.sql import fetch_all
from betting.models import ChangeKind, Event, Feed, FeedBookmaker, Market, Quote
from streaming.core.snapshot import Snapshot
from streaming.ingest import ingest
from streaming.ingest.ingest import IngestPolicy, IngestResult
from streaming.ingest.locks import lock_family
from streaming.retention import delete_events
from streaming.retention import prune as retention
from streaming.retention.delete_events import erase_events
from streaming.retention.prune import prune_old_rows
from tests.support import rows, snapshots
from tests.support.orphans import orphans, rows_below_events, tables_below
from tests.support.snapshots import HOME
from valuation.models import Result, Settlement

CONFIG = RetentionConfig()
OLD, YOUNG = CONFIG.event_days + 1.0, CONFIG.event_days - 1.0

pytestmark = pytest.mark.django_db


def ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def prune() -> tuple[int, int]:
    """Events and feeds that went."""
    deleted = prune_old_rows(CONFIG)
    return deleted["betting_event"], deleted["betting_feed"]


def let_pass(
    event: Event, *, started: float = OLD, made: float = OLD, valued: float = OLD
) -> Event:
    """The event, as if all that happened to it had happened so many days ago."""
    Event.objects.filter(pk=event.pk).update(commence_time=ago(started), created_at=ago(made))
    Market.objects.filter(event=event).update(version=1, valued_version=1, valued_at=ago(valued))
    return event


def past_event(sport_key: str = "") -> Event:
    """A past event with whatever an event can have."""
    board = rows.make_board((1.9, 2.1), (2.0, 2.2))
    rows.make_doubt(board.provider, event=board.event)
    rows.make_doubt(candidate=board.event)
    rows.make_rival(board.quotes[0], 1.8)
    rows.make_opportunity(*board.quotes[:2])
    rows.make_closing_price(board.outcomes[0])
    rows.make_closing_quote(board.quotes[0])
    rows.make_edge_closing(rows.make_edge(board.quotes[1]))
    Result.objects.create(event=board.event, status="void", source="a test")
    Settlement.objects.create(outcome=board.outcomes[0], value=1.0, source="a test")
    if sport_key:
        Event.objects.filter(pk=board.event.pk).update(sport=rows.make_sport(key=sport_key))
    return let_pass(board.event)


def test_a_past_event_goes_with_all_that_is_its_own() -> None:
    stays = let_pass(rows.make_board((1.9, 2.1), (2.0, 2.2)).event, valued=YOUNG)
    before = rows_below_events()
    gone = past_event()
    # The other events of its doubts are as young as the tests.
    doubted = Event.objects.exclude(pk__in=[stays.pk, gone.pk]).count()
    assert all(count > before[table] for table, count in rows_below_events().items())

    assert prune() == (1, 0)

    after = rows_below_events()
    assert after.pop("betting_event") == before.pop("betting_event") + doubted
    assert after.pop("betting_eventalias") == before.pop("betting_eventalias") + doubted
    assert after == before
    assert Event.objects.filter(pk=stays.pk).exists()
    assert orphans() == {}
    assert prune() == (0, 0)


def test_everything_that_refers_to_an_event_is_erased_with_it() -> None:
    assert set(delete_events.ERASED) == tables_below(Event)


@pytest.mark.parametrize("younger", ["started", "made", "valued"])
def test_what_is_young_in_one_way_stays(younger: str) -> None:
    event = let_pass(rows.make_board((1.9, 2.1)).event, **{younger: YOUNG})
    assert prune() == (0, 0)
    assert Event.objects.get() == event


def test_one_market_that_was_valued_lately_keeps_its_event() -> None:
    event = past_event()
    rows.make_market(event, kind="totals", version=1, valued_version=1, valued_at=ago(YOUNG))
    assert prune() == (0, 0)


@pytest.mark.parametrize("valued_at", [None, ago(OLD)])
def test_a_market_that_waits_for_its_valuation_keeps_its_event(valued_at: datetime | None) -> None:
    event = past_event()
    rows.make_market(event, kind="totals", version=1, dirty_at=ago(OLD), valued_at=valued_at)
    assert prune() == (0, 0)


def test_a_market_that_nobody_ever_quoted_keeps_nothing() -> None:
    rows.make_market(past_event(), kind="totals")
    assert prune() == (1, 0)


def test_an_event_without_markets_goes() -> None:
    rows.make_event(commence_time=ago(OLD), created_at=ago(OLD))
    assert prune() == (1, 0)


days = st.sampled_from([0.0, YOUNG, OLD, 1_000.0])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(days, days, st.lists(st.tuples(days, st.booleans()), max_size=3)), max_size=6
    )
)
def test_exactly_the_past_events_go_and_leave_no_orphans(
    events: list[tuple[float, float, list[tuple[float, bool]]]],
) -> None:
    with transaction.atomic():
        feed, stays = rows.make_feed(), set()
        for started, made, markets in events:
            event = rows.make_event(feed.provider, commence_time=ago(started), created_at=ago(made))
            for number, (valued, is_waiting) in enumerate(markets):
                versions = {"version": 2 if is_waiting else 1, "valued_version": 1}
                market = rows.make_market(
                    event, kind=f"k{number}", valued_at=ago(valued), **versions
                )
                rows.make_edge(rows.make_quote(rows.make_outcome(market, "Over"), feed))
            if min([started, made]) < OLD or any(
                valued < OLD or is_waiting for valued, is_waiting in markets
            ):
                stays.add(event.pk)

        assert prune() == (len(events) - len(stays), 0)

        assert set(Event.objects.values_list("pk", flat=True)) == stays
        assert orphans() == {}
        connection.check_constraints()
        transaction.set_rollback(True)


def test_a_run_and_a_transaction_delete_no_more_than_their_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for sport in ("harbour_one", "harbour_two", "harbour_three", "mill_one", "mill_two"):
        past_event(sport)
    erased: list[int] = []

    def counted(event_ids: Sequence[int]) -> None:
        erased.append(len(event_ids))
        erase_events(event_ids)

    monkeypatch.setattr(retention, "erase_events", counted)
    monkeypatch.setattr(retention, "EVENTS_PER_TRANSACTION", 2)
    monkeypatch.setattr(retention, "EVENTS_PER_RUN", 4)

    assert [prune() for _ in range(3)] == [(4, 0), (1, 0), (0, 0)]
    # A transaction is about one family.
    assert sorted(erased) == [1, 1, 1, 2]


def take(provider_id: int, price: float, seconds: float = 0.0) -> IngestResult:
    answer: Snapshot = snapshots.snapshot(
        [snapshots.event([snapshots.quote("ace", HOME, price)])], seconds
    )
    return ingest.ingest(provider_id, answer, IngestPolicy())


def heard_long_ago(provider_id: int) -> Event:
    """An event that this process remembers from an answer, though it is long past."""
    take(provider_id, 1.8)
    return let_pass(Event.objects.get())


def test_a_recording_of_years_ago_that_is_replayed_today_stays() -> None:
    answer = snapshots.snapshot(
        [snapshots.event([snapshots.quote("ace", HOME, 1.8)], starts=-1_000 * 86_400)],
        -1_001 * 86_400,
    )
    ingest.ingest(snapshots.make_provider().pk, answer, IngestPolicy())

    assert prune() == (0, 0)
    assert Quote.objects.count() == 1


def test_an_answer_about_an_event_that_has_just_gone_makes_it_anew() -> None:
    provider = snapshots.make_provider()
    gone = heard_long_ago(provider.pk)
    assert prune() == (1, 0)

    result = take(provider.pk, 1.8, 60)

    assert result.counts == Counter({ChangeKind.OPENED: 1})
    assert Event.objects.get() != gone
    assert take(provider.pk, 1.9, 120).counts == Counter({ChangeKind.PRICE: 1})
    assert orphans() == {}


def beside(work: Callable[[], Any], pool: ThreadPoolExecutor) -> Future[Any]:
    """Work that is done on a connection of its own."""

    def done() -> Any:
        with closing(connection):
            return work()

    return pool.submit(done)


@pytest.mark.django_db(transaction=True)
def test_an_event_that_an_answer_changes_while_its_deletion_waits_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = snapshots.make_provider()
    event = heard_long_ago(provider.pk)
    is_chosen = threading.Event()

    def told(family: str) -> None:
        is_chosen.set()
        lock_family(family)

    monkeypatch.setattr(retention, "lock_family", told)
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_family("harbour")
            pruning = beside(prune, pool)
            assert is_chosen.wait(10)
            take(provider.pk, 1.9, 60)
        assert pruning.result() == (0, 0)

    assert Event.objects.get() == event
    assert Quote.objects.get().price == 1.9


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_waits_while_its_event_is_deleted_makes_it_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = snapshots.make_provider()
    gone = heard_long_ago(provider.pk)
    is_resolved = threading.Event()
    answers: list[Future[IngestResult]] = []

    def told(family: str) -> None:
        is_resolved.set()  # to the ids that are about to go
        lock_family(family)

    def erase_meanwhile(event_ids: Sequence[int]) -> None:
        answers.append(beside(lambda: take(provider.pk, 1.9, 60), pool))
        assert is_resolved.wait(10)
        erase_events(event_ids)

    monkeypatch.setattr(ingest, "lock_family", told)
    monkeypatch.setattr(retention, "erase_events", erase_meanwhile)
    with ThreadPoolExecutor(1) as pool:
        assert prune() == (1, 0)

    assert answers[0].result().counts == Counter({ChangeKind.OPENED: 1})
    assert Event.objects.get() != gone
    assert Quote.objects.get().price == 1.9
    assert orphans() == {}


@pytest.mark.django_db(transaction=True)
def test_a_family_that_somebody_holds_up_holds_up_no_other() -> None:
    held, other = past_event("harbour_ball"), past_event("mill_ball")
    is_held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            lock_family("harbour")
            is_held.set()
            assert release.wait(10)

    with ThreadPoolExecutor(1) as pool:
        holding = beside(hold, pool)
        assert is_held.wait(10)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        assert prune() == (1, 0)
        release.set()
        holding.result()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")

    assert Event.objects.filter(pk=held.pk).exists()
    assert not Event.objects.filter(pk=other.pk).exists()
    assert prune() == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_a_crash_between_two_batches_leaves_nothing_half_deleted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for sport in ("harbour_one", "harbour_two", "harbour_three"):
        past_event(sport)
    before = Event.objects.count()
    erased: list[int] = []

    def crash(event_ids: Sequence[int]) -> None:
        erase_events(event_ids)
        erased.extend(event_ids)
        if len(erased) > 1:
            raise MemoryError

    monkeypatch.setattr(retention, "EVENTS_PER_TRANSACTION", 1)
    with monkeypatch.context() as patch:
        patch.setattr(retention, "erase_events", crash)
        with pytest.raises(MemoryError):
            prune()

    assert before - Event.objects.count() == 1
    assert Quote.objects.filter(market__event=erased[1]).count() == 4
    assert orphans() == {}
    assert prune() == (2, 0)
    assert orphans() == {}


def unheard_feed(**fields: Any) -> Feed:
    feed = rows.make_feed(observed_at=ago(OLD), **fields)
    rows.make_feed_bookmaker(feed)
    return feed


def test_an_unheard_feed_without_quotes_goes_with_its_books() -> None:
    unheard_feed()
    kept = rows.make_feed_bookmaker(rows.make_feed(observed_at=ago(YOUNG)))

    assert prune() == (0, 1)

    assert FeedBookmaker.objects.get() == kept
    assert Feed.objects.get() == kept.feed


def test_a_feed_of_a_recording_stays_as_long_as_a_quote_refers_to_it() -> None:
    board = rows.make_board((1.9, 2.1))
    Feed.objects.update(observed_at=ago(OLD))
    assert prune() == (0, 0)

    let_pass(board.event)
    assert prune() == (1, 1)


def test_a_run_deletes_no_more_feeds_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        unheard_feed()
    monkeypatch.setattr(retention, "FEEDS_PER_RUN", 2)

    assert [prune() for _ in range(3)] == [(0, 2), (0, 1), (0, 0)]


def test_a_feed_that_is_quoted_from_before_it_was_locked_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = unheard_feed()

    def heard_meanwhile(statement: str, parameters: Any) -> list[Any]:
        found = fetch_all(statement, parameters)
        if statement == retention._LOCK_UNHEARD_FEEDS:
            rows.make_quote(rows.make_outcome(rows.make_market(), "Over"), feed)
        return found

    monkeypatch.setattr(retention, "fetch_all", heard_meanwhile)
    assert prune() == (0, 0)
    assert FeedBookmaker.objects.get().feed == feed


@pytest.mark.django_db(transaction=True)
def test_a_feed_that_is_being_heard_stays() -> None:
    feed = unheard_feed()
    is_heard, may_commit = threading.Event(), threading.Event()

    def hear() -> None:
        with transaction.atomic():
            Feed.objects.filter(pk=feed.pk).update(observed_at=ago(0))
            is_heard.set()
            assert may_commit.wait(10)

    with ThreadPoolExecutor(1) as pool:
        hearing = beside(hear, pool)
        assert is_heard.wait(10)
        assert prune() == (0, 0)
        may_commit.set()
        hearing.result()
    assert prune() == (0, 0)


def test_a_feed_that_has_gone_is_made_anew_by_its_next_answer() -> None:
    provider = snapshots.make_provider()
    take(provider.pk, 1.8)
    let_pass(Event.objects.get())
    Feed.objects.update(observed_at=ago(OLD))
    assert prune() == (1, 1)

    assert take(provider.pk, 1.8, 60).counts == Counter({ChangeKind.OPENED: 1})
    assert Feed.objects.count() == 1
