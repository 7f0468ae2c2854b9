"""Prices that are known to be unsafe leave the board, all of them and only those, and come back."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from betting.models import (
    ChangeKind,
    Clock,
    FeedBookmaker,
    LineChange,
    Market,
    Provider,
    Quote,
    Sport,
)
from streaming.core.snapshot import Snapshot, SnapshotEvent, SnapshotQuote
from streaming.core.staleness import GROWTH, StalenessPolicy
from streaming.health.stream import look_at_stream
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.ingest.locks import lock_family
from streaming.ingest.quarantine import quarantine_unsafe
from tests.support.snapshots import (
    AWAY,
    HOME,
    NEXT_CENTURY,
    SPORT,
    at,
    event,
    make_provider,
    quote,
    snapshot,
)
from valuation.models import CloseReason, Edge, FairPrice
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

EVEN = {HOME: 1.9, AWAY: 1.9}
GENEROUS = {HOME: 2.15, AWAY: 1.75}
LIMIT = 120.0
POLICY = IngestPolicy(staleness=StalenessPolicy(cap_seconds=600.0))


def live_provider(key: str = "live") -> Provider:
    return make_provider(key, clock=Clock.WALL, stale_after_seconds=LIMIT)


def board(*books: str, generous: str = "", looked: float | None = None) -> list[SnapshotQuote]:
    """Both sides at each bookmaker; one of them pays more for the home side than is fair."""
    return [
        stamped(quote(book, name, price), looked)
        for book in books
        for name, price in (GENEROUS if book == generous else EVEN).items()
    ]


def stamped(given: SnapshotQuote, looked: float | None) -> SnapshotQuote:
    """The quote, with the provider's word on when it looked at the bookmaker."""
    fields = {name: getattr(given, name) for name in given.__struct_fields__}
    return SnapshotQuote(**{**fields, "source_at": None if looked is None else at(looked)})


def of_sport(given: SnapshotEvent, sport: str) -> SnapshotEvent:
    """The event, in another sport."""
    fields = {name: getattr(given, name) for name in given.__struct_fields__}
    return SnapshotEvent(**{**fields, "sport_key": sport})


def hear(
    provider: Provider,
    quotes: list[SnapshotQuote],
    seconds: float,
    *,
    feed: str = "/odds",
    is_complete: bool = True,
    generation: int | None = None,
    sport: str = SPORT,
) -> IngestResult:
    plain = snapshot(
        [of_sport(event(quotes, external_id=sport, starts=NEXT_CENTURY), sport)],
        seconds,
        feed=feed,
        is_list=False,
        is_complete=is_complete,
        sport_key=sport,
    )
    fields = {name: getattr(plain, name) for name in plain.__struct_fields__}
    answer = Snapshot(**{**fields, "stamps_confirm": True})
    return ingest(provider.pk, answer, POLICY, generation)


def statuses() -> dict[str, set[str]]:
    """Bookmaker → the statuses of its quotes."""
    found: dict[str, set[str]] = {}
    for book, status in Quote.objects.values_list("bookmaker__key", "status"):
        found.setdefault(book, set()).add(status)
    return found


def open_circuit(provider: Provider) -> list[int]:
    Provider.objects.filter(pk=provider.pk).update(generation=F("generation") + 1)
    return quarantine_unsafe(at(1_000), provider.pk)


def value_all() -> None:
    recompute(list(Market.objects.values_list("pk", flat=True)), "sweep", ValuationPolicy)


# --- A provider whose circuit opens ---


def test_all_quotes_of_a_provider_whose_circuit_opens_are_quarantined_and_no_others() -> None:
    failing, healthy = make_provider("failing"), make_provider("healthy")
    hear(failing, board("ace", "bay"), 0)
    hear(failing, board("cap"), 0, feed="/odds?markets=h2h")
    hear(healthy, board("dot"), 0)
    hear(failing, board("ace"), 1)  # bay is suspended: it stays that

    markets = open_circuit(failing)

    assert statuses() == {
        "ace": {"quarantined"},
        "bay": {"suspended"},
        "cap": {"quarantined"},
        "dot": {"active"},
    }
    reached = Quote.objects.filter(status="quarantined").values_list("market_id", flat=True)
    assert set(markets) == set(reached)


def test_a_quarantine_is_a_line_change_raises_each_version_once_and_is_done_once() -> None:
    provider = make_provider()
    hear(provider, board("ace", "bay"), 0)

    (market_id,) = open_circuit(provider)

    assert Market.objects.get().version == 2
    changes = LineChange.objects.filter(kind=ChangeKind.QUARANTINED)
    assert {(c.old_price, c.new_price, c.classification) for c in changes} == {(1.9, None, "major")}
    assert changes.count() == 4
    assert set(changes.values_list("market_id", flat=True)) == {market_id}
    assert quarantine_unsafe(at(1_001)) == []
    assert Market.objects.get().version == 2


