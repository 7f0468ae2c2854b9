"""Closing prices: taken once for each start, however late, and the same as by hand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection
from django.utils import timezone

from betting.db.sql import fetch_all
from betting.models import Clock, Event, EventStatus, LineChange, Market, Provider, Quote
from streaming.core.matching import MatchPolicy
from streaming.core.participants import sport_family
from streaming.core.snapshot import SnapshotQuote
from streaming.ingest.ingest import IngestPolicy, ingest
from streaming.ingest.resolve import resolve
from tests.support import rows
from tests.support.snapshots import AWAY, HOME, SPORT, at, event, make_provider, quote, snapshot
from valuation.closes import take as taking
from valuation.closes.rebuild import TOO_OLD
from valuation.closes.take import Taken, take
from valuation.models import ClosingPrice, ClosingQuote
from valuation.policy import ValuationPolicy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

POLICY = ValuationPolicy()
BOOKS = ("ace", "bay", "cap", "dot")
START = 3600.0


@pytest.fixture
def provider() -> Provider:
    return make_provider()


def board(home: float, away: float, books: Iterable[str] = BOOKS) -> list[SnapshotQuote]:
    return [quote(book, *each) for book in books for each in ((HOME, home), (AWAY, away))]


def say(
    provider: Provider, quotes: list[SnapshotQuote], seconds: float, starts: float = START
) -> None:
    ingest(provider.pk, snapshot([event(quotes, starts=starts)], seconds), IngestPolicy())


def closed() -> dict[str, float | None]:
    return {each.outcome.name: each.probability for each in ClosingPrice.objects.all()}


def last_prices(name: str = HOME) -> dict[str, float | None]:
    found = ClosingQuote.objects.filter(quote__outcome__name=name).select_related("quote")
    return {each.quote.bookmaker.key: each.price for each in found}


def reasons() -> set[str]:
    return set(ClosingPrice.objects.values_list("reason", flat=True))


def test_the_last_prices_before_the_start_close(provider: Provider) -> None:
    say(provider, board(2.2, 1.7), 0)
    say(provider, board(1.905, 1.905), START - 60)
    say(provider, board(3.0, 1.4), START + 5)

    assert take(POLICY) == Taken(events=1, withdrawn=0)

    assert closed() == {HOME: pytest.approx(0.5), AWAY: pytest.approx(0.5)}
    assert last_prices() == dict.fromkeys(BOOKS, 1.905)
    price = ClosingPrice.objects.first()
    assert price is not None
    assert (price.priced_at, price.closes_at, price.books) == (at(START), at(START), 4)
    assert price.version == Market.objects.get().version
    assert ClosingQuote.objects.values_list("seen_at", flat=True)[0] == at(START - 60)


def test_a_close_is_taken_once(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START - 60)
    say(provider, board(3.0, 1.4), START + 5)
    take(POLICY)
    before = list(ClosingPrice.objects.values()), list(ClosingQuote.objects.values())

    assert take(POLICY) == Taken(0, 0)

    assert (list(ClosingPrice.objects.values()), list(ClosingQuote.objects.values())) == before


def test_nothing_closes_before_the_recording_has_reached_the_start(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START - 60)
    assert take(POLICY) == Taken(0, 0)
    say(provider, board(1.905, 1.905), START)
    assert take(POLICY) == Taken(1, 0)


def test_an_answer_whose_prices_are_yet_to_be_written_closes_nothing(provider: Provider) -> None:
    """An ingest commits new names first; of a provider's first answer there is no feed yet."""
    listed = snapshot([event(board(1.905, 1.905), starts=START)], START - 60)
    resolve(provider.pk, listed, MatchPolicy())
    assert Event.objects.get().closed_for is None

    assert take(POLICY) == Taken(0, 0)

    ingest(provider.pk, listed, IngestPolicy())
    say(provider, board(3.0, 1.4), START + 5)
    assert take(POLICY) == Taken(1, 0)
    assert last_prices() == dict.fromkeys(BOOKS, 1.905)


