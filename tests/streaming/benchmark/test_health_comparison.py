"""The comparison of the scores: rules chosen elsewhere, delays, and alarms without a fault."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betting.config import CHECKOUT
from streaming.benchmark.health import budgets, levels
from streaming.benchmark.health.alarms import AlarmRule, Scored, choose, judge, outcome
from streaming.benchmark.health.recording import (
    Class,
    Episode,
    Recorder,
    Recording,
    decode,
    encode,
    with_figure,
)
from streaming.benchmark.health.scorers import SCORERS
from streaming.benchmark.health.table import by_fault, markdown
from streaming.core.exhaustion import TrendPolicy
from streaming.core.health import MUST_NOT_BE, Check, Status, check

LIMITS = (5.0, 30.0)
Figures = Sequence[float | None]


def episode(
    figures: Figures, struck_at: float, kind: Class = "fault", name: str = "beat"
) -> Episode:
    """An episode of one check, looked at once a second."""
    recorder = Recorder()
    for second, figure in enumerate(figures, start=1):
        whole = [check(name, figure, LIMITS, "", ""), check("disk", 0.0, (0.9, math.inf), "", "")]
        recorder.add(float(second), whole)
    return Episode(f"{name} fails", kind, struck_at, float(len(figures)), recorder.looks())


def recording(seed: int, *episodes: Episode) -> Recording:
    return Recording(seed, "a machine", 1.0, episodes)


def seen(scores: Sequence[float], kind: Class = "fault", struck_at: float = 3.5) -> Scored:
    pairs = [(float(second), score) for second, score in enumerate(scores, start=1)]
    return Scored("a fault", kind, struck_at, float(len(scores)), pairs)


@given(st.lists(st.none() | st.floats(0, 60).map(lambda each: float(f"{each:.4g}")), max_size=30))
def test_a_recording_read_again_has_every_check_of_every_look(figures: Figures) -> None:
    found = decode(encode(recording(1, episode(figures, 3.0))))

    moments = list(found.episodes[0].moments())
    assert [at for at, _ in moments] == [float(n) for n in range(1, len(figures) + 1)]
    for (_, checks), figure in zip(moments, figures, strict=True):
        expected = check("beat", figure, LIMITS, "", "")
        beat, disk = checks
        assert (beat.status, beat.observed) == (expected.status, figure)
        assert (beat.thresholds, disk.thresholds) == (LIMITS, (0.9, math.inf))


def test_a_look_holds_only_what_differs_from_the_one_before() -> None:
    looks = episode([1.0, 1.0, 2.0], 1.0).looks

    assert [sorted(look.checks) for look in looks] == [["beat", "disk"], [], ["beat"]]


def test_a_recording_can_be_read_as_if_a_check_had_another_figure() -> None:
    whole = with_figure(recording(1, episode([1.0, 40.0, 1.0], 1.0)), "beat", 6.0)

    for _, checks in whole.episodes[0].moments():
        by_name = {each.name: each for each in checks}
        assert (by_name["beat"].status, by_name["beat"].observed) == (Status.WARN, 6.0)
        assert by_name["disk"].status is Status.PASS


def test_an_alarm_that_was_on_before_the_fault_tells_nobody_of_it() -> None:
    found = outcome(seen([100, 100, 40, 40, 40, 40]), AlarmRule(50, 1))

    assert (found.delay, found.false_alarms, found.cost_seconds) == (None, 1, 2.5)


def test_an_alarm_needs_its_looks_in_a_row_and_ends_with_the_first_that_is_well() -> None:
    scores = [(float(at), score) for at, score in enumerate([9, 0, 9, 0, 0, 0, 9, 0, 0])]

    assert list(AlarmRule(5, 1).alarms(scores)) == [(1.0, 2.0), (3.0, 6.0), (7.0, 8.0)]
    assert list(AlarmRule(5, 2).alarms(scores)) == [(4.0, 6.0), (8.0, 8.0)]
    assert list(AlarmRule(5, 3).alarms(scores)) == [(5.0, 6.0)]
    assert list(AlarmRule(0, 1).alarms(scores)) == []


def test_a_delay_is_from_the_fault_and_what_comes_before_it_is_false() -> None:
    rule = AlarmRule(50, 1)
    found = outcome(seen([100, 40, 100, 100, 100, 40]), rule)
    missed = outcome(seen([100, 100, 100, 100, 60, 60]), rule)

    assert (found.delay, found.false_alarms) == (2.5, 1)
    assert (missed.delay, missed.is_missed, missed.cost_seconds) == (None, True, 2.5)


def test_every_alarm_is_false_where_nobody_has_to_be_called() -> None:
    found = outcome(seen([100, 100, 100, 40, 100, 40], kind="blip"), AlarmRule(50, 1))

    assert (found.delay, found.is_missed, found.false_alarms) == (None, False, 2)


def test_a_dearer_false_alarm_makes_the_rule_slower() -> None:
    episodes = [
        seen([100, 100, 100, 50, 50, 50, 50, 50, 50]),
        seen([100, 100, 100, 50, 50, 100, 100], kind="blip"),
    ]

    assert choose(episodes, 0.1).looks == 1
    assert choose(episodes, 60.0).looks == 3


def test_rules_are_chosen_on_other_recordings_than_they_judge() -> None:
    well = [0.0] * 4
    late = episode([*well, 10.0, 20.0, 40.0, 40.0, 40.0, 40.0], 4.0, name="queue_age")
    blip = episode([*well, 10.0, 10.0, 10.0, 0.0, 0.0], 4.0, "blip", name="queue_age")
    with_blip, without = recording(1, late, blip), recording(2, late)

    (found,) = judge([with_blip, without], {"weighted score": SCORERS["weighted score"]}, 60.0)

    # The rule for the recording with the short fault comes from that without, and falls for it.
    eager, patient = found.rules
    assert eager.limit > patient.limit or eager.looks < patient.looks
    assert [each.false_alarms for each in found.outcomes] == [0, 1, 0]


def test_the_tables_have_each_scorer_and_each_fault() -> None:
    both = [
        recording(
            seed, episode([0.0, 0.0, 10.0, 40.0, 40.0], 2.5), episode([0.0] * 5, 2.5, "minor")
        )
        for seed in (1, 2)
    ]
    judged = judge(both, SCORERS, 30.0)

    table = markdown(judged)
    for name in SCORERS:
        assert f"| {name} |" in table
    assert "| 2 of 2 |" in table
    assert "| beat fails | " in by_fault(judged)


def test_the_decision_has_the_figures_of_the_published_recordings() -> None:
    files = sorted((CHECKOUT / "docs" / "benchmarks" / "health").glob("*.json.gz"))
    recordings = [decode(file.read_bytes()) for file in files]
    decision = (CHECKOUT / "docs" / "adr" / "0073-health-weighs-consequences.md").read_text("utf-8")

    assert len(recordings) >= 2
    assert {len(each.episodes) for each in recordings} == {23}
    costs = {}
    for price in (10, 30, 100):
        judged = judge(recordings, SCORERS, price)
        for line in markdown(judged).splitlines()[2:]:
            assert f"| {price} {line}" in decision
        costs[price] = {each.name: each.cost_seconds for each in judged}
    # What keeps the weighted score beside today's.
    assert any(cost["weighted score"] >= cost["today's score"] for cost in costs.values())


def test_todays_score_and_the_weighted_one_see_the_same_checks() -> None:
    failing: list[Check] = [
        check("disk", 1.0, MUST_NOT_BE, "", ""),
        check("beat", 0, LIMITS, "", ""),
    ]

    scores = {name: scorer(failing) for name, scorer in SCORERS.items()}

    assert scores == {"a check fails": 0.0, "today's score": 0, "weighted score": 70}


@pytest.mark.parametrize(
    "name", [name for name, each in budgets.SCRIPTS.items() if each.needs_call]
)
def test_a_script_of_misses_burns_within_its_fault_alone(name: str) -> None:
    script = budgets.SCRIPTS[name]
    sums, begin, end = budgets.sums(script, 3)

    def share(first: int, last: int) -> float:
        missed = sums[last].bad - sums[first].bad
        return missed / (sums[last].total - sums[first].total)

    assert share(0, begin) < 0.005
    assert script.share[0] * 0.8 < share(begin, end) < script.share[1] * 1.2
    assert budgets.sums(script, 3) == (sums, begin, end)


def test_an_outage_reaches_the_first_pair_and_a_slow_leak_the_last_alone() -> None:
    quick, slow = "14.4 and 6 over two windows each", "1 over 3 d and 6 h"

    outage = budgets.run(budgets.SCRIPTS["outage"], 1, budgets.RULES[quick])
    assert outage.delay_minutes is not None
    assert outage.delay_minutes < 60
    leak = budgets.SCRIPTS["slow leak"]
    assert budgets.run(leak, 1, budgets.RULES[quick]).delay_minutes is None
    assert budgets.run(leak, 1, budgets.RULES[slow]).delay_minutes is not None


def test_a_trend_sees_a_disk_fill_before_its_limit_does() -> None:
    filling = levels.SCRIPTS["fills within days"](Random(5))
    limit, trend = levels.reaches(0.9), levels.foretold(24, TrendPolicy())

    by_limit, by_trend = levels.run(filling, limit), levels.run(filling, trend)

    assert by_limit.lead_hours is not None
    assert by_trend.lead_hours is not None
    assert by_trend.lead_hours > by_limit.lead_hours > 0
    assert by_trend.false_hours == 0
