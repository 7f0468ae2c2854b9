"""The comparison of the judges of health, as tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from streaming.benchmark.health.alarms import Judged, Outcome

COLUMNS = (
    "scorer",
    "alarms below, looks in a row",
    "faults found",
    "delay, s: median (range)",
    "sum of delays, s",
    "false: calm",
    "false: short faults",
    "false: can wait",
    "cost, s",
)


def markdown(judged: Iterable[Judged]) -> str:
    """Return a line for each scorer."""
    return table(COLUMNS, (_cells(each) for each in judged))


def by_fault(judged: Sequence[Judged]) -> str:
    """Return a line for each fault, with each scorer's delays."""
    names = sorted(
        {each.episode.name for each in judged[0].outcomes if each.episode.kind == "fault"}
    )
    rows = ([name, *(", ".join(_delays(each.outcomes, name)) for each in judged)] for name in names)
    return table(("fault", *(f"{each.name}, s" for each in judged)), rows)


def _cells(judged: Judged) -> Iterator[str]:
    faults = [each for each in judged.outcomes if each.episode.kind == "fault"]
    delays = [each.delay for each in faults if each.delay is not None]
    yield judged.name
    yield "; ".join(f"{rule.limit:g}, {rule.looks}" for rule in judged.rules)
    yield f"{len(delays)} of {len(faults)}"
    yield f"{median(delays):.1f} ({min(delays):.1f} to {max(delays):.1f})" if delays else "–"
    yield f"{sum(each.cost_seconds for each in faults):.0f}"
    yield str(sum(each.false_alarms for each in faults))
    for kind in ("blip", "minor"):
        episodes = [each for each in judged.outcomes if each.episode.kind == kind]
        alarmed = sum(each.false_alarms > 0 for each in episodes)
        yield f"{alarmed} of {len(episodes)}"
    yield f"{judged.cost_seconds:.0f}"


def _delays(outcomes: Iterable[Outcome], name: str) -> Iterator[str]:
    for each in outcomes:
        if each.episode.kind == "fault" and each.episode.name == name:
            yield "–" if each.delay is None else f"{each.delay:.0f}"


def table(columns: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table of Markdown."""
    lines = [_line(columns), _line(["---"] * len(columns)), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
