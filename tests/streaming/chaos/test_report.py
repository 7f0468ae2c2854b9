from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from streaming.benchmark.results.document import Machine
from streaming.chaos.comparison import Difference
from streaming.chaos.document import ChaosResult, SeedResult
from streaming.chaos.report import reasons, report, summary

GOOD = SeedResult(
    seed=7,
    faults=("beat killed", "Redis flushed"),
    timeline=(),
    recovery_seconds=2.0,
    rows=1_200,
    differences=(),
    letters={"worker_lost of valuation.recompute_markets: healed": 2},
    waiting=(),
    restarts={"beat": 1},
    seconds=9.0,
)
LOST = structs.replace(
    GOOD, seed=8, differences=(Difference("quotes", "a|h2h", {"price": 2.0}, {}),)
)
STUCK = structs.replace(GOOD, seed=9, recovery_seconds=None, rows=0, problem="Not recovered.")
SLOW = structs.replace(GOOD, seed=10, recovery_seconds=20.0)
WAITING = structs.replace(GOOD, seed=11, waiting=("sweep failed",))


def result(*seeds: SeedResult, **fields: Any) -> ChaosResult:
    machine = Machine("a processor", 2, 1, "Linux", {}, {}, 0.5)
    return ChaosResult(1, machine, datetime(2026, 1, 2, 3, 4, tzinfo=UTC), seeds, **fields)


def test_a_seed_fails_by_a_row_a_letter_or_if_it_does_not_recover() -> None:
    assert result(GOOD, LOST, STUCK, SLOW, WAITING).failed == [8, 9, 11]


def test_a_line_says_what_became_of_a_seed() -> None:
    assert "recovered in 2.0 s, 1,200 rows are the same" in summary(GOOD)
    assert "1 ROWS DIFFER" in summary(LOST)
    assert "NOT RECOVERED" in summary(STUCK)


def test_reasons_name_the_first_differences_and_count_the_others() -> None:
    many = structs.replace(LOST, differences=LOST.differences * 8)
    told = reasons(many)
    assert told.count("quotes a|h2h") == 5
    assert "and 3 more rows" in told
    assert reasons(WAITING) == "a letter waits: sweep failed"


def test_a_report_has_recovery_times_by_the_fault_that_ended_last() -> None:
    text = report(result(GOOD, SLOW))
    assert "| Redis flushed | 2 | 2 | 11.0 | 20.0 |" in text
    assert "| beat killed | 2 | 0 | – | – |" in text
    assert "more than 15 s: 10." in text
    assert "| worker_lost of valuation.recompute_markets: healed | 4 |" in text
    assert "| 7 | beat killed, Redis flushed | 2.0 | 1,200 | 0 | 0 |" in text


def test_a_report_names_what_failed_and_what_is_left() -> None:
    text = report(result(LOST, left_over=("41 python",)))
    assert "Failed seeds: 8." in text
    assert "left behind: 41 python." in text
    assert "None." in report(result(structs.replace(GOOD, letters={}, restarts={})))


def test_results_are_added_to_those_of_an_earlier_run() -> None:
    again = structs.replace(LOST, differences=())
    both = result(again, SLOW).after(result(GOOD, LOST, left_over=("41 python",)))
    assert [each.seed for each in both.seeds] == [7, 8, 10]
    assert both.failed == []
    assert both.left_over == ("41 python",)
