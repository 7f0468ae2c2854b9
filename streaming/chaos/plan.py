"""The plan of a seed: which faults strike, when, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

STRIKE_SECONDS = 3.0
"""All faults of a seed strike within this time, so that they meet each other."""

MAX_FAULTS = 4


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: names it in plans and reports.
        subject: what it strikes. Of faults with one subject a seed has at most one: a server that
            is stopped takes no command.
        seconds: the shortest and longest time until it ends; 0 for one that is over at once.
        leaves_letters: whether its failures may wait as dead letters: those of a server that
            answers with errors need a person, unlike those of one that is away.
        loses_messages: whether messages that wait may be lost with it, or one that Redis hands over
            while its connection breaks.
    """

    name: str
    subject: str
    seconds: tuple[float, float] = (0.0, 0.0)
    leaves_letters: bool = False
    loses_messages: bool = False


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault of a plan.

    Attributes:
        fault: the name of its kind.
        at_seconds: when it strikes, from the seed's start.
        lasts_seconds: how long it takes until it ends.
        choice: a number by which the fault chooses its victim.
    """

    fault: str
    at_seconds: float
    lasts_seconds: float
    choice: int

    @property
    def ends_at_seconds(self) -> float:
        """The time at which it ends, from the seed's start."""
        return self.at_seconds + self.lasts_seconds


def plan(seed: int, kinds: Sequence[Kind]) -> list[Strike]:
    """Return the faults of a seed, in the order in which they strike.

    The seed decides the first kind, so that as many seeds in a row as there are kinds have each;
    half of the seeds have that one alone. The others are drawn, each with another subject.

    Args:
        seed: the same seed and kinds give the same plan.
        kinds: those that there are, at least one.
    """
    rng = Random(seed)  # noqa: S311 - repeatable chance, not a secret
    count = rng.choice([1, 1, 1, 2, 3, MAX_FAULTS])
    chosen = [kinds[seed % len(kinds)]]
    for kind in rng.sample(list(kinds), len(kinds)):
        if len(chosen) < count and kind.subject not in {each.subject for each in chosen}:
            chosen.append(kind)
    strikes = [
        Strike(
            fault=kind.name,
            at_seconds=round(rng.uniform(0.0, STRIKE_SECONDS), 2),
            lasts_seconds=round(rng.uniform(*kind.seconds), 2),
            choice=rng.randrange(1 << 16),
        )
        for kind in chosen
    ]
    return sorted(strikes, key=lambda strike: strike.at_seconds)