def test_a_second_recordings_first_prices_are_waited_for(provider: Provider) -> None:
    other = make_provider("other")
    say(provider, board(1.905, 1.905), START - 60)
    listed = snapshot([event(board(1.95, 1.95, ["elm"]), starts=START)], START - 30)
    resolve(other.pk, listed, MatchPolicy())
    assert Event.objects.count() == 1
    say(provider, board(3.0, 1.4), START + 5)

    assert take(POLICY) == Taken(0, 0)

    ingest(other.pk, listed, IngestPolicy())
    say(other, board(3.0, 1.4, ["elm"]), START + 5)
    assert take(POLICY) == Taken(1, 0)
    assert last_prices() == {**dict.fromkeys(BOOKS, 1.905), "elm": 1.95}


def test_an_answer_from_before_the_start_that_comes_late_is_closed_by(provider: Provider) -> None:
    """Answers of several feeds, of several recordings, and replays of kept answers, may be late."""
    say(provider, board(1.905, 1.905), START - 60)
    say(provider, board(3.0, 1.4), START + 5)
    take(POLICY)

    late = snapshot(
        [event(board(1.95, 1.95, ["elm"]), starts=START)],
        START - 30,
        feed="/late",
        is_list=False,
    )
    ingest(provider.pk, late, IngestPolicy())
    assert take(POLICY) == Taken(1, 0)
    assert last_prices() == {**dict.fromkeys(BOOKS, 1.905), "elm": 1.95}

    other = make_provider("other")
    guest = snapshot([event(board(1.87, 1.95, ["fir"]), starts=START)], START - 20)
    ingest(other.pk, guest, IngestPolicy())
    assert Event.objects.count() == 1
    assert take(POLICY) == Taken(0, 1)  # until this one has passed the start as well
    say(other, board(3.0, 1.4, ["fir"]), START + 5)
    assert take(POLICY) == Taken(1, 0)
    assert last_prices() == {**dict.fromkeys(BOOKS, 1.905), "elm": 1.95, "fir": 1.87}
    assert take(POLICY) == Taken(0, 0)


