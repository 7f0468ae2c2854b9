"""Mixed reads are counted on recordings, valued market by market and event by event."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from django.core.management import call_command

from streaming.benchmark.debounce.mixed import MixedReads, mixed_reads
from streaming.benchmark.debounce.replay import play
from streaming.benchmark.debounce.tapes import Answer, Change, Tape, recorded
from streaming.benchmark.debounce.windows import Fixed
from streaming.core.coalesce import CoalescePolicy

RECORDINGS = Path(__file__).parents[2] / "recordings"


def two_markets() -> Tape:
    """Two markets of one event, both changed by each of two answers; one moves much."""
    answers = [
        Answer(0.0, [Change(0, 0, None, is_major=False), Change(1, 0, None, is_major=False)]),
        Answer(60_000.0, [Change(0, 1, 0.3, is_major=True), Change(1, 1, 0.01, is_major=False)]),
    ]
    return Tape("made", answers, [np.full((2, 2), 0.5)] * 2, [0, 0])


def test_a_major_move_alone_shows_an_event_as_it_never_was() -> None:
    tape = two_markets()
    found = mixed_reads(tape, play(tape, Fixed(CoalescePolicy())))
    assert found == MixedReads(reads=3, mixed=1)


def test_event_by_event_no_read_is_mixed() -> None:
    tape = two_markets()
    found = mixed_reads(tape, play(tape, Fixed(CoalescePolicy()), by_event=True))
    assert found == MixedReads(reads=2, mixed=0)


@pytest.mark.parametrize("window_ms", [0, 50, 250])
def test_event_by_event_no_read_of_a_recording_is_mixed(window_ms: int) -> None:
    tape = recorded(RECORDINGS / "simulated.jsonl.gz", may_be_polls=True)
    policy = CoalescePolicy(batch_ms=window_ms, debounce_ms=window_ms)
    apart, whole = (
        mixed_reads(tape, play(tape, Fixed(policy), by_event=by_event))
        for by_event in (False, True)
    )
    assert whole.mixed == 0
    assert whole.reads <= apart.reads
    assert apart.mixed > 0 or not window_ms


def test_the_command_prints_both_ways_of_each_recording() -> None:
    out = io.StringIO()
    call_command("benchmark", "events", str(RECORDINGS / "simulated.jsonl.gz"), stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("| recording | changes | recomputes | reads | mixed reads |")
    assert lines[2].startswith("| simulated.jsonl.gz, market by market | ")
    assert lines[3].startswith("| simulated.jsonl.gz, event by event | ")
    assert " | 0 (0.0%) | " in lines[3]
