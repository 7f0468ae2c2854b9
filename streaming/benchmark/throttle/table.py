"""The comparison of the circuit with and without the throttle, as a table of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from streaming.benchmark.throttle.scripts import HEALTHY_DAY, SCRIPTS, script
from streaming.benchmark.throttle.trial import Figures, run_script
from streaming.core.throttle import ThrottlePolicy

MOST_HELD_BACK_MINUTES = 1.0
"""Healthy minutes that the throttle may hold calls back for each run of a script, in the mean."""

COLUMNS = (
    "script",
    "opened, alone → with",
    "lead, s",
    "opens later, s",
    "failed or slow calls",
    "saved",
    "good calls lost",
    "worker seconds",
    "min falsely held back",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One seed of a script under the circuit alone, and under the circuit with the throttle."""

    alone: Figures
    throttled: Figures

    @property
    def lead_seconds(self) -> float | None:
        """Return how long before the circuit alone opens the first call is held back.

        None where the circuit does not open, or opens first.
        """
        held, opened = self.throttled.first_held, self.alone.opened
        return opened[0] - held if opened and held is not None and held < opened[0] else None

    @property
    def later_seconds(self) -> float | None:
        """Return how much later the circuit opens with the throttle; None unless both open."""
        if not (self.alone.opened and self.throttled.opened):
            return None
        return self.throttled.opened[0] - self.alone.opened[0]


@dataclass(frozen=True, slots=True)
class Comparison:
    """All seeds of one script.

    Attributes:
        name: of the script.
        pairs: one for each seed.
    """

    name: str
    pairs: Sequence[Pair]

    @property
    def bad(self) -> tuple[int, int]:
        """The calls that failed or were slow, without the throttle and with it."""
        return sum(p.alone.bad for p in self.pairs), sum(p.throttled.bad for p in self.pairs)

    @property
    def lost(self) -> int:
        """The calls answered in time without the throttle that were not made with it."""
        return sum(p.alone.good - p.throttled.good for p in self.pairs)

    @property
    def saved(self) -> int:
        """The calls that failed or were slow without the throttle and were not made with it."""
        return self.bad[0] - self.bad[1]

    @property
    def held_back_minutes(self) -> tuple[float, float]:
        """Healthy minutes without calls in a run, without the throttle and with it; means."""
        count = len(self.pairs)
        alone = sum(p.alone.held_back_minutes for p in self.pairs) / count
        return alone, sum(p.throttled.held_back_minutes for p in self.pairs) / count

    @property
    def worker_seconds(self) -> tuple[float, float]:
        """The seconds that calls took, without the throttle and with it."""
        alone = sum(p.alone.worker_seconds for p in self.pairs)
        return alone, sum(p.throttled.worker_seconds for p in self.pairs)


def compare(
    seeds: Iterable[int], interval_seconds: float, policy: ThrottlePolicy
) -> list[Comparison]:
    """Run all scripts with all seeds, each with the throttle and without."""
    seeds = tuple(seeds)
    return [
        Comparison(name, [_pair(name, seed, interval_seconds, policy) for seed in seeds])
        for name in SCRIPTS
    ]


def objections(comparisons: Iterable[Comparison]) -> Iterator[str]:
    """Yield each reason why the throttle may not act by default.

    - A healthy day loses no call.
    - No script has more calls that fail or are slow, nor a circuit that opens later.
    - Each good call that a fault costs saves one that would have failed or been slow.
    - Calls are falsely held back for `MOST_HELD_BACK_MINUTES` at most.
    """
    for each in comparisons:
        if each.name == HEALTHY_DAY and each.lost > 0:
            yield f"{each.name}: {each.lost} good calls are lost"
        if each.saved < 0:
            yield f"{each.name}: {-each.saved} more calls fail or are slow"
        if each.name != HEALTHY_DAY and each.lost > max(each.saved, 0):
            yield f"{each.name}: {each.lost} good calls are lost for {each.saved} bad ones saved"
        later = [p.later_seconds for p in each.pairs if p.later_seconds is not None]
        if later and max(later) > 0:
            yield f"{each.name}: a circuit opens up to {max(later):.0f} s later"
        alone, throttled = each.held_back_minutes
        if throttled - alone > MOST_HELD_BACK_MINUTES:
            yield f"{each.name}: {throttled - alone:.1f} min more are falsely held back"


def markdown(comparisons: Iterable[Comparison]) -> str:
    """Return the table."""
    lines = [_line(COLUMNS), _line(["---"] * len(COLUMNS))]
    return "\n".join([*lines, *(_line(_cells(each)) for each in comparisons)]) + "\n"


def _pair(name: str, seed: int, interval_seconds: float, policy: ThrottlePolicy) -> Pair:
    same = script(name, seed)
    return Pair(
        run_script(same, interval_seconds, None), run_script(same, interval_seconds, policy)
    )


def _cells(each: Comparison) -> Iterator[str]:
    yield each.name
    opened = [sum(bool(p.alone.opened) for p in each.pairs)]
    opened.append(sum(bool(p.throttled.opened) for p in each.pairs))
    yield f"{opened[0]} → {opened[1]} of {len(each.pairs)}"
    yield _spread([p.lead_seconds for p in each.pairs])
    yield _spread([p.later_seconds for p in each.pairs])
    yield f"{each.bad[0]:,} → {each.bad[1]:,}"
    yield f"{each.saved:,} ({each.saved / max(each.bad[0], 1):.0%})"
    good = sum(p.alone.good for p in each.pairs)
    yield f"{each.lost:,} of {good:,}"
    yield "{:,.0f} → {:,.0f}".format(*each.worker_seconds)
    yield "{:.2f} → {:.2f}".format(*each.held_back_minutes)


def _spread(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    return f"{median(known):.0f} ({min(known):.0f} to {max(known):.0f}; {len(known)} seeds)"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