def test_an_edge_on_a_quarantined_quote_closes_and_says_why() -> None:
    provider, others = make_provider("one"), make_provider("others")
    hear(others, board("ace", "bay", "cap"), 0)
    hear(provider, board("ace", "bay", "cap", "dot", generous="dot"), 0, feed="/all")
    value_all()
    assert Edge.objects.filter(closed_at=None).count() == 1

    open_circuit(provider)
    value_all()

    assert {edge.close_reason for edge in Edge.objects.all()} == {CloseReason.QUARANTINED}


def test_what_leaned_on_a_quarantined_provider_has_no_fair_value_any_more() -> None:
    provider = make_provider()
    hear(provider, board("ace", "bay", "cap"), 0)
    value_all()
    assert {price.state for price in FairPrice.objects.all()} == {"ok"}

    open_circuit(provider)
    value_all()

    assert {(p.state, p.reason) for p in FairPrice.objects.all()} == {("none", "no active quotes")}


def test_a_complete_answer_brings_back_what_it_lists_and_suspends_the_rest() -> None:
    provider = make_provider()
    hear(provider, board("ace", "bay"), 0)
    open_circuit(provider)

    result = hear(provider, board("ace"), 60, generation=1)

    assert result.counts == Counter({ChangeKind.RESUMED: 2, ChangeKind.SUSPENDED: 2})
    assert statuses() == {"ace": {"active"}, "bay": {"suspended"}}
    assert all(change.is_major for change in result.markets)
    assert quarantine_unsafe(at(1_000)) == []


def test_a_complete_answer_of_one_feed_brings_back_that_feed_alone() -> None:
    provider = make_provider()
    hear(provider, board("ace"), 0, feed="/one")
    hear(provider, board("bay"), 0, feed="/two")
    open_circuit(provider)
    hear(provider, board("ace"), 60, feed="/one")
    assert statuses() == {"ace": {"active"}, "bay": {"quarantined"}}


def test_an_incremental_answer_brings_nothing_back_before_a_complete_one() -> None:
    provider = make_provider()
    hear(provider, board("ace", "bay"), 0)
    open_circuit(provider)

    held = hear(provider, board("ace"), 60, is_complete=False)

    assert (held.skipped_reason, held.markets) == ("held", ())
    assert statuses() == {"ace": {"quarantined"}, "bay": {"quarantined"}}

    hear(provider, board("ace"), 61)
    assert hear(provider, board("bay"), 62, is_complete=False).skipped_reason is None
    assert statuses() == {"ace": {"active"}, "bay": {"active"}}


def test_a_first_incremental_answer_is_held_as_well_when_the_circuit_has_opened_before() -> None:
    provider = make_provider(generation=3)
    assert hear(provider, board("ace"), 0, is_complete=False).skipped_reason == "held"
    assert not Quote.objects.exists()


def test_an_answer_that_was_asked_for_before_the_circuit_opened_is_left_aside() -> None:
    provider = make_provider()
    hear(provider, board("ace"), 0)
    open_circuit(provider)

    late = hear(provider, board("ace"), 60, generation=0)

    assert late.skipped_reason == "superseded"
    assert statuses() == {"ace": {"quarantined"}}
    assert hear(provider, board("ace"), 61, generation=1).skipped_reason is None


def test_another_provider_that_lists_a_quarantined_quote_brings_it_back_as_its_own() -> None:
    failing = make_provider("failing")
    hear(failing, board("ace"), 0)
    open_circuit(failing)
    own = Quote.objects.all()

    # The same provider's other feed, admitted anew, stands for any feed that still lists it.
    hear(failing, board("ace"), 60, feed="/other")

    assert set(own.values_list("status", "feed__key")) == {("active", "/other")}
    assert quarantine_unsafe(at(1_000)) == []


# --- A bookmaker that nothing confirms any more ---


def test_a_feed_that_is_not_heard_for_its_limit_is_quarantined_until_it_is_heard_again() -> None:
    provider = live_provider()
    quotes = board("ace", "bay", "cap", "dot", generous="dot")
    hear(provider, quotes, 0)
    value_all()
    assert Edge.objects.filter(closed_at=None).count() == 1

    assert quarantine_unsafe(at(LIMIT)) == []
    (market_id,) = quarantine_unsafe(at(LIMIT + 1))
    value_all()
    assert market_id == Market.objects.get().pk
    assert {status for each in statuses().values() for status in each} == {"quarantined"}
    assert Edge.objects.get().close_reason == CloseReason.QUARANTINED

    hear(provider, quotes, LIMIT + 10)
    value_all()
    assert {status for each in statuses().values() for status in each} == {"active"}
    assert Edge.objects.filter(closed_at=None).count() == 1


