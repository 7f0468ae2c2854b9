"""What loads would need by measured costs, the tables of that, and the guard that is left out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.benchmark.scaling import needs
from streaming.benchmark.scaling.document import Row, Scaling, ScalingPlan, Spent, row_named
from streaming.benchmark.scaling.late_guard import without_guard
from streaming.benchmark.scaling.needs import Load, need, processes, units_of
from streaming.benchmark.scaling.tables import markdown
from streaming.ingest.sql import APPLY
from tests.support.benchmarks import MACHINE

POLL_S, QUOTE_S, CHANGE_S, LONE_S, SECOND_S = 0.02, 0.00001, 0.0005, 0.002, 0.03
IDLE_S = 0.005


def a_row(case: str, polls: int, quotes: int, changes: int, cpu_seconds: float) -> Row:
    """A row whose polls each take so much."""
    amounts: dict[str, float] = {
        "polls": polls,
        "quotes": polls * quotes,
        "changes": polls * changes,
    }
    spent = Spent(1.0, {"worker-io": polls * cpu_seconds + IDLE_S}, 1_000 * polls, 30 * polls, 40)
    return Row(case, amounts, spent)


def the_rows() -> list[Row]:
    large = POLL_S + 2_000 * QUOTE_S
    standing = Spent(10.0, {"worker-io": 10 * SECOND_S, "beat": 0.1}, 0, 0, 100)
    idle = Spent(2.0, {"worker-io": 2 * IDLE_S}, 0, 0, 2 * 40)
    return [
        a_row(needs.SMALL, 7, 20, 0, POLL_S + 20 * QUOTE_S),
        a_row(needs.LARGE, 5, 2_000, 0, large),
        a_row(needs.FEW, 3, 2_000, 100, large + 100 * LONE_S),
        a_row(needs.MANY, 2, 2_000, 1_000, large + 1_000 * CHANGE_S),
        Row(needs.STANDING, {"seconds": 10.0}, standing),
        Row(needs.IDLE, {"seconds": 2.0}, idle),
    ]


def test_single_costs_are_what_the_cases_differ_in() -> None:
    units = units_of(the_rows())
    cpu = "CPU of worker-io"
    assert units.poll[cpu] == pytest.approx(POLL_S)
    assert units.quote[cpu] == pytest.approx(QUOTE_S)
    assert units.change[cpu] == pytest.approx(CHANGE_S)
    assert units.lone_change[cpu] == pytest.approx(LONE_S)
    assert units.second[cpu] == pytest.approx(SECOND_S)
    assert units.poll["statements"] == pytest.approx(30)
    assert units.quote["statements"] == 0
    assert units.change["Redis commands"] == 0, "the workers would have sent them anyway"


def test_a_case_that_is_missing_is_named() -> None:
    with pytest.raises(LookupError, match="1,000 changed"):
        units_of([row for row in the_rows() if row.case != needs.MANY])
    with pytest.raises(LookupError):
        row_named([], "any")


@given(
    st.floats(1_000, 1e7), st.floats(0, 1e5), st.floats(1, 600), st.floats(1.01, 10), st.booleans()
)
def test_more_quotes_changes_or_polls_never_need_less(
    quotes: float, changes: float, interval: float, factor: float, is_alone: bool
) -> None:
    units = units_of(the_rows())
    load = need(units, Load(quotes, changes, interval, is_alone))
    for more in (
        Load(quotes * factor, changes, interval, is_alone),
        Load(quotes, changes * factor, interval, is_alone),
        Load(quotes, changes, interval / factor, is_alone),
    ):
        needed = need(units, more)
        assert all(needed[name] >= load[name] * (1 - 1e-9) for name in load)


@given(st.floats(0, 1e4))
def test_so_many_processes_are_busy_at_most_to_their_share_and_one_fewer_would_not_be(
    cores: float,
) -> None:
    count = processes(cores)
    assert cores <= count * needs.BUSY * (1 + 1e-9)
    assert count == 1 or cores > (count - 1) * needs.BUSY * (1 - 1e-9)


def test_the_tables_name_the_machine_the_costs_and_all_loads() -> None:
    figures = {"disk of a quote": 500.0, "disk of a change": 200.0, "ingest, with: ms": 20.0}
    result = Scaling(
        datetime(2026, 3, 1, tzinfo=UTC), ScalingPlan("costs"), MACHINE, the_rows(), figures
    )
    text = markdown(result)
    assert "a processor, 2 cores" in text
    assert "| a poll | 20 | 1 | 30 |" in text
    assert "| 1,000 changes, ten of a market | 500 |" in text
    assert "| 10,000,000 | 50,000 |" in text
    assert "| disk of a quote | 500 bytes |" in text
    # 1,000 changes a second, each of 200 bytes, for a day.
    assert "| 100,000 | 1,000 | 0.05 | 17.3 |" in text


def test_rounds_of_machines_are_one_line_with_their_median_and_their_spread() -> None:
    rows = [
        Row("markets valued, 2 workers", {"markets": 100, "workers": 2}, spent)
        for spent in (
            Spent(1.0, {"feeder": 0.1, "machine B": 0.5}, 100_000, 0, 0),
            Spent(0.5, {"feeder": 0.1, "machine B": 0.7}, 100_000, 0, 0),
            Spent(2.0, {"feeder": 0.1, "machine B": 0.6}, 100_000, 0, 0),
        )
    ]
    plan = ScalingPlan("machines")
    text = markdown(Scaling(datetime(2026, 3, 1, tzinfo=UTC), plan, MACHINE, rows, {}))
    assert "| markets valued, 2 workers | 100 (50 … 200) | 1,000 | 6,000 | 1,000 | 0.6 |" in text


def test_the_guard_for_late_answers_is_found_whole_in_the_statement() -> None:
    rest = without_guard(APPLY)
    assert "closed_for" in APPLY
    # What is left of the name is the comment above it.
    code = [line for line in rest.splitlines() if not line.lstrip().startswith("--")]
    assert "closed_for" not in "\n".join(code)
    with pytest.raises(LookupError, match="The guard has changed"):
        without_guard(rest)
