"""Events of different providers meet in one, in the database and under concurrency."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import msgspec
import pytest
from django.db import connection

from betting.models import (
    ChangeKind,
    DoubtfulMatch,
    DoubtReason,
    Event,
    EventAlias,
    EventStatus,
    Market,
    Outcome,
    ParticipantAlias,
    Provider,
    Quote,
    QuoteStatus,
)
from streaming.core.matching import MatchPolicy
from streaming.core.snapshot import SnapshotEvent, SnapshotQuote
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from tests.streaming.ingest.test_ingest import statements_of
from tests.support.snapshots import AWAY, HOME, at, event, make_provider, quote, snapshot

pytestmark = pytest.mark.django_db

POLICY = IngestPolicy()
DAY = 86_400.0
MINUTE = 60.0
SHORT_HOME, SHORT_AWAY = "Harbour", "Mill"


@pytest.fixture
def ours() -> Provider:
    return make_provider("ours")


@pytest.fixture
def theirs() -> Provider:
    return make_provider("theirs")


def take(
    provider: Provider, events: Iterable[SnapshotEvent], seconds: float = 0.0, **fields: object
) -> IngestResult:
    return ingest(provider.pk, snapshot(events, seconds, **fields), POLICY)  # type: ignore[arg-type]


def ids_of(given: Event) -> set[str]:
    return set(given.aliases.values_list("external_id", flat=True))


def short(quotes: Iterable[SnapshotQuote], external_id: str = "k1") -> SnapshotEvent:
    """The usual event in a provider's shorter words."""
    return event(quotes, external_id, home=SHORT_HOME, away=SHORT_AWAY)


def say_that_short_names_stand_for_the_usual_ones() -> None:
    for name, canonical in (("harbour", "harbour gulls"), ("mill", "mill otters")):
        ParticipantAlias.objects.create(family="harbour", name=name, canonical=canonical)


def both_sides(bookmaker: str, home: str = HOME, away: str = AWAY) -> list[SnapshotQuote]:
    return [quote(bookmaker, home, 1.8), quote(bookmaker, away, 2.1)]


def test_two_providers_with_different_spellings_meet_in_one_event_and_one_market(
    ours: Provider, theirs: Provider
) -> None:
    take(ours, [event(both_sides("ace"))])
    words = ("HARBOUR GULLS F.C.", "The Mill Otters")
    take(
        theirs,
        [event(both_sides("bay", *words), "k1", DAY + 5 * MINUTE, home=words[0], away=words[1])],
    )

    met = Event.objects.get()
    assert ids_of(met) == {"e1", "k1"}
    assert (met.home, met.away, met.commence_time) == (HOME, AWAY, at(DAY))
    assert set(Outcome.objects.values_list("name", flat=True)) == {HOME, AWAY}
    assert Quote.objects.filter(market=Market.objects.get()).count() == 4
    assert not DoubtfulMatch.objects.exists()


def test_the_participant_a_market_is_about_takes_the_events_spelling_too(
    ours: Provider, theirs: Provider
) -> None:
    def total(bookmaker: str, team: str) -> SnapshotQuote:
        return quote(bookmaker, "Over", 1.9, kind="team_totals", point=20.5, participant=team)

    take(ours, [event([total("ace", HOME)])])
    say_that_short_names_stand_for_the_usual_ones()
    take(theirs, [short([total("bay", SHORT_HOME), total("bay", "H. Arbour")])])

    assert Market.objects.get(participant=HOME).quotes.count() == 2
    assert Market.objects.get(participant="H. Arbour").quotes.count() == 1


def test_an_alias_lets_events_meet_that_were_merely_similar(
    ours: Provider, theirs: Provider
) -> None:
    say_that_short_names_stand_for_the_usual_ones()
    take(ours, [event(both_sides("ace"))])
    take(theirs, [short(both_sides("bay", SHORT_HOME, SHORT_AWAY))])

    assert ids_of(Event.objects.get()) == {"e1", "k1"}
    assert set(Outcome.objects.values_list("name", flat=True)) == {HOME, AWAY}


def test_an_alias_of_another_family_says_nothing(ours: Provider, theirs: Provider) -> None:
    ParticipantAlias.objects.create(family="soccer", name="mill", canonical="mill otters")
    take(ours, [event(both_sides("ace"))])
    take(theirs, [event([], "k1", away="Mill")])

    assert Event.objects.count() == 2
    assert DoubtfulMatch.objects.get().reason == DoubtReason.NAME


