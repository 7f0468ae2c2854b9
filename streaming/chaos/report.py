"""The report of a run of chaos, in Markdown, and its lines for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

from streaming.chaos.document import ChaosResult, SeedResult

WANTED_SECONDS = 15.0
"""The promise: so long after the last fault's end every market has recovered."""

_SHOWN = 5


def summary(result: SeedResult) -> str:
    """Return a seed in a line.

    >>> print(summary(SeedResult(7, ("Redis killed",), (), 2.5, 900, (), {}, (), {}, 11.0)))
    seed 7: Redis killed · recovered in 2.5 s, 900 rows are the same
    """
    faults = ", ".join(result.faults)
    if result.recovery_seconds is None:
        return f"seed {result.seed}: {faults} · NOT RECOVERED"
    same = result.rows - len(result.differences)
    verdict = (
        f"{len(result.differences)} ROWS DIFFER"
        if result.differences
        else f"{same:,} rows are the same"
    )
    return f"seed {result.seed}: {faults} · recovered in {result.recovery_seconds:.1f} s, {verdict}"


def reasons(result: SeedResult) -> str:
    """Return why a seed failed."""
    found = [result.problem] if result.problem else []
    found += map(str, result.differences[:_SHOWN])
    if len(result.differences) > _SHOWN:
        found.append(f"and {len(result.differences) - _SHOWN} more rows")
    found += [f"a letter waits: {letter}" for letter in result.waiting[:_SHOWN]]
    found += result.unsound[:_SHOWN]
    return "\n  ".join(found)


def report(result: ChaosResult) -> str:
    """Return the document of a run."""
    parts = [
        "# Chaos",
        _INTRODUCTION,
        _verdict(result),
        "## By fault",
        _RECOVERY,
        _faults(result.seeds),
        "## Letters",
        _table(("letter", "count"), _summed(each.letters for each in result.seeds)) or "None.",
        "## Restarts",
        _table(("process", "count"), _summed(each.restarts for each in result.seeds)) or "None.",
        "## Seeds",
        _table(_SEED, map(_seed, result.seeds)),
    ]
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = (
    "Written by `manage.py chaos`: `--out` names this file, and `--results` one that keeps the"
    " seeds of earlier runs, so that each run adds its own. [chaos.md](../chaos.md) says what"
    " strikes, and what is compared."
)
_RECOVERY = (
    "A recovery counts for the fault that ended last. It is the time from that end until no market"
    " was behind and every provider had answered again."
)
_SEED = ("seed", "faults, as they ended", "recovery (s)", "rows", "different", "letters that wait")


def _verdict(result: ChaosResult) -> str:
    seeds, machine = result.seeds, result.machine
    recoveries = [s.recovery_seconds for s in seeds if s.recovery_seconds is not None]
    late = [str(s.seed) for s in seeds if (s.recovery_seconds or 0.0) > WANTED_SECONDS]
    p50, longest = _spread(recoveries)
    faults = sum(len(seed.faults) for seed in seeds)
    rows = sum(seed.rows for seed in seeds)
    different = sum(len(seed.differences) for seed in seeds)
    deliveries, repeated = (
        sum(getattr(seed, name) for seed in seeds) for name in ("deliveries", "repeated")
    )
    made_at = f"{result.made_at:%Y-%m-%d %H:%M} UTC"
    lines = (
        f"Made at {made_at}, market seed {result.market_seed}.",
        f"{machine.cores} cores of {machine.processor}, load {machine.load:.1f} at the start.",
        f"{len(seeds)} seeds, {faults} faults, {rows:,} rows compared, {different} different.",
        f"Failed seeds: {', '.join(map(str, result.failed)) or 'none'}.",
        f"{deliveries:,} deliveries received, {repeated} of them again.",
        f"Recovery: p50 {p50} s, max {longest} s.",
        f"Seeds that took more than {WANTED_SECONDS:.0f} s: {', '.join(late) or 'none'}.",
        f"Processes left behind: {', '.join(result.left_over) or 'none'}.",
    )
    return "\n".join(f"- {line}" for line in lines)


def _faults(seeds: Sequence[SeedResult]) -> str:
    last: defaultdict[str, list[float]] = defaultdict(list)
    struck = Counter(fault for seed in seeds for fault in seed.faults)
    for seed in seeds:
        if seed.faults and seed.recovery_seconds is not None:
            last[seed.faults[-1]].append(seed.recovery_seconds)
    rows = [
        (fault, count, len(last[fault]), *_spread(last[fault]))
        for fault, count in sorted(struck.items())
    ]
    return _table(("fault", "struck", "ended last", "recovery p50 (s)", "max (s)"), rows)


def _spread(seconds: Sequence[float]) -> tuple[str, str]:
    return (f"{median(seconds):.1f}", f"{max(seconds):.1f}") if seconds else ("–", "–")


def _summed(counts: Iterable[Mapping[str, int]]) -> Iterator[tuple[object, ...]]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    yield from sorted(total.items())


def _seed(seed: SeedResult) -> tuple[object, ...]:
    recovery = "–" if seed.recovery_seconds is None else f"{seed.recovery_seconds:.1f}"
    faults = ", ".join(seed.faults)
    different, waiting = len(seed.differences), len(seed.waiting)
    return (seed.seed, faults, recovery, f"{seed.rows:,}", different, waiting)


def _table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    if not lines:
        return ""
    return "\n".join((f"| {' | '.join(headers)} |", f"|{' --- |' * len(headers)}", *lines))