def test_silence_is_noticed_once_and_again_when_it_comes_again() -> None:
    provider = live_provider()
    hear(provider, board("ace"), 0)
    assert [len(quarantine_unsafe(at(LIMIT + n))) for n in (1, 2, 3)] == [1, 0, 0]
    hear(provider, board("ace"), 200)
    assert [len(quarantine_unsafe(at(200 + LIMIT + n))) for n in (0, 1, 2)] == [0, 1, 0]
    assert Market.objects.get().version == 4


def test_a_feed_that_lists_nothing_any_more_has_no_silent_bookmaker() -> None:
    provider = live_provider()
    for seconds in (0, 60):
        hear(provider, board("ace", "bay"), seconds, feed="/out-of-season")
    for seconds in range(0, 600, 60):
        hear(provider, board("cap"), seconds)
    hear(provider, [], 540, feed="/out-of-season")
    assert quarantine_unsafe(at(550)) == []
    assert FeedBookmaker.objects.exclude(silent_since=None).count() == 2

    seen = look_at_stream(at(550))

    assert (seen.books_heard, seen.books_silent) == (1, {})


@pytest.mark.parametrize("books", [["ace"], ["ace", "bay"]])
def test_a_bookmaker_that_nothing_confirms_is_told_as_silent(books: list[str]) -> None:
    provider = live_provider()
    for seconds in (0, 60, 120, 180, 240):
        hear(provider, [*board("ace", looked=0), *board(*books[1:], looked=seconds)], seconds)
    assert len(quarantine_unsafe(at(250))) == 1

    seen = look_at_stream(at(250))

    assert (seen.books_heard, seen.books_silent) == (len(books), {provider.key: 1})


def test_a_recordings_time_does_not_pass() -> None:
    hear(make_provider(clock=Clock.RECORDED, stale_after_seconds=1.0), board("ace"), 0)
    assert quarantine_unsafe(at(1_000_000)) == []
    assert not FeedBookmaker.objects.exclude(silent_since=None).exists()


def test_each_provider_has_a_limit_of_its_own() -> None:
    hasty = make_provider("hasty", clock=Clock.WALL, stale_after_seconds=10.0)
    hear(hasty, board("ace"), 0)
    hear(live_provider(), board("bay"), 0)
    assert len(quarantine_unsafe(at(60))) == 1
    assert statuses() == {"ace": {"quarantined"}, "bay": {"active"}}


def test_a_bookmaker_whose_stamps_stand_still_is_quarantined_though_answers_list_it() -> None:
    provider = live_provider()
    for seconds in range(0, 181, 30):
        hear(provider, board("ace", looked=seconds) + board("bay", looked=0), seconds)
    assert len(quarantine_unsafe(at(181))) == 1
    assert statuses() == {"ace": {"active"}, "bay": {"quarantined"}}

    moved = [stamped(quote("bay", name, 1.5), 0) for name in (HOME, AWAY)]
    unheard = hear(provider, board("ace", looked=210) + moved, 210)
    assert unheard.counts == Counter()
    assert statuses() == {"ace": {"active"}, "bay": {"quarantined"}}

    hear(provider, board("ace", looked=240) + board("bay", looked=235), 240)
    assert statuses() == {"ace": {"active"}, "bay": {"active"}}


def test_a_bookmaker_that_was_never_confirmed_recently_is_not_put_on_the_board() -> None:
    result = hear(live_provider(), board("ace", looked=-1_000), 0)
    assert result.counts == Counter()
    assert not Quote.objects.exists()
    assert quarantine_unsafe(at(1)) == []


def test_a_bookmaker_without_stamps_is_confirmed_by_being_listed() -> None:
    provider = live_provider()
    hear(provider, board("ace"), 0)
    hear(provider, board("ace"), LIMIT)
    assert quarantine_unsafe(at(LIMIT + 60)) == []


def test_the_limit_of_a_slow_bookmaker_is_learnt_from_its_gaps() -> None:
    provider = live_provider()
    for seconds in range(0, 1_801, 60):  # looked at every 300 s, by a feed that is heard each 60 s
        looked = seconds // 300 * 300
        hear(provider, board("ace", looked=seconds) + board("slow", looked=looked), seconds)
        quarantine_unsafe(at(seconds))
    books = {book.bookmaker.key: book for book in FeedBookmaker.objects.select_related("bookmaker")}
    learnt = books["slow"].expires_at - books["slow"].confirmed_at
    assert 300 <= learnt.total_seconds() <= 300 * GROWTH
    assert (books["ace"].expires_at - books["ace"].confirmed_at).total_seconds() == LIMIT
    # What is usual for it is not silence any more.
    assert statuses() == {"ace": {"active"}, "slow": {"active"}}
    hear(provider, board("ace", looked=2_090) + board("slow", looked=1_800), 2_090)
    assert quarantine_unsafe(at(2_095)) == []