def test_two_sports_of_one_family_share_an_event_and_two_families_do_not(
    ours: Provider, theirs: Provider
) -> None:
    take(ours, [event(both_sides("ace"))])
    take(theirs, [event(both_sides("bay"), "k1")], sport_key="harbour")
    take(make_provider("third"), [event(both_sides("cap"), "m1")], sport_key="harbourball")

    assert sorted(map(len, map(ids_of, Event.objects.all()))) == [1, 2]


def test_two_competitions_of_a_family_are_two_events_and_a_person_is_asked(
    ours: Provider, theirs: Provider
) -> None:
    take(ours, [event(both_sides("ace"))], sport_key="basketball_ncaab")
    take(theirs, [event(both_sides("bay"), "w1")], sport_key="basketball_wncaab")

    assert Event.objects.count() == 2
    assert DoubtfulMatch.objects.get().reason == DoubtReason.SPORT


def alternate(bookmaker: str, home: str, away: str) -> list[SnapshotQuote]:
    """Both sides at both signs of 3.5, with the lines as the home side sees them."""
    prices = {(home, -3.5): 2.1, (away, 3.5): 1.75, (home, 3.5): 1.3, (away, -3.5): 3.4}
    quotes = []
    for (name, point), price in prices.items():
        given = quote(bookmaker, name, price, kind="alternate_spreads", point=point)
        line = point if name == home else -point
        quotes.append(msgspec.structs.replace(given, line=line))
    return quotes


def lines() -> dict[tuple[str, float | None], float | None]:
    rows = Outcome.objects.filter(point__isnull=False).values_list("name", "point", "line")
    return {(name, point): line for name, point, line in rows}


def test_lines_follow_the_sides_when_a_provider_corrects_who_is_at_home(ours: Provider) -> None:
    take(ours, [event(alternate("ace", HOME, AWAY))])
    (market,) = Market.objects.all()
    assert lines()[HOME, -3.5] == -3.5

    swapped = event(alternate("ace", AWAY, HOME), home=AWAY, away=HOME)
    take(ours, [swapped], seconds=30)

    (given,) = Event.objects.all()
    assert (given.home, given.away) == (AWAY, HOME)
    assert lines() == {(HOME, -3.5): 3.5, (AWAY, 3.5): 3.5, (HOME, 3.5): -3.5, (AWAY, -3.5): -3.5}
    was = market.version
    market.refresh_from_db()
    assert market.version > was
    assert market.dirty_at is not None

    take(ours, [swapped], seconds=60)  # and again changes nothing
    version = market.version
    market.refresh_from_db()
    assert market.version == version


def test_a_worker_that_remembers_the_old_sides_makes_lines_of_the_new_ones(
    ours: Provider, theirs: Provider
) -> None:
    take(ours, [event(both_sides("ace"))])
    take(theirs, [event(both_sides("bay"), "k1")])
    take(ours, [event(both_sides("ace", AWAY, HOME), home=AWAY, away=HOME)], seconds=30)

    take(theirs, [event(alternate("bay", HOME, AWAY), "k1")], seconds=40)

    # The other provider still has them the old way round: its lines are the event's all the same.
    assert lines() == {
        (HOME, -3.5): 3.5, (AWAY, 3.5): 3.5, (HOME, 3.5): -3.5, (AWAY, -3.5): -3.5
    }  # fmt: skip


def test_a_doubleheader_of_one_provider_never_merges_and_a_second_providers_pairs_by_start(
    ours: Provider, theirs: Provider
) -> None:
    later = DAY + 240 * MINUTE
    take(ours, [event([], "first"), event([], "second", later)])
    assert Event.objects.count() == 2

    take(theirs, [event([], "b", later + 5 * MINUTE), event([], "a", DAY - 5 * MINUTE)])

    assert sorted(ids_of(each) for each in Event.objects.all()) == [{"first", "a"}, {"second", "b"}]
    assert not DoubtfulMatch.objects.exists()


@pytest.mark.parametrize(
    ("home", "away", "starts", "reason"),
    [
        (AWAY, HOME, DAY, DoubtReason.SIDES),
        (HOME, AWAY, DAY + 31 * MINUTE, DoubtReason.START),
        (HOME, SHORT_AWAY, DAY, DoubtReason.NAME),
        (SHORT_HOME, SHORT_AWAY, DAY, DoubtReason.NAME),
    ],
)
def test_a_doubtful_match_is_left_apart_and_listed(
    ours: Provider, theirs: Provider, home: str, away: str, starts: float, reason: DoubtReason
) -> None:
    take(ours, [event(both_sides("ace"))])
    theirs_alone = [event(both_sides("bay", home, away), "k1", starts, home=home, away=away)]
    take(theirs, theirs_alone)
    take(theirs, theirs_alone, 60)

    apart = Event.objects.get(aliases__external_id="k1")
    doubt = DoubtfulMatch.objects.get()
    assert (doubt.event, doubt.provider, doubt.reason) == (apart, theirs, reason)
    assert doubt.candidate == Event.objects.get(aliases__external_id="e1") != apart
    assert (doubt.decision, doubt.decided_at) == ("open", None)
    assert apart.markets.get().quotes.count() == 2


