"""Scripts of a provider in simulated time: its answers on a healthy day and during faults.

What a call at a moment meets depends on the seed and the moment alone, so that two deciders that
call at the same moment meet the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from streaming.core.breaker import CallOutcome
from streaming.core.deadlines import FetchPolicy

MINUTE, HOUR = 60.0, 3_600.0
LEARNING_SECONDS = HOUR
"""The healthy time before each fault."""

AFTER_SECONDS = 30 * MINUTE
"""The healthy time after each fault."""

TIMEOUT_SECONDS = FetchPolicy().total_timeout_seconds
ERROR_SHARE = 0.003
"""The share of calls that fail while the provider is healthy."""

OUTLIER_SHARE = 0.005
"""The share of answers that take several times as long while the provider is healthy."""

Span = tuple[float, float]
"""Beginning and end, in seconds of the script."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at one moment.

    Attributes:
        failing_share: the share of calls that fail at once.
        hanging_share: the share of calls that wait until their deadline.
        slowness: how many times as long as usual answers take.
    """

    failing_share: float = 0.0
    hanging_share: float = 0.0
    slowness: float = 1.0


HEALTHY = Fault()


@dataclass(frozen=True, slots=True)
class Script:
    """A provider in simulated time.

    Attributes:
        name: of the script.
        seed: of its chances.
        seconds: how long it lasts.
        faults: when it has a fault, each with the faults by the seconds since its beginning.
        usual_seconds: the median time of an answer.
        spread: the standard deviation of its logarithm.
        swing: how much slower the busiest hour of the day is, as a logarithm.
    """

    name: str
    seed: int
    seconds: float
    faults: tuple[tuple[Span, Callable[[float], Fault]], ...]
    usual_seconds: float
    spread: float
    swing: float

    def is_healthy(self, at: float) -> bool:
        """Return True if the provider has no fault at a moment."""
        return all(not start <= at < end for (start, end), _ in self.faults)

    def fault_seconds(self, start: float, end: float) -> float:
        """Return for how much of a span the provider has a fault."""
        spans = (span for span, _ in self.faults)
        return sum(max(0.0, min(end, last) - max(start, first)) for first, last in spans)

    def answer(self, at: float) -> CallOutcome:
        """Return what a call at a moment ends in."""
        chance = Random(f"{self.seed} {at:.1f}")  # noqa: S311 - repeatable chance, not a secret
        failing, outlier, normal = chance.random(), chance.random(), chance.gauss(0.0, 1.0)
        fault = self._fault(at)
        if failing < fault.hanging_share:
            return CallOutcome(TIMEOUT_SECONDS, "transient", "timeout")
        if failing < fault.hanging_share + max(fault.failing_share, ERROR_SHARE):
            return CallOutcome(0.1, "transient", "HTTP 503")
        day = self.swing * math.sin(2 * math.pi * at / (24 * HOUR))
        seconds = self.usual_seconds * math.exp(self.spread * normal + day) * fault.slowness
        if outlier < OUTLIER_SHARE:
            seconds *= 8
        if seconds >= TIMEOUT_SECONDS:
            return CallOutcome(TIMEOUT_SECONDS, "transient", "timeout")
        return CallOutcome(seconds)

    def _fault(self, at: float) -> Fault:
        for (start, end), fault in self.faults:
            if start <= at < end:
                return fault(at - start)
        return HEALTHY


def _ramp(since: float) -> Fault:
    """Return answers that take up to 25 times as long, growing for 20 minutes."""
    return Fault(slowness=25.0 ** min(since / (20 * MINUTE), 1.0))


def _always(fault: Fault) -> Callable[[float], Fault]:
    return lambda _since: fault


def _one(chance: Random, shortest: float, longest: float) -> tuple[Span, ...]:
    # Not at a round moment: when the next poll is due then would be the same in every seed.
    start = LEARNING_SECONDS + chance.uniform(0.0, MINUTE)
    return ((start, start + chance.uniform(shortest, longest)),)


def _flapping(chance: Random) -> tuple[Span, ...]:
    """Return about ten outages of a minute with two minutes in between."""
    spans: list[Span] = []
    at = LEARNING_SECONDS + chance.uniform(0.0, MINUTE)
    while at < LEARNING_SECONDS + 30 * MINUTE:
        end = at + chance.uniform(0.5, 1.5) * MINUTE
        spans.append((at, end))
        at = end + chance.uniform(1.0, 3.0) * MINUTE
    return tuple(spans)


_DOWN = Fault(failing_share=0.5, hanging_share=0.5)
_KINDS: Mapping[str, tuple[Callable[[Random], tuple[Span, ...]], Callable[[float], Fault]]] = (
    MappingProxyType(
        {
            "slow ramp": (lambda chance: _one(chance, 25 * MINUTE, 35 * MINUTE), _ramp),
            "brown-out at 20 %": (
                lambda chance: _one(chance, 25 * MINUTE, 35 * MINUTE),
                _always(Fault(failing_share=0.2)),
            ),
            "flapping": (_flapping, _always(_DOWN)),
            "short blip": (lambda chance: _one(chance, 30.0, 90.0), _always(_DOWN)),
            "hard down": (lambda chance: _one(chance, 15 * MINUTE, 25 * MINUTE), _always(_DOWN)),
        }
    )
)
HEALTHY_DAY = "healthy day"
SCRIPTS = (HEALTHY_DAY, *_KINDS)


def script(name: str, seed: int) -> Script:
    """Return a script by its name; each seed has another provider and other moments of faults.

    >>> script("hard down", 7) == script("hard down", 7)
    True
    """
    chance = Random(f"{name} {seed}")  # noqa: S311 - repeatable chance, not a secret
    usual, spread = math.exp(chance.uniform(math.log(0.15), math.log(0.8))), 0.35
    swing = chance.uniform(0.1, 0.4)
    if name == HEALTHY_DAY:
        return Script(name, seed, 24 * HOUR, (), usual, spread, swing)
    spans, fault = _KINDS[name]
    faults = tuple((span, fault) for span in spans(chance))
    seconds = faults[-1][0][1] + AFTER_SECONDS
    return Script(name, seed, seconds, faults, usual, spread, swing)
