"""The comparison of the circuit with and without its throttle: repeatable, and fair to both."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.benchmark.throttle.scripts import HEALTHY_DAY, SCRIPTS, Script, script
from streaming.benchmark.throttle.table import (
    Comparison,
    Pair,
    compare,
    markdown,
    objections,
)
from streaming.benchmark.throttle.trial import Figures, run_script
from streaming.core.throttle import ThrottlePolicy

POLICY = ThrottlePolicy()
NEVER = ThrottlePolicy(from_score=2.0, acceptance=1e9)
EAGER = ThrottlePolicy(from_score=0.05, harmless_seconds=0.0)
FAULTS = [name for name in SCRIPTS if name != HEALTHY_DAY]


def share_bad(of: Script, start: float, end: float) -> float:
    moments = [start + number * (end - start) / 400 for number in range(400)]
    answers = [of.answer(moment) for moment in moments]
    return sum(each.kind is not None or each.seconds >= 5 for each in answers) / len(answers)


@pytest.mark.parametrize("name", FAULTS)
def test_a_provider_is_in_order_before_and_after_its_fault(name: str) -> None:
    found = script(name, 3)
    first, last = found.faults[0][0][0], found.faults[-1][0][1]

    assert share_bad(found, 0, first) < 0.05
    assert share_bad(found, last, found.seconds) < 0.05
    assert found.fault_seconds(0, found.seconds) > 0
    assert not found.is_healthy(first)
    assert found.is_healthy(last)


@pytest.mark.parametrize(
    ("name", "least", "most"), [("hard down", 1, 1), ("brown-out at 20 %", 0.1, 0.3)]
)
def test_a_fault_fails_as_many_calls_as_its_name_says(name: str, least: float, most: float) -> None:
    ((start, end), _), *_ = script(name, 3).faults

    assert least <= share_bad(script(name, 3), start, end) <= most


def test_a_ramp_becomes_slower_all_the_time() -> None:
    found = script("slow ramp", 3)
    ((start, end), _), *_ = found.faults
    middle = (start + end) / 2

    assert share_bad(found, start, middle) < share_bad(found, middle, end)


@settings(max_examples=20)
@given(name=st.sampled_from(FAULTS), seed=st.integers(0, 10_000))
def test_a_throttle_that_never_acts_changes_nothing(name: str, seed: int) -> None:
    found = script(name, seed)

    assert run_script(found, 30.0, NEVER) == run_script(found, 30.0, None)


@pytest.mark.parametrize("name", FAULTS)
def test_a_seed_repeats_its_figures_and_another_has_others(name: str) -> None:
    assert run_script(script(name, 5), 30.0, POLICY) == run_script(script(name, 5), 30.0, POLICY)
    assert run_script(script(name, 5), 30.0, POLICY) != run_script(script(name, 6), 30.0, POLICY)


def test_the_circuit_alone_opens_when_a_provider_is_down_and_waits_as_the_product_does() -> None:
    found = script("hard down", 5)
    start, end = found.faults[0][0]
    figures = run_script(found, 5.0, None)

    assert start < figures.opened[0] < start + 60
    # Probes wait 1, 2, 4, 8 and then 15 seconds, and each may hang for 10.
    assert figures.bad > (end - start) / 30
    assert figures.held == 0


def test_calls_held_back_are_counted_where_they_cost_something() -> None:
    ramp = run_script(script("slow ramp", 5), 30.0, EAGER)

    assert ramp.held > ramp.held_healthy
    assert ramp.first_held is not None
    assert ramp.held_back_minutes > 0


def figures(
    *, good: int = 100, bad: int = 10, minutes: float = 0.0, opened: float | None = None
) -> Figures:
    return Figures(
        good=good,
        bad=bad,
        held_back_minutes=minutes,
        opened=[] if opened is None else [opened],
    )


ALONE = figures(opened=100.0)


@pytest.mark.parametrize(
    ("name", "throttled", "words"),
    [
        (HEALTHY_DAY, figures(good=99), "1 good calls are lost"),
        ("hard down", figures(bad=11), "1 more calls fail or are slow"),
        ("hard down", figures(good=97, bad=8), "3 good calls are lost for 2 bad ones saved"),
        ("hard down", figures(opened=130.0), "a circuit opens up to 30 s later"),
        ("hard down", figures(minutes=1.5), "1.5 min more are falsely held back"),
        ("hard down", figures(good=98, bad=8, minutes=0.5, opened=90.0), ""),
    ],
)
def test_each_loss_is_an_objection(name: str, throttled: Figures, words: str) -> None:
    found = list(objections([Comparison(name, [Pair(ALONE, throttled)])]))

    assert found == ([f"{name}: {words}"] if words else [])


def test_the_table_has_a_line_for_each_script_with_what_was_won_and_lost() -> None:
    throttled = replace(figures(good=95, bad=4, opened=130.0), first_held=60.0)
    table = markdown([Comparison("slow ramp", [Pair(ALONE, throttled)])])

    *_, line = table.splitlines()
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        "slow ramp",
        "1 → 1 of 1",
        "40 (40 to 40; 1 seeds)",
        "30 (30 to 30; 1 seeds)",
        "10 → 4",
        "6 (60%)",
        "5 of 100",
        "0 → 0",
        "0.00 → 0.00",
    ]


def test_all_scripts_are_compared_by_the_same_seeds() -> None:
    found = compare(range(2), 300.0, POLICY)

    assert [each.name for each in found] == list(SCRIPTS)
    assert [len(each.pairs) for each in found] == [2] * len(SCRIPTS)