def test_more_than_one_event_that_fits_is_doubtful(ours: Provider, theirs: Provider) -> None:
    take(ours, [event([], "first"), event([], "second", DAY + 10 * MINUTE)])
    take(theirs, [event([], "k1")])

    assert Event.objects.count() == 3
    assert set(DoubtfulMatch.objects.values_list("reason", flat=True)) == {DoubtReason.SEVERAL}
    assert DoubtfulMatch.objects.count() == 2


def test_how_near_is_near_enough_is_the_policys(ours: Provider, theirs: Provider) -> None:
    take(ours, [event([])])
    late = snapshot([event([], "k1", DAY + 45 * MINUTE)])
    ingest(theirs.pk, late, IngestPolicy(matching=MatchPolicy(same_start_minutes=60)))
    assert ids_of(Event.objects.get()) == {"e1", "k1"}


def test_an_outright_and_an_ended_event_are_met_by_nobody(ours: Provider, theirs: Provider) -> None:
    take(ours, [event([], "outright", home="", away=""), event([], starts=30)])
    Event.objects.filter(aliases__external_id="e1").update(status=EventStatus.ENDED)
    take(theirs, [event([], "outright", home="", away=""), event([], starts=30)])

    assert Event.objects.count() == 4
    assert not DoubtfulMatch.objects.exists()


def test_handicaps_of_a_provider_that_swaps_the_sides_pair_up_with_the_events(
    ours: Provider, theirs: Provider
) -> None:
    """The two were said to be one: see `streaming.ingest.match_review`."""
    take(ours, [event(both_sides("ace"))])
    EventAlias.objects.create(event=Event.objects.get(), provider=theirs, external_id="k1")
    away_side, home_side = (
        msgspec.structs.replace(quote("bay", name, 1.9, kind="spreads", point=point), line=-3.5)
        for name, point in ((AWAY, -3.5), (HOME, 3.5))
    )  # as their adapter computes them, for whom the away side is at home
    take(theirs, [event([away_side, home_side], "k1", home=AWAY, away=HOME)])

    lines = Outcome.objects.filter(market__kind="spreads").values_list("name", "point", "line")
    assert set(lines) == {(AWAY, -3.5, 3.5), (HOME, 3.5, 3.5)}


def test_names_that_no_longer_fit_leave_the_quotes_out_until_they_fit_again(
    ours: Provider, theirs: Provider
) -> None:
    take(ours, [event(both_sides("ace"))])
    take(theirs, [event(both_sides("bay"), "k1")])

    other = take(theirs, [event(both_sides("bay", "Terns"), "k1", home="Terns")], 60)
    back = take(theirs, [event(both_sides("bay"), "k1")], 120)

    assert other.counts == Counter({ChangeKind.SUSPENDED: 2})
    assert back.counts == Counter({ChangeKind.RESUMED: 2})
    assert not Outcome.objects.filter(name="Terns").exists()


def test_two_names_for_one_side_quote_it_once(ours: Provider, theirs: Provider) -> None:
    say_that_short_names_stand_for_the_usual_ones()
    take(ours, [event(both_sides("ace"))])
    take(theirs, [short([quote("bay", HOME, 1.7), quote("bay", SHORT_HOME, 1.8)])])

    assert Quote.objects.get(bookmaker__key="bay").price == 1.8


@pytest.mark.parametrize("is_added_later", [False, True])
def test_an_alias_that_an_operator_adds_or_removes_reaches_a_running_worker(
    ours: Provider, theirs: Provider, is_added_later: bool
) -> None:
    say_that_short_names_stand_for_the_usual_ones()
    quotes = both_sides("bay", SHORT_HOME, SHORT_AWAY)
    take(ours, [event(both_sides("ace"))])
    take(theirs, [short(quotes)])
    active = Quote.objects.filter(bookmaker__key="bay", status=QuoteStatus.ACTIVE)

    ParticipantAlias.objects.all().delete()
    take(theirs, [short(quotes)], 60)
    assert active.count() == 0
    if is_added_later:
        say_that_short_names_stand_for_the_usual_ones()
    take(theirs, [short(quotes)], 120)

    assert active.count() == (2 if is_added_later else 0)


