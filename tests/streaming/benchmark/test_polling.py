"""Fixed and adaptive polling are compared on the same changes, with as many polls, unseen."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from streaming.benchmark.polling.comparison import POLICIES, compare
from streaming.benchmark.polling.policies import Constants, adaptive, fixed
from streaming.benchmark.polling.schedule import (
    DAY_SECONDS,
    HOUR_SECONDS,
    Fixture,
    Schedule,
    simulated,
)
from streaming.benchmark.polling.tapes import recorded
from streaming.benchmark.polling.waits import waits

PAYLOADS = Path(__file__).parents[2] / "contract" / "payloads"
POLLS = 21 * 24


def test_a_seed_makes_the_same_changes_again_and_another_seed_others() -> None:
    one, again, other = simulated(3), simulated(3), simulated(4)
    for left, right in zip(one.fixtures, again.fixtures, strict=True):
        assert np.array_equal(left.changes, right.changes)
    assert [each.start for each in one.fixtures] != [each.start for each in other.fixtures]


def test_changes_lie_where_their_fixture_is_listed() -> None:
    for fixture in simulated(5).fixtures:
        assert fixture.listed_at <= fixture.start < fixture.ended_at
        assert np.all(np.diff(fixture.changes) >= 0)
        assert np.all((fixture.changes >= fixture.listed_at) & (fixture.changes < fixture.ended_at))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_policy_polls_more_often_than_allowed_or_outside_the_schedule(
    policy: str, seed: int
) -> None:
    schedule = simulated(seed)
    polls = POLICIES[policy](schedule, POLLS)
    assert 0.95 * POLLS <= polls.size <= POLLS
    assert np.all(np.diff(polls) > 0)
    assert polls[0] > 0
    assert polls[-1] <= schedule.seconds


def test_adaptive_polls_keep_the_floor_and_the_ceiling() -> None:
    schedule, of = simulated(2), Constants(floor_seconds=600.0, ceiling_factor=2.0)
    polls = adaptive(schedule, POLLS, of)
    gaps = [after - before for before, after in pairwise((0.0, *polls))]
    assert min(gaps) >= 600 - 1e-6
    assert max(gaps) <= 2 * schedule.seconds / POLLS + 1e-6


def until(schedule: Schedule, moment: float) -> Schedule:
    """The schedule without its changes after a moment."""
    known = [
        replace(each, changes=each.changes[each.changes <= moment]) for each in schedule.fixtures
    ]
    return replace(schedule, fixtures=known)


def test_a_decision_does_not_depend_on_changes_that_have_not_come_yet() -> None:
    whole, of = simulated(4), Constants(polls_per_estimate=1)
    polls = adaptive(whole, POLLS, of)
    starts = sorted({each.start for each in whole.fixtures})[::3]
    for index in np.searchsorted(polls, starts):
        blind = adaptive(until(whole, polls[index]), POLLS, of)
        assert np.array_equal(polls[: index + 2], blind[: index + 2])
    assert not np.array_equal(polls, blind)


def test_a_change_waits_for_the_next_poll_and_counts_where_it_happened() -> None:
    start = 30 * HOUR_SECONDS
    changes = np.array([100.0, start - 60, start + 10])
    schedule = Schedule("x", 2 * DAY_SECONDS, [Fixture(0.0, start, 2 * DAY_SECONDS, changes)])
    found = waits(schedule, np.array([160.0, start, start + 100]))
    assert {span: each.mean_seconds for span, each in found.items()} == {
        "> 24 h": 60.0,
        "< 3 h": 60.0,
        "in play": 90.0,
        "all": 70.0,
    }


def test_a_change_after_the_last_poll_waits_for_the_end() -> None:
    schedule = Schedule("x", 1_000.0, [Fixture(0.0, 2_000.0, 3_000.0, np.array([900.0]))])
    assert waits(schedule, np.array([500.0]))["all"].mean_seconds == 100.0
    assert waits(schedule, fixed(schedule, 4))["all"].mean_seconds == 100.0


def test_polls_follow_changes_to_the_start() -> None:
    rows = compare([simulated(seed) for seed in (3, 4, 8)], [48])
    near = {row.policy: row for row in rows if row.span == "in play"}
    assert near["fixed"].mean_of_fixed.middle == 1
    assert near["adaptive"].mean_of_fixed.high < 0.7


def test_a_tape_of_a_stream_tells_when_its_prices_changed() -> None:
    schedule = recorded(PAYLOADS / "betfair_stream" / "match_odds.jsonl")
    (fixture,) = schedule.fixtures
    assert fixture.changes.size
    assert fixture.start == 30 * 60, "the tape begins half an hour before the start"


def test_the_command_prints_a_table_of_simulated_feeds() -> None:
    out = io.StringIO()
    call_command("benchmark", "polling", "--seeds", "2", "--polls-a-day", "24", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("| polls a day | to the start | policy |")
    assert any(line.startswith("| 24 | < 3 h | adaptive |") for line in lines)


def test_the_command_prints_a_table_for_each_tape() -> None:
    out = io.StringIO()
    tape = PAYLOADS / "betfair_stream" / "match_odds.jsonl"
    call_command("benchmark", "polling", str(tape), "--polls-a-day", "2_880", stdout=out)
    assert out.getvalue().startswith("match_odds.jsonl\n\n| polls a day |")


def test_recorded_polls_are_refused_because_they_do_not_tell_when_prices_changed(
    tmp_path: Path,
) -> None:
    with pytest.raises(CommandError, match="nothing"):
        call_command("benchmark", "polling", str(tmp_path / "nothing.jsonl"))
    polled = Path(__file__).parents[2] / "recordings" / "simulated.jsonl.gz"
    with pytest.raises(CommandError, match="it is of no stream"):
        call_command("benchmark", "polling", str(polled))
