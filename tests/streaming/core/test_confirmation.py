"""When each market of a bookmaker was last looked at, how long that is trusted, what is learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.confirmation import SWEEP_SECONDS, Book, Looks, look
from streaming.core.staleness import BUCKETS, StalenessPolicy

FLOOR = 120.0
POLICY = StalenessPolicy(cap_seconds=900.0)
STUCK, SIBLINGS = 99, (1, 2, 3)

markets = st.integers(1, 6)
stamped = st.dictionaries(markets, st.integers(0, 2_000).map(float), min_size=1)
no_gaps: list[int] = []
histograms = st.just(no_gaps) | st.lists(st.integers(0, 60), min_size=BUCKETS, max_size=BUCKETS)


def looks(
    stamps: Mapping[int, float], at: float, *, is_complete: bool = True, is_recorded: bool = False
) -> Looks:
    """An answer that lists one quote of each market."""
    return Looks(
        markets=np.fromiter(stamps, np.int64, len(stamps)),
        stamps=np.fromiter(stamps.values(), np.float64, len(stamps)),
        at=at,
        is_complete=is_complete,
        is_recorded=is_recorded,
    )


def after(answers: Sequence[Looks], book: Book | None = None) -> Book:
    for answer in answers:
        book = look(book, answer, FLOOR, POLICY)
    assert book is not None
    return book


def swept(*times: float, stuck_at: float | None = None) -> list[Looks]:
    """An answer at each time: the siblings were just looked at, the stuck market once."""
    stuck = {} if stuck_at is None else {STUCK: stuck_at}
    return [looks(dict.fromkeys(SIBLINGS, time) | stuck, time + 1) for time in times]


def age(book: Book, market: int, at: float) -> float:
    return at - book.lagging.get(market, book.confirmed_at)


# --- A market that stands still ---


def test_a_market_that_stands_still_while_its_siblings_move_is_as_old_as_its_own_stamp() -> None:
    book = after(swept(0, 60, 120, stuck_at=0))
    assert book.confirmed_at == 120
    assert book.lagging == {STUCK: 0}
    assert book.stale == {STUCK}
    assert book.next_stale_at is None


def test_a_market_is_stale_once_it_is_older_than_the_limit_and_no_sooner() -> None:
    fresh = looks({1: 120.0, STUCK: 0.0}, at=FLOOR)
    assert look(None, fresh, FLOOR, POLICY).stale == set()
    late = looks({1: 120.0, STUCK: 0.0}, at=FLOOR + 0.001)
    assert look(None, late, FLOOR, POLICY).stale == {STUCK}


def test_the_next_market_to_become_stale_says_when() -> None:
    book = after([looks({1: 100.0, 2: 50.0, 3: 70.0}, at=101)])
    assert book.next_stale_at == 50 + FLOOR


def test_a_price_that_arrives_with_an_old_stamp_is_stale_at_once() -> None:
    assert after([looks({1: 1_000.0, STUCK: 160.0}, at=1_000)]).stale == {STUCK}


def test_a_market_whose_stamp_moves_again_is_as_fresh_as_its_siblings() -> None:
    book = after([*swept(0, 60, 120, 180, stuck_at=0), *swept(240, stuck_at=240)])
    assert not book.lagging
    assert not book.stale
    assert book.next_stale_at is None


def test_a_market_is_as_old_as_the_oldest_of_its_quotes() -> None:
    answer = Looks(np.array([1, 1, 2]), np.array([0.0, 150.0, 150.0]), at=151)
    assert look(None, answer, FLOOR, POLICY).lagging == {1: 0.0}


def test_stamps_of_one_sweep_are_one_time() -> None:
    book = after([looks({1: 100.0, 2: 100 - SWEEP_SECONDS, 3: 99 - SWEEP_SECONDS}, at=101)])
    assert book.lagging == {3: 99 - SWEEP_SECONDS}


def test_an_older_answer_makes_its_markets_as_old_as_it_says() -> None:
    book = after([looks({1: 100.0}, at=101), looks({1: 40.0}, at=102)])
    assert (book.confirmed_at, book.lagging) == (100, {1: 40.0})


@given(stamped, st.integers(0, 2_000))
def test_every_market_is_as_old_as_its_stamp_to_within_a_sweep(
    stamps: dict[int, float], late: int
) -> None:
    at = max(stamps.values()) + late
    book = after([looks(stamps, at)])
    for market, stamp in stamps.items():
        assert stamp <= at - age(book, market, at) <= stamp + SWEEP_SECONDS
        is_trusted = book.is_confirmed(at) and market not in book.stale
        if at - stamp > FLOOR + SWEEP_SECONDS:
            assert not is_trusted
        if at - stamp <= FLOOR:
            assert is_trusted


@given(stamped, st.integers(0, 300))
def test_an_answer_repeated_changes_nothing(stamps: dict[int, float], late: int) -> None:
    answer = looks(stamps, max(stamps.values()) + late)
    book = after([answer])
    assert look(book, answer, FLOOR, POLICY) is book


@given(st.permutations([(1, 0.0), (1, 200.0), (2, 200.0), (3, 90.0)]))
def test_the_order_of_an_answer_does_not_matter(quotes: list[tuple[int, float]]) -> None:
    ids, stamps = zip(*quotes, strict=True)
    book = look(None, Looks(np.array(ids), np.array(stamps), at=201), FLOOR, POLICY)
    assert book.lagging == {1: 0.0, 3: 90.0}
    assert book.stale == {1}


def test_what_an_incremental_answer_leaves_out_is_as_it_was() -> None:
    before = after(swept(0, 60, 120, stuck_at=0))
    part = look(before, looks({1: 150.0}, 151, is_complete=False), FLOOR, POLICY)
    assert part.lagging == {STUCK: 0.0}
    assert part.stale == {STUCK}
    whole = look(before, looks({1: 150.0}, 151), FLOOR, POLICY)
    assert not whole.lagging
    assert not whole.stale


# --- A bookmaker that stands still as a whole ---


def test_what_is_said_of_a_bookmaker_past_its_limit_changes_nothing() -> None:
    book = after(swept(0))
    assert look(book, looks({1: 0.0, 2: -400.0}, at=FLOOR + 1), FLOOR, POLICY) is book


def test_a_silent_bookmaker_is_silent_until_a_stamp_moves_on() -> None:
    silent = Book(0.0, FLOOR, is_silent=True)
    assert look(silent, looks({1: 0.0}, at=10), FLOOR, POLICY).is_silent
    assert not look(silent, looks({1: 5.0}, at=10), FLOOR, POLICY).is_silent


def test_of_a_recordings_bookmaker_that_is_too_old_every_market_is() -> None:
    answers = [looks({1: 0.0, 2: 0.0}, at, is_recorded=True) for at in (1.0, FLOOR + 1)]
    assert [after(answers[:n]).stale for n in (1, 2)] == [set(), {1, 2}]
    assert after([*answers, looks({1: 200.0, 2: 200.0}, 201, is_recorded=True)]).stale == set()


# --- What is learnt ---


@pytest.mark.parametrize("forgotten", [0.0, 30.0])
def test_a_stuck_market_teaches_nothing_however_long_it_stands_still_and_comes_back(
    forgotten: float,
) -> None:
    times = [30.0 * n for n in range(20)]
    alone = after(swept(*times))
    answers = [answer for time in times for answer in swept(time, stuck_at=min(time, forgotten))]
    stuck = after(answers)
    assert (stuck.gaps, stuck.limit_seconds) == (alone.gaps, FLOOR)
    back = after([looks({STUCK: 571.0}, at=572, is_complete=False)], stuck)
    assert back.gaps == alone.gaps
    assert not back.stale


@given(
    st.lists(st.integers(20, 110), min_size=2, max_size=30),
    st.integers(1, 29),
    st.integers(0, 29),
)
def test_what_is_learnt_with_a_stuck_market_is_what_is_learnt_without(
    gaps: list[int], forgotten: int, found: int
) -> None:
    times = np.cumsum([0, *gaps]).astype(float).tolist()
    alone = after(swept(*times))
    answers = [
        answer
        for number, time in enumerate(times)
        for answer in swept(
            time, stuck_at=times[min(number, forgotten)] if number < forgotten + found else time
        )
    ]
    assert after(answers).gaps == alone.gaps


def test_the_limit_of_markets_that_take_turns_is_learnt_from_their_own_gaps() -> None:
    turns = {market: 30.0 * market for market in range(10)}
    book = after([looks(turns, at=271)])
    for number in range(10, 40):
        turns[number % 10] = 30.0 * number
        book = look(book, looks(turns, at=30.0 * number + 1), FLOOR, POLICY)
    assert 300 <= book.limit_seconds < 400
    assert book.stale == set()


def test_an_answer_teaches_one_gap_however_many_markets_moved() -> None:
    answers = [looks(dict.fromkeys(range(300), 60.0 * n), 60.0 * n + 1) for n in range(6)]
    assert sum(after(answers).gaps) == 5


def test_a_gap_that_is_the_providers_or_our_own_teaches_nothing() -> None:
    first, second = looks({1: 0.0}, at=1), looks({1: 5_000.0}, at=5_001)
    away = Looks(second.markets, second.stamps, second.at, is_continuous=False)
    assert not any(after([first, away]).gaps)
    assert sum(after([first, second]).gaps) == 1


@given(histograms, stamped, stamped)
def test_limits_keep_to_the_floor_and_the_cap(
    gaps: list[int], before: dict[int, float], now: dict[int, float]
) -> None:
    book = after([looks(now, at=2_000)], Book(max(before.values()), FLOOR, gaps, before))
    assert FLOOR <= book.limit_seconds <= max(FLOOR, POLICY.cap_seconds)