def test_a_new_spelling_of_the_owner_reaches_quotes_of_the_others(
    ours: Provider, theirs: Provider
) -> None:
    take(ours, [event(both_sides("ace"))])
    take(theirs, [event(both_sides("bay"), "k1")])
    renamed = "Harbour Gulls FC"
    take(ours, [event(both_sides("ace", renamed), home=renamed)], 60)
    take(theirs, [event(both_sides("bay"), "k1")], 61)

    active = Quote.objects.filter(status=QuoteStatus.ACTIVE)
    assert set(active.values_list("outcome__name", flat=True)) == {renamed, AWAY}
    assert active.count() == 4


def test_statements_do_not_grow_with_the_events_and_a_known_answer_takes_four(
    ours: Provider, theirs: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def games(bookmaker: str, numbers: Iterable[int]) -> list[SnapshotEvent]:
        return [
            event(both_sides(bookmaker), f"{bookmaker}-{number}", DAY * number)
            for number in numbers
        ]

    take(ours, games("ace", range(1, 100)))
    take(theirs, games("bay", [1]))
    few = statements_of(monkeypatch, theirs, snapshot(games("bay", [1, 2]), 1))
    many = statements_of(monkeypatch, theirs, snapshot(games("bay", range(1, 100)), 2))
    none = statements_of(monkeypatch, theirs, snapshot(games("bay", range(1, 100)), 3))

    assert Event.objects.count() == 99
    # One more where much changes: those changes are planned with their real number.
    assert (many, none) == (few + 1, 4)


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_meet_a_new_game_of_two_providers_at_once_make_one_event() -> None:
    providers = [make_provider(f"p{number}") for number in range(4)]
    barrier = threading.Barrier(len(providers))

    def work(provider: Provider) -> None:
        games = []
        for number in range(20):
            home, away = f"Home {number}", f"Away {number}"
            quotes = both_sides(provider.key, home, away)
            external_id, starts = f"{provider.key}-{number}", DAY + number * MINUTE
            games.append(event(quotes, external_id, starts, home=home, away=away))
        with closing(connection):
            barrier.wait()
            take(provider, games)

    with ThreadPoolExecutor() as pool:
        for worker in [pool.submit(work, provider) for provider in providers]:
            worker.result()

    assert Event.objects.count() == 20
    assert {len(ids_of(each)) for each in Event.objects.all()} == {4}
    assert Quote.objects.count() == 4 * 20 * 2
    assert not DoubtfulMatch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_workers_that_own_and_share_events_side_by_side_agree_in_the_end() -> None:
    """Every provider renames, and every provider's list comes again and again."""
    providers = [make_provider(f"p{number}") for number in range(3)]

    def work(provider: Provider) -> None:
        with closing(connection):
            for turn in range(15):
                home = HOME if turn % 2 else f"{HOME} FC"
                take(provider, [event(both_sides(provider.key, home), "e", home=home)], turn)

    with ThreadPoolExecutor() as pool:
        for worker in [pool.submit(work, provider) for provider in providers]:
            worker.result()
    for provider in providers * 2:  # the owner first or last: the second round follows its names
        take(provider, [event(both_sides(provider.key), "e")], 99)

    active = Quote.objects.filter(status=QuoteStatus.ACTIVE)
    assert Event.objects.count() == 1
    assert set(active.values_list("outcome__name", flat=True)) == {HOME, AWAY}
    assert active.count() == 6


def test_lines_that_only_another_provider_quotes_follow_a_correction_of_sides(
    ours: Provider, theirs: Provider
) -> None:
    def wide(home: str, away: str) -> list[SnapshotQuote]:
        given = [
            quote("bay", home, 1.9, kind="alternate_spreads", point=-7.5),
            quote("bay", away, 1.9, kind="alternate_spreads", point=7.5),
        ]
        return [msgspec.structs.replace(each, line=-7.5) for each in given]

    take(ours, [event(alternate("ace", HOME, AWAY))])
    take(theirs, [event(wide(HOME, AWAY), "k1")])
    take(ours, [event(alternate("ace", AWAY, HOME), home=AWAY, away=HOME)], seconds=30)

    take(theirs, [event(wide(HOME, AWAY), "k1")], seconds=40)

    assert (lines()[HOME, -7.5], lines()[AWAY, 7.5]) == (7.5, 7.5)
