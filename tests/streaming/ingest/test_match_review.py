"""What follows when a person says that two events are one, or two; in the command as well."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest
from django.core.management import CommandError, call_command

from betting.models import (
    ChangeKind,
    DoubtfulMatch,
    Event,
    EventAlias,
    EventStatus,
    MatchDecision,
    Outcome,
    ParticipantAlias,
    Provider,
    Quote,
    QuoteStatus,
)
from streaming.core.matching import MatchPolicy
from streaming.core.snapshot import Snapshot, SnapshotEvent
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.ingest.match_review import UndecidableError, decide_different, decide_same
from tests.support import rows
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot

pytestmark = pytest.mark.django_db

POLICY = MatchPolicy()
SHORT = "Harbour"
DAY, HOUR = 86_400.0, 3_600.0


@pytest.fixture
def ours() -> Provider:
    return make_provider("ours")


@pytest.fixture
def theirs() -> Provider:
    return make_provider("theirs")


def take(provider: Provider, given: Snapshot) -> IngestResult:
    return ingest(provider.pk, given, IngestPolicy())


def game(
    bookmaker: str, external_id: str, home: str = HOME, away: str = AWAY, starts: float = DAY
) -> SnapshotEvent:
    quotes = [quote(bookmaker, home, 1.8), quote(bookmaker, away, 2.1)]
    return event(quotes, external_id, starts, home=home, away=away)


def same(doubt: DoubtfulMatch) -> None:
    decide_same(doubt.pk, "kim", POLICY)


def known_as(external_id: str) -> Event:
    return EventAlias.objects.get(external_id=external_id).event


def active() -> set[tuple[int, str, str]]:
    quotes = Quote.objects.filter(status=QuoteStatus.ACTIVE)
    return set(quotes.values_list("market__event", "bookmaker__key", "outcome__name"))


def test_the_next_answer_quotes_at_the_candidate_and_suspends_at_the_one_left_apart(
    ours: Provider, theirs: Provider
) -> None:
    take(ours, snapshot([game("ace", "e1")]))
    take(theirs, snapshot([game("bay", "k1", SHORT)]))
    doubt = DoubtfulMatch.objects.get()

    same(doubt)
    result = take(theirs, snapshot([game("bay", "k1", SHORT)], 60))

    doubt.refresh_from_db()
    candidate = doubt.candidate_id
    assert (doubt.decision, doubt.decided_by) == (MatchDecision.SAME, "kim")
    assert doubt.decided_at is not None
    assert known_as("k1").pk == candidate
    assert doubt.event.status == EventStatus.ENDED
    assert result.counts == Counter({ChangeKind.OPENED: 2, ChangeKind.SUSPENDED: 2})
    assert active() == {(candidate, book, name) for book in ("ace", "bay") for name in (HOME, AWAY)}


def test_the_name_that_differed_is_recognised_the_next_time(
    ours: Provider, theirs: Provider
) -> None:
    take(ours, snapshot([game("ace", "e1"), game("ace", "e2", starts=9 * DAY)]))
    take(theirs, snapshot([game("bay", "k1", SHORT)]))
    same(DoubtfulMatch.objects.get())
    assert list(ParticipantAlias.objects.values_list("family", "name", "canonical")) == [
        ("harbour", "harbour", "harbour gulls")
    ]

    take(theirs, snapshot([game("bay", "k1", SHORT), game("bay", "k2", SHORT, starts=9 * DAY)], 60))

    assert known_as("k2") == known_as("e2")
    assert DoubtfulMatch.objects.count() == 1


def test_starts_that_differed_leave_no_alias(ours: Provider, theirs: Provider) -> None:
    take(ours, snapshot([game("ace", "e1")]))
    take(theirs, snapshot([game("bay", "k1", starts=DAY + 3 * HOUR)]))
    same(DoubtfulMatch.objects.get())
    assert not ParticipantAlias.objects.exists()


def test_swapped_sides_are_quoted_under_the_right_names(ours: Provider, theirs: Provider) -> None:
    take(ours, snapshot([game("ace", "e1")]))
    take(theirs, snapshot([game("bay", "k1", AWAY, SHORT)]))
    same(DoubtfulMatch.objects.get())
    take(theirs, snapshot([game("bay", "k1", AWAY, SHORT)], 60))

    bay = Quote.objects.filter(bookmaker__key="bay", status=QuoteStatus.ACTIVE)
    assert dict(bay.values_list("outcome__name", "price")) == {AWAY: 1.8, HOME: 2.1}
    assert bay.filter(market__event=known_as("e1")).count() == 2
    assert ParticipantAlias.objects.get().canonical == "harbour gulls"
    assert Outcome.objects.filter(market__event=known_as("e1")).count() == 2


def test_all_that_know_the_one_left_apart_move_with_it(ours: Provider, theirs: Provider) -> None:
    take(ours, snapshot([game("ace", "e1")]))
    take(theirs, snapshot([game("bay", "k1", SHORT)]))
    take(make_provider("third"), snapshot([game("cap", "m1", SHORT)]))
    assert known_as("m1") == known_as("k1")

    same(DoubtfulMatch.objects.get())

    assert known_as("m1") == known_as("k1") == known_as("e1")


def test_events_that_one_provider_tells_apart_cannot_be_one(
    ours: Provider, theirs: Provider
) -> None:
    """The second game of a doubleheader was met before the first."""
    take(ours, snapshot([game("ace", "first")]))
    take(theirs, snapshot([game("bay", "b", starts=DAY + 4 * HOUR)]))
    take(ours, snapshot([game("ace", "first"), game("ace", "second", starts=DAY + 4 * HOUR)], 60))
    doubt = DoubtfulMatch.objects.get()

    with pytest.raises(UndecidableError, match=r"ours lists both events \(this one as second\)"):
        same(doubt)

    doubt.refresh_from_db()
    assert doubt.decision == MatchDecision.OPEN
    assert known_as("b") == known_as("second") != known_as("first")


def test_different_events_stay_apart_and_are_not_asked_about_again(
    ours: Provider, theirs: Provider
) -> None:
    take(ours, snapshot([game("ace", "e1")]))
    take(theirs, snapshot([game("bay", "k1", SHORT)]))
    before = active()

    decide_different(DoubtfulMatch.objects.get().pk, "kim")
    take(theirs, snapshot([game("bay", "k1", SHORT)], 60))

    doubt = DoubtfulMatch.objects.get()
    assert (doubt.decision, doubt.decided_by) == (MatchDecision.DIFFERENT, "kim")
    assert active() == before


def test_a_pair_is_decided_once(ours: Provider, theirs: Provider) -> None:
    take(ours, snapshot([game("ace", "e1")]))
    take(theirs, snapshot([game("bay", "k1", SHORT)]))
    doubt = DoubtfulMatch.objects.get()
    decide_different(doubt.pk, "kim")

    with pytest.raises(UndecidableError, match="already decided"):
        same(doubt)
    with pytest.raises(UndecidableError, match="no doubtful match"):
        decide_different(0, "kim")


def test_what_else_was_asked_about_the_event_is_settled_or_asked_of_the_candidate() -> None:
    doubt = rows.make_doubt()
    apart, candidate = doubt.event, doubt.candidate
    other = rows.make_event(rows.make_provider(), sport=apart.sport)
    elsewhere = rows.make_doubt(doubt.provider, event=apart, candidate=other)
    waits, asked_already = (rows.make_doubt(candidate=apart) for _ in range(2))
    rows.make_doubt(asked_already.provider, event=asked_already.event, candidate=candidate)

    same(doubt)

    elsewhere.refresh_from_db()
    waits.refresh_from_db()
    assert (elsewhere.decision, elsewhere.decided_by) == (MatchDecision.DIFFERENT, "kim")
    assert (waits.decision, waits.candidate) == (MatchDecision.OPEN, candidate)
    assert not DoubtfulMatch.objects.filter(pk=asked_already.pk).exists()


def matches(*arguments: str) -> str:
    out = io.StringIO()
    call_command("matches", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_lists_what_waits_and_decides_it() -> None:
    assert matches("doubtful") == "no match is doubtful\n"
    one, other = rows.make_doubt(), rows.make_doubt()
    assert [row["id"] for row in json.loads(matches("doubtful", "--json"))] == [one.pk, other.pk]
    assert str(one.event) in matches("doubtful")
    assert "the starts differ" in matches("doubtful")

    assert matches("same", str(one.pk), "--by", "kim") == f"{one.pk}: same event\n"
    assert matches("different", str(other.pk), "--by", "kim") == f"{other.pk}: different events\n"

    assert matches("doubtful") == "no match is doubtful\n"
    assert set(DoubtfulMatch.objects.values_list("decided_by", flat=True)) == {"kim"}


def test_the_command_decides_what_it_can_and_names_what_it_cannot() -> None:
    doubt = rows.make_doubt()
    with pytest.raises(CommandError, match="there is no doubtful match 0"):
        matches("different", "0", str(doubt.pk), "--by", "kim")
    doubt.refresh_from_db()
    assert doubt.decision == MatchDecision.DIFFERENT


def test_the_commands_former_name_works_and_names_the_new_one() -> None:
    out, err = io.StringIO(), io.StringIO()

    call_command("events", "doubtful", stdout=out, stderr=err)

    assert out.getvalue() == "no match is doubtful\n"
    assert "manage.py matches" in err.getvalue()