def test_an_outage_of_the_feed_teaches_nothing_about_its_bookmakers() -> None:
    provider = live_provider()
    hear(provider, board("ace", looked=0), 0)
    hear(provider, board("ace", looked=5_000), 5_000)
    book = FeedBookmaker.objects.get()
    assert sum(book.gaps) == 0
    assert (book.expires_at - book.confirmed_at).total_seconds() == LIMIT


def test_a_stamp_from_the_future_confirms_no_longer_than_the_answer_does() -> None:
    hear(live_provider(), board("ace", looked=10_000), 0)
    assert FeedBookmaker.objects.get().confirmed_at == at(0)


def test_a_market_that_is_quarantined_waits_for_its_valuation_since_its_oldest_change() -> None:
    provider = make_provider()
    hear(provider, board("ace"), 0)
    since = Market.objects.get().dirty_at
    open_circuit(provider)
    assert Market.objects.get().dirty_at == since
    value_all()
    hear(provider, board("ace"), 60)
    value_all()
    open_circuit(provider)
    dirty_at = Market.objects.get().dirty_at
    assert since is not None
    assert dirty_at is not None
    assert dirty_at > since


def test_a_worker_whose_clock_runs_ahead_makes_nobody_elses_answer_old() -> None:
    provider = live_provider()
    now = datetime.now(UTC)
    ahead = (now + timedelta(minutes=10) - at(0)).total_seconds()
    hear(provider, board("ace"), ahead)

    moved = [quote("ace", name, 1.2) for name in (HOME, AWAY)]
    result = hear(provider, moved, (datetime.now(UTC) - at(0)).total_seconds() + 1)

    assert result.counts == Counter({ChangeKind.PRICE: 2})
    assert FeedBookmaker.objects.get().confirmed_at < now + timedelta(minutes=1)


def test_a_provider_that_is_paced_is_not_silent_between_its_polls() -> None:
    provider = live_provider()
    Provider.objects.update(paced_interval_seconds=400.0)
    for seconds in range(0, 2_001, 400):
        hear(provider, board("ace", looked=seconds), seconds)
    book = FeedBookmaker.objects.get()
    assert 400 <= (book.expires_at - book.confirmed_at).total_seconds() <= 600


def test_what_comes_back_from_quarantine_has_not_moved() -> None:
    provider = make_provider()
    points = [quote("ace", HOME, 1.9, kind="spreads", point=point) for point in (-3.5, -4.0)]
    hear(provider, points, 0)
    open_circuit(provider)

    result = hear(provider, points[:1], 60)

    assert result.counts == Counter({ChangeKind.RESUMED: 1, ChangeKind.SUSPENDED: 1})


@pytest.mark.django_db(transaction=True)
def test_a_family_that_somebody_holds_up_holds_up_no_other() -> None:
    live = live_provider()
    hear(live, board("ace"), 0)
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(connection), transaction.atomic():
            lock_family("harbour")
            locked.set()
            release.wait(30)

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        locked.wait(30)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        assert quarantine_unsafe(at(LIMIT + 1)) == []
        release.set()
        holding.result()
    assert len(quarantine_unsafe(at(LIMIT + 2))) == 1
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")


@pytest.mark.parametrize("refused", ["harbour_ball", "meadow_ball"])
def test_a_family_whose_quarantine_fails_hides_no_market_of_another(refused: str) -> None:
    provider = make_provider("failing")
    hear(provider, board("ace"), 0)
    hear(provider, board("ace"), 0, feed="/other", sport="meadow_ball")
    assert set(Sport.objects.values_list("key", flat=True)) == {"harbour_ball", "meadow_ball"}
    with connection.cursor() as cursor:
        cursor.execute(_DEADLOCK.format(sport=refused))

    markets = open_circuit(provider)

    others = Market.objects.exclude(event__sport__key=refused)
    assert markets == [market.pk for market in others]
    assert set(Quote.objects.filter(market__in=markets).values_list("status", flat=True)) == {
        "quarantined"
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER deadlock ON betting_quote")
    left = quarantine_unsafe(at(1_001))
    assert left == [market.pk for market in Market.objects.filter(event__sport__key=refused)]


_DEADLOCK = """
CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (
        SELECT FROM betting_market m
        JOIN betting_event e ON e.id = m.event_id JOIN betting_sport s ON s.id = e.sport_id
        WHERE m.id = NEW.market_id AND s.key = '{sport}'
    ) THEN
        RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER deadlock BEFORE UPDATE ON betting_quote
    FOR EACH ROW EXECUTE FUNCTION deadlock();
"""
