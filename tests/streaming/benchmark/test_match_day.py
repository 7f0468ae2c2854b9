"""The script of a Saturday: one for a seed, whole kick-offs, a provider that comes back."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.benchmark.match_day import (
    EVENTS_EACH,
    FLAPPER,
    FLAPS,
    KICK_OFFS,
    POLL_SECONDS,
    Step,
    saturday,
)

SECONDS = 900.0


def day(seed: int = 1, seconds: float = SECONDS) -> list[Step]:
    return list(saturday(seed, seconds))


@given(st.integers(0, 50), st.floats(5, 900))
def test_every_answer_is_of_one_providers_events_in_order_of_time(
    seed: int, seconds: float
) -> None:
    found = day(seed, seconds)

    assert found == day(seed, seconds)
    assert all(one.at < other.at < seconds for one, other in pairwise(found))
    for step in found:
        assert {event // EVENTS_EACH for event in step.events} == {step.provider}
        assert len(set(step.events)) == len(step.events)
        assert set(step.goals) <= set(step.events)


def test_two_seeds_have_two_days() -> None:
    assert day(1) != day(2)


def test_a_kick_off_changes_every_event_of_both_providers() -> None:
    kick_offs = [step for step in day() if step.case == "kick-off"]

    assert all(len(step.events) == EVENTS_EACH for step in kick_offs)
    assert {step.provider for step in kick_offs} == {0, 1}
    for place in KICK_OFFS:
        assert any(0 <= step.at - place * SECONDS < 2 * POLL_SECONDS for step in kick_offs)


def test_one_provider_goes_away_and_comes_back_with_everything_new() -> None:
    theirs = [step for step in day() if step.provider == FLAPPER]
    returns = [
        after for before, after in pairwise(theirs) if after.at - before.at > 2 * POLL_SECONDS
    ]

    assert len(returns) == FLAPS
    assert all(step.case == "provider flaps" for step in returns)
    assert all(len(step.events) == EVENTS_EACH for step in returns)
    others = [step.at for step in day() if step.provider != FLAPPER]
    assert max(later - at for at, later in pairwise(others)) == pytest.approx(POLL_SECONDS)


@pytest.mark.parametrize("seconds", [12.0, SECONDS])
def test_a_day_of_any_length_has_all_its_parts(seconds: float) -> None:
    parts = Counter(step.case for step in day(seconds=seconds))

    assert set(parts) == {"in play", "kick-off", "provider flaps"}
    assert parts.most_common(1)[0][0] == "in play"
