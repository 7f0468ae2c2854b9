from __future__ import annotations

import logging

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from betting.log_schema import validated
from betting.logs import context, note, operation, operations
from tests.support.logs import Lines

TRACE, OTHER = "a" * 32, "b" * 32


def test_an_operation_leaves_one_line_with_its_duration_and_its_facts(lines: Lines) -> None:
    with operation("streaming", "ingest", provider="simulated") as op:
        op.add(markets=3)
        op.count(changes=2)
        op.count(changes=5)

    (line,) = lines()
    assert validated(line)["duration_ms"] >= 0
    facts = {"status": "ok", "level": "info", "provider": "simulated", "markets": 3, "changes": 7}
    assert line.items() >= facts.items()
    assert line["event"] == "ingest ok"


def test_an_exception_is_told_with_its_traceback_once_and_goes_on(lines: Lines) -> None:
    with (
        pytest.raises(ValueError, match="no such price"),
        operation("streaming", "cycle"),
        operation("streaming", "ingest"),
    ):
        raise ValueError("no such price")

    inner, outer = lines()
    assert (inner["action"], outer["action"]) == ("ingest", "cycle")
    assert {line["status"] for line in (inner, outer)} == {"failed"}
    assert {line["level"] for line in (inner, outer)} == {"error"}
    assert "Traceback" in inner["exception"]
    assert outer["exception"] == "ValueError: no such price"


@pytest.mark.parametrize("error", [TimeoutError("late"), SoftTimeLimitExceeded()])
def test_running_out_of_time_is_a_status_of_its_own(lines: Lines, error: Exception) -> None:
    with pytest.raises(type(error)), operation("valuation", "recompute"):
        raise error
    assert lines()[0]["status"] == "timeout"


def test_an_exception_that_the_block_dealt_with_is_told_as_a_warning(lines: Lines) -> None:
    with operation("bus", "delivery") as op:
        op.status, op.error = "failed", ConnectionError("refused")

    (line,) = lines()
    assert (line["level"], line["status"]) == ("warning", "failed")
    assert "refused" in line["exception"]


def test_a_silent_operation_leaves_no_line_unless_it_raises(lines: Lines) -> None:
    with operation("streaming", "sweep") as op:
        op.silence()
    assert lines() == []

    with pytest.raises(LookupError), operation("streaming", "sweep") as op:  # noqa: PT012 - the block is the subject
        op.silence()
        raise LookupError
    assert [line["status"] for line in lines()] == ["failed"]


def test_of_a_sampled_action_every_third_line_is_logged_and_every_failure(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_every", lambda: {"sweep": 3})
    operations._turns.cache_clear()
    for number in range(7):
        with operation("streaming", "sweep", markets=number):
            pass
    for _ in range(2):
        with operation("streaming", "sweep") as op:
            op.status = "failed"

    sampled = [(line["markets"], line["sample"]) for line in lines() if line["status"] == "ok"]
    assert sampled == [(0, 3), (3, 3), (6, 3)]
    failed = [line for line in lines() if line["status"] == "failed"]
    assert len(failed) == 2
    assert all("sample" not in line for line in failed)


def test_lines_below_the_level_are_not_logged_and_use_up_no_turn(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_every", lambda: {"dead_letter": 2})
    operations._turns.cache_clear()
    for level in (logging.DEBUG, logging.INFO, logging.INFO):
        note("deadletter", "dead_letter", "dead letter", level=level)
    assert [line["level"] for line in lines()] == ["info"]


def test_a_note_has_words_and_no_duration(lines: Lines) -> None:
    note("circuit", "transition", "open, was closed", status="degraded", to_state="open")
    (line,) = lines()
    assert validated(line)["event"] == "open, was closed"
    assert "duration_ms" not in line
    assert line["level"] == "warning"


def test_a_trace_is_followed_to_the_end_of_its_operation(lines: Lines) -> None:
    with operation("streaming", "cycle") as op:
        op.follow([TRACE])
        with operation("streaming", "batch_flush") as inner:
            inner.follow([OTHER, TRACE])
            note("streaming", "debounce_skip", "waits")
    note("streaming", "send", "after it")

    debounced, flushed, cycle, after = lines()
    for line in (debounced, flushed):
        assert (line["trace_id"], line["trace_ids"]) == (OTHER, [OTHER, TRACE])
    assert cycle["trace_id"] == TRACE
    assert "trace_ids" not in cycle
    assert "trace_id" not in after


def test_the_newest_traces_alone_are_carried() -> None:
    ids = [f"{number:032x}" for number in range(context.MAX_TRACES + 5)]
    with operation("streaming", "cycle") as op:
        op.follow(ids)
        assert context.trace_ids() == tuple(ids[: context.MAX_TRACES])