def test_an_event_whose_answer_is_being_written_is_left_to_the_next_step(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(provider, board(1.905, 1.905), START - 60)
    say(provider, board(3.0, 1.4), START + 5)
    asked: list[str] = []

    def locked(family: str) -> bool:
        asked.append(family)
        return False

    with monkeypatch.context() as patched:
        patched.setattr(taking, "try_lock_family", locked)
        assert take(POLICY) == Taken(0, 0)
    assert asked == [sport_family(SPORT)]

    assert take(POLICY) == Taken(1, 0)


def test_a_late_answer_that_moves_the_start_withdraws_the_close(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START - 60)
    say(provider, board(3.0, 1.4), START + 5)
    take(POLICY)

    late = snapshot([event(board(2.2, 1.7), starts=START + 300)], START - 30, feed="/late")
    ingest(provider.pk, late, IngestPolicy())
    assert take(POLICY) == Taken(0, 1)
    assert not ClosingPrice.objects.exists()


def test_an_answer_at_the_very_start_is_in_play(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START - 1)
    say(provider, board(3.0, 1.4), START)
    take(POLICY)
    assert last_prices() == dict.fromkeys(BOOKS, 1.905)


def test_workers_that_were_away_at_the_start_look_back(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START - 60)
    for minute in range(1, 90):
        say(provider, board(2 + minute / 100, 1.5), START + 60 * minute)
    ingest(provider.pk, snapshot([], START + 9_000), IngestPolicy())
    assert Event.objects.get().status == EventStatus.ENDED

    assert take(POLICY) == Taken(1, 0)

    assert closed()[HOME] == pytest.approx(0.5)
    assert last_prices() == dict.fromkeys(BOOKS, 1.905)


def test_a_later_start_withdraws_the_close_and_takes_it_again(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START - 60)
    say(provider, board(1.905, 1.905), START + 5)
    take(POLICY)
    first = set(ClosingPrice.objects.values_list("pk", flat=True))

    say(provider, board(2.2, 1.7), START + 10, starts=START + 300)
    assert take(POLICY) == Taken(events=0, withdrawn=1)
    assert not ClosingPrice.objects.exists()
    assert not ClosingQuote.objects.exists()
    assert take(POLICY) == Taken(0, 0)

    say(provider, board(2.2, 1.7), START + 310, starts=START + 300)
    assert take(POLICY) == Taken(1, 0)
    assert last_prices() == dict.fromkeys(BOOKS, 2.2)
    assert first.isdisjoint(ClosingPrice.objects.values_list("pk", flat=True))
    assert set(ClosingPrice.objects.values_list("closes_at", flat=True)) == {at(START + 300)}


def test_an_earlier_start_replaces_the_close_by_the_prices_then(provider: Provider) -> None:
    say(provider, board(2.2, 1.7), START - 400)
    say(provider, board(1.905, 1.905), START - 60)
    say(provider, board(1.905, 1.905), START + 5)
    take(POLICY)
    assert last_prices() == dict.fromkeys(BOOKS, 1.905)

    say(provider, board(3.0, 1.4), START + 10, starts=START - 100)
    assert take(POLICY) == Taken(1, 0)

    assert last_prices() == dict.fromkeys(BOOKS, 2.2)
    assert set(ClosingQuote.objects.values_list("closes_at", flat=True)) == {at(START - 100)}


def test_a_price_that_nobody_has_seen_for_too_long_is_no_close(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START - 601)
    say(provider, board(3.0, 1.4), START + 5)
    take(POLICY)
    assert closed() == {HOME: None, AWAY: None}
    assert reasons() == {"too few bookmakers have fresh quotes"}
    assert set(ClosingQuote.objects.values_list("reason", "price")) == {(TOO_OLD, None)}


def test_a_price_is_seen_whenever_its_feed_changes_anything_of_the_event(
    provider: Provider,
) -> None:
    say(provider, board(1.905, 1.905), 0)
    say(provider, [*board(1.905, 1.905, BOOKS[:3]), *board(1.95, 1.87, ["dot"])], START - 30)
    say(provider, board(3.0, 1.4), START + 5)
    take(POLICY)
    assert last_prices() == {**dict.fromkeys(BOOKS[:3], 1.905), "dot": 1.95}
    assert set(ClosingQuote.objects.values_list("seen_at", flat=True)) == {at(START - 30)}


def test_what_opens_after_the_start_has_no_close(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START + 5)
    take(POLICY)
    assert not ClosingPrice.objects.exists()
    assert not ClosingQuote.objects.exists()
    assert Event.objects.get().closed_for == at(START)


def test_a_suspension_before_the_off_closes_at_the_prices_before_it(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START - 120)
    say(provider, [], START - 20)
    say(provider, board(3.0, 1.4), START + 5)
    take(POLICY)
    assert closed()[HOME] == pytest.approx(0.5)
    assert set(ClosingPrice.objects.values_list("priced_at", flat=True)) == {at(START - 20)}
    assert last_prices() == dict.fromkeys(BOOKS, 1.905)


def test_a_suspension_long_before_the_off_leaves_no_close(provider: Provider) -> None:
    say(provider, board(1.905, 1.905), START - 700)
    say(provider, [], START - 601)
    say(provider, board(3.0, 1.4), START + 5)
    take(POLICY)
    assert reasons() == {TOO_OLD}
    assert last_prices() == dict.fromkeys(BOOKS)


def test_bookmakers_that_leave_one_by_one_close_while_enough_were_there(
    provider: Provider,
) -> None:
    say(provider, board(1.905, 1.905), START - 120)
    for left, seconds in ((3, 60), (2, 40), (1, 20)):
        say(provider, board(1.905, 1.905, BOOKS[:left]), START - seconds)
    say(provider, board(3.0, 1.4), START + 5)
    take(POLICY)
    price = ClosingPrice.objects.first()
    assert price is not None
    assert (price.priced_at, price.books) == (at(START - 40), 3)


def spread(point: float) -> list[SnapshotQuote]:
    return [
        quote(book, name, 1.905, kind="spreads", point=point if name == HOME else -point)
        for book in BOOKS
        for name in (HOME, AWAY)
    ]


def test_a_point_that_has_moved_closes_where_it_moved_to(provider: Provider) -> None:
    say(provider, spread(-3.5), 0)
    say(provider, spread(-4.0), START - 30)
    say(provider, spread(-4.5), START + 5)
    take(POLICY)
    by_point = {each.outcome.point: each for each in ClosingPrice.objects.all()}
    assert by_point[-4.0].probability == pytest.approx(0.5)
    # The old point stood until half a minute before the start, and so it has a close of its own.
    assert by_point[-3.5].priced_at == at(START - 30)
    standing = ClosingQuote.objects.filter(seen_at=at(START - 30), quote__outcome__point=-3.5)
    assert {each.price for each in standing} == {1.905}
    assert -4.5 not in by_point


def test_killed_before_it_is_done_it_has_done_nothing(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(provider, board(1.905, 1.905), START - 60)
    say(provider, board(3.0, 1.4), START + 5)
    with monkeypatch.context() as patched:
        patched.setattr(taking, "_INSERT_QUOTES", "SELECT FROM nowhere")
        with pytest.raises(ProgrammingError):
            take(POLICY)
    assert not ClosingPrice.objects.exists()
    assert Event.objects.get().closed_for is None

    assert take(POLICY) == Taken(1, 0)
    assert closed()[HOME] == pytest.approx(0.5)


def test_a_step_is_bounded(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taking, "MAX_EVENTS", 2)
    listed = [event(board(1.905, 1.905), f"e{n}", START + n, home=f"Team {n}") for n in range(5)]
    for seconds in (START - 60, START + 60):
        ingest(provider.pk, snapshot(listed, seconds), IngestPolicy())
    assert [take(POLICY).events for _ in range(4)] == [2, 2, 1, 0]
    assert {price.reason for price in ClosingPrice.objects.all()} == {""}


def test_an_event_whose_close_is_refused_does_not_keep_the_others_from_theirs(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listed = [event(board(1.905, 1.905), f"e{n}", START, home=f"Team {n}") for n in range(3)]
    for seconds in (START - 60, START + 60):
        ingest(provider.pk, snapshot(listed, seconds), IngestPolicy())
    refused = Event.objects.get(home="Team 1")
    original = taking._take

    def refusing(events: list[int], policy: ValuationPolicy) -> None:
        if refused.pk in events:
            raise IntegrityError("refused")
        original(events, policy)

    monkeypatch.setattr(taking, "_take", refusing)

    assert take(POLICY) == Taken(2, 0)
    assert take(POLICY) == Taken(0, 0)

    assert ClosingPrice.objects.exclude(market__event=refused).count() == 4
    assert not ClosingPrice.objects.filter(market__event=refused).exists()
    assert f"event {refused.pk} were refused" in caplog.text


def test_a_close_that_is_refused_at_a_moved_start_leaves_none_of_the_old_one(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(provider, board(1.905, 1.905), START - 400)
    say(provider, board(1.905, 1.905), START + 5)
    take(POLICY)
    Event.objects.update(commence_time=at(START - 100))

    def refusing(_events: list[int], _policy: ValuationPolicy) -> None:
        raise IntegrityError("refused")

    with monkeypatch.context() as patched:
        patched.setattr(taking, "_take", refusing)
        assert take(POLICY) == Taken(0, 0)

    assert not ClosingPrice.objects.exists()
    assert not ClosingQuote.objects.exists()
    assert Event.objects.get().closed_for == at(START - 100)


def test_a_start_that_moves_on_while_its_close_is_refused_is_still_to_be_closed(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(provider, board(1.905, 1.905), START - 60)
    say(provider, board(1.905, 1.905), START + 5)
    original = taking._take_together

    def moving(events: list[int], policy: ValuationPolicy | None) -> Taken:
        if policy is None:
            return original(events, policy)
        Event.objects.update(commence_time=at(START + 300))
        raise IntegrityError("refused")

    with monkeypatch.context() as patched:
        patched.setattr(taking, "_take_together", moving)
        take(POLICY)

    assert Event.objects.get().closed_for is None
    say(provider, board(2.2, 1.7), START + 310, starts=START + 300)
    assert take(POLICY) == Taken(1, 0)


def test_a_recording_that_ends_before_the_start_is_not_waited_for_for_ever(
    provider: Provider,
) -> None:
    other = make_provider("other")
    say(provider, board(1.905, 1.905), START - 60)
    say(other, board(1.905, 1.905, ["elm"]), START - 60)
    say(provider, board(1.905, 1.905), START + 5)
    assert Event.objects.count() == 1
    assert take(POLICY) == Taken(0, 0)
    say(provider, board(1.905, 1.905), START + 600)
    assert take(POLICY) == Taken(1, 0)


@dataclass
class Live:
    """An event of a provider that is polled now, which starts at a moment."""

    provider: Provider
    start: datetime

    def ago(self, seconds: float) -> datetime:
        return self.start - timedelta(seconds=seconds)


def live(started_seconds_ago: float) -> tuple[Live, rows.Board]:
    provider = rows.make_provider(clock=Clock.WALL)
    shown = rows.make_board(*[(1.905, 1.905)] * 4, provider=provider)
    made = Live(provider, timezone.now() - timedelta(seconds=started_seconds_ago))
    Event.objects.filter(pk=shown.event.pk).update(commence_time=made.start)
    return made, shown


def answered(made: Live, shown: rows.Board, seconds_before: float) -> Any:
    return rows.make_poll_run(
        made.provider, feed=shown.feed.key, started_at=made.ago(seconds_before)
    )


def test_an_answer_that_changed_nothing_is_seen_all_the_same() -> None:
    made, shown = live(60)
    answered(made, shown, 599)
    answered(made, shown, -10)
    take(POLICY)
    assert closed() == {shown.event.home: pytest.approx(0.5), shown.event.away: pytest.approx(0.5)}
    assert set(ClosingQuote.objects.values_list("seen_at", flat=True)) == {made.ago(599)}


def test_without_an_answer_close_to_the_start_there_is_no_close() -> None:
    made, shown = live(60)
    answered(made, shown, 601)
    take(POLICY)
    assert set(closed().values()) == {None}


def test_answers_that_came_before_the_start_are_waited_for() -> None:
    live(taking.GRACE_SECONDS - 20)
    assert take(POLICY) == Taken(0, 0)


def test_a_price_whose_history_retention_took_stands() -> None:
    made, shown = live(60)
    answered(made, shown, 30)
    LineChange.objects.all().delete()
    take(POLICY)
    assert list(closed().values()) == pytest.approx([0.5, 0.5])
    assert Quote.objects.count() == ClosingQuote.objects.exclude(price=None).count()


def test_the_search_for_what_is_due_reads_indexes_alone() -> None:
    sport = rows.make_sport()
    start = timezone.now() - timedelta(days=1)
    Event.objects.bulk_create(
        Event(sport=sport, home="a", away="b", commence_time=start, closed_for=start)
        for _ in range(3_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE betting_event")
    (plan,) = fetch_all(
        f"EXPLAIN (FORMAT JSON) {taking._FIND}", {**taking._LIMITS, "events": taking.MAX_EVENTS}
    )
    words = str(plan)
    assert "event_start_moved" in words
    assert "event_unclosed" in words
