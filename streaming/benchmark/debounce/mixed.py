"""Reads of an event that see some of its markets valued by one answer and others by another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from streaming.benchmark.debounce.replay import Played, play
from streaming.benchmark.debounce.tapes import Tape
from streaming.benchmark.debounce.windows import Fixed
from streaming.core.coalesce import CoalescePolicy

COLUMNS = (
    "recording", "changes", "recomputes", "reads", "mixed reads", "recomputes a change",
    "reads a change", "messages", "major moves p50 → p95, ms", "others p50 → p95, ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MixedReads:
    """Reads of events, one at each publication of any of its markets.

    Attributes:
        reads: how many there are.
        mixed: those that see no state that the event ever had.
    """

    reads: int
    mixed: int


def mixed_reads(tape: Tape, played: Played) -> MixedReads:
    """Count the reads that are mixed.

    A read is not mixed if there is a moment at which each market of the event was as it is shown:
    the latest beginning of a state is before the earliest end of one. A market that was never
    valued has no say.
    """
    times = _times(tape)
    of_event = defaultdict[int, list[int]](list)
    for market, event in enumerate(tape.events):
        of_event[event].append(market)
    shown = [-1] * len(tape.events)
    reads = mixed = 0
    for _, read in sorted(played.publications, key=lambda each: each[0]):
        for market, number in read:
            shown[market] = max(shown[market], number)
        for event in {tape.events[market] for market, _ in read}:
            own = [(times[market], shown[market]) for market in of_event[event]]
            begins = [at[number] for at, number in own if number >= 0]
            ends = [at[number + 1] if number + 1 < len(at) else inf for at, number in own]
            reads += 1
            mixed += max(begins) >= min(
                end for end, (_, number) in zip(ends, own, strict=True) if number >= 0
            )
    return MixedReads(reads, mixed)


def markdown(tapes: Sequence[Tape]) -> str:
    """Return a table of recordings, valued market by market and event by event."""
    lines = [COLUMNS, ("---",) * len(COLUMNS)]
    for tape in tapes:
        for name, by_event in (("market by market", False), ("event by event", True)):
            played = play(tape, Fixed(CoalescePolicy()), by_event=by_event)
            lines.append((f"{tape.name}, {name}", *_cells(tape, played)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cells(tape: Tape, played: Played) -> Iterator[str]:
    found = mixed_reads(tape, played)
    recomputes = int(played.is_valued.sum())
    yield f"{tape.changes:,}"
    yield f"{recomputes:,}"
    yield f"{found.reads:,}"
    yield f"{found.mixed:,} ({found.mixed / found.reads:.1%})"
    yield f"{recomputes / tape.changes:.3f}"
    yield f"{found.reads / tape.changes:.3f}"
    yield f"{played.messages:,}"
    first = np.cumsum([0, *(len(series) for series in tape.fair)])
    is_major = np.zeros(tape.changes, dtype=np.bool_)
    for answer in tape.answers:
        for change in answer.changes:
            is_major[first[change.market] + change.number] = change.is_major
    for part in (is_major, ~is_major):
        low, high = np.quantile(played.latency_ms[part], (0.5, 0.95)) if part.any() else (0, 0)
        yield f"{low:.0f} → {high:.0f}"


def _times(tape: Tape) -> list[list[float]]:
    """Return when each change of each market came."""
    times: list[list[float]] = [[] for _ in tape.fair]
    for answer in tape.answers:
        for change in answer.changes:
            times[change.market].append(answer.at_ms)
    return times
