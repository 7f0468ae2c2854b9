"""Matching: what is one event beyond doubt, what is for a person to say, and what is new."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.matching import (
    MAX_DOUBTS,
    Contest,
    Doubtful,
    MatchPolicy,
    New,
    Reason,
    Same,
    compare,
    match,
    match_all,
)
from streaming.core.participants import Pair

POLICY = MatchPolicy()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def contest(
    home: str = "gulls", away: str = "otters", minutes: float = 0.0, sport: str = "harbour_a"
) -> Contest:
    return Contest(Pair(home, away), NOON + timedelta(minutes=minutes), sport)


names = st.sampled_from(["gulls", "gulls united", "guls", "otters", "mill otters", ""])
contests = st.builds(contest, names, names, st.integers(0, 120).map(lambda number: 15.0 * number))
boards = st.lists(contests, max_size=6).map(lambda listed: dict(enumerate(listed, 1)))


@pytest.mark.parametrize("minutes", [-30, 0, 5, 30])
def test_equal_participants_and_a_start_that_agrees_are_the_same(minutes: float) -> None:
    assert match({7: contest(minutes=minutes)}, contest(), POLICY) == Same(7)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (contest(minutes=31), Reason.START),
        (contest(minutes=-12 * 60), Reason.START),
        (contest("otters", "gulls"), Reason.SIDES),
        (contest("otters", "gulls", 300), Reason.SIDES),
        (contest("gulls united"), Reason.NAME),
        (contest("gulls united", minutes=180), Reason.NAME),
        (contest("otters", "gulls united"), Reason.NAME),
        # One side equal at the same start, whatever the other is called.
        (contest("gulls", "herons"), Reason.NAME),
        (contest("herons", "gulls", 30), Reason.NAME),
        # Two competitions of a family, and the same names.
        (contest(sport="harbour_b"), Reason.SPORT),
        (contest(sport="harbour_a_women", minutes=20), Reason.SPORT),
    ],
)
def test_what_nearly_agrees_is_doubtful(other: Contest, reason: Reason) -> None:
    assert match({7: other}, contest(), POLICY) == Doubtful({7: reason})


@pytest.mark.parametrize(
    "other",
    [
        contest(minutes=12 * 60 + 1),
        contest("gulls", "herons", minutes=31),
        contest("gulls", "herons", sport="harbour_b"),
        contest(sport="harbour_b", minutes=31),
        contest("otters", "gulls", sport="harbour_b"),
        contest("gulls united", minutes=13 * 60),
        contest("herons", "terns"),
    ],
)
def test_the_rest_is_new(other: Contest) -> None:
    assert match({7: other}, contest(), POLICY) == New()


@pytest.mark.parametrize(
    "pair",
    [("", ""), ("gulls", ""), ("tbd", "tbd"), ("tbd", "gulls"), ("winner of match 3", "gulls")],
)
def test_an_outright_or_one_whose_sides_are_not_known_never_matches(pair: tuple[str, str]) -> None:
    assert match({7: contest(*pair)}, contest(*pair), POLICY) == New()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("harbour", "harbour_a"),
        ("americanfootball_nfl", "americanfootball_nfl_preseason"),
        ("harbour_women", "harbour_women"),
    ],
)
def test_a_family_alone_and_listed_pairs_may_meet(one: str, other: str) -> None:
    assert match({7: contest(sport=one)}, contest(sport=other), POLICY) == Same(7)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("basketball_ncaab", "basketball_wncaab"),
        ("esports_lol", "esports_csgo"),
        ("cricket_international_t20", "cricket_t20_world_cup_womens"),
        ("soccer", "soccer_england_womens_super_league"),
        ("soccer", "soccer_u21_euro"),
        ("basketball_nba", "basketball_wnba"),
        ("tennis_doubles", "tennis"),
    ],
)
def test_men_and_women_the_young_and_other_leagues_never_meet_by_name_alone(
    one: str, other: str
) -> None:
    assert match({7: contest(sport=one)}, contest(sport=other), POLICY) == Doubtful(
        {7: Reason.SPORT}
    )
    assert match({7: contest(sport=other)}, contest(sport=one), POLICY) == Doubtful(
        {7: Reason.SPORT}
    )


def test_two_events_that_agree_are_doubtful() -> None:
    verdict = match({7: contest(minutes=20), 8: contest(minutes=-10)}, contest(), POLICY)
    assert verdict == Doubtful({8: Reason.SEVERAL, 7: Reason.SEVERAL})


def test_one_that_agrees_outweighs_those_that_nearly_do() -> None:
    board = {7: contest(minutes=240), 8: contest(), 9: contest("otters", "gulls")}
    assert match(board, contest(), POLICY) == Same(8)


def test_a_doubleheader_pairs_by_its_starts() -> None:
    board = {7: contest(), 8: contest(minutes=240)}
    later_first = [contest(minutes=245), contest(minutes=5)]
    assert match_all(board, later_first, POLICY) == [Same(8), Same(7)]


def test_the_second_game_is_no_doubt_where_only_the_first_is_known() -> None:
    assert match_all({7: contest()}, [contest(), contest(minutes=240)], POLICY) == [Same(7), New()]


def test_an_event_that_two_ids_of_one_provider_agree_with_is_doubtful_for_both() -> None:
    verdicts = match_all({7: contest()}, [contest(), contest(minutes=10)], POLICY)
    assert verdicts == [Doubtful({7: Reason.SEVERAL})] * 2


def test_a_doubt_lists_the_nearest_and_not_all() -> None:
    board = {number: contest(minutes=40 + number) for number in range(1, 31)}
    verdict = match(board, contest(), POLICY)
    assert isinstance(verdict, Doubtful)
    assert list(verdict.reasons) == list(range(1, MAX_DOUBTS + 1))


@given(contests, contests)
def test_comparison_is_symmetric(one: Contest, other: Contest) -> None:
    assert compare(one, other, POLICY) == compare(other, one, POLICY)


@given(boards, st.lists(contests, max_size=6), st.randoms())
def test_the_order_of_an_answer_does_not_matter(
    board: dict[int, Contest], incoming: list[Contest], dice: Random
) -> None:
    verdicts = match_all(board, incoming, POLICY)
    order = list(range(len(incoming)))
    dice.shuffle(order)
    shuffled = match_all(board, [incoming[index] for index in order], POLICY)
    assert shuffled == [verdicts[index] for index in order]


@given(boards, st.lists(contests, max_size=6))
def test_no_event_is_joined_twice_nor_without_full_agreement(
    board: dict[int, Contest], incoming: list[Contest]
) -> None:
    verdicts = match_all(board, incoming, POLICY)
    joined = [verdict.event_id for verdict in verdicts if isinstance(verdict, Same)]
    assert len(joined) == len(set(joined))
    for verdict, each in zip(verdicts, incoming, strict=True):
        agreeing = [key for key, event in board.items() if compare(event, each, POLICY) is True]
        if isinstance(verdict, Same):
            assert agreeing == [verdict.event_id]
        elif isinstance(verdict, Doubtful):
            assert verdict.reasons.keys().isdisjoint(joined)
            assert all(compare(board[key], each, POLICY) for key in verdict.reasons)
