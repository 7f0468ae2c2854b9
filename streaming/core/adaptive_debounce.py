"""Adaptive debounce: each market's changes wait as long as it pays to wait for its next one.

A change that waits saves a recompute if another one comes meanwhile, and shows a wrong price until
then. Both are weighed at each change: a recompute is worth `recompute_worth`, the next change comes
at the market's present rate, and the price is wrong by the root of the sum of squares of the moves
that wait; a move that is not known counts as the market's usual one, by its variance. As long as
``rate * recompute_worth`` exceeds that deviation, it pays to wait. In silence the rate fades by
itself, so the time at which both are equal is known at once:

    wait = memory * ln(rate * recompute_worth / deviation), none if that is negative

So the first change of a quiet market goes at once, for its rate was near 0; in a burst small
changes wait, until they add up, and one that moves the price much goes at once and takes the others
along. What waits is due at the end of a slot, the same for all markets, so that they share a
message; no wait is longer than the cap. The first change that waits sets when its market is due:
later ones can only bring that forward, to at once.

The rate and the variance are exponentially weighted; a few numbers a market are all that is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

import msgspec

AdaptiveMode = Literal["off", "shadow", "on"]
"""Whether adaptive waits are not computed, computed and counted, or also acted upon."""

CAP_SLOTS = 5
"""The slots that the longest wait has."""

SECOND_MS = 1_000.0


@dataclass(frozen=True, slots=True)
class AdaptivePolicy:
    """The constants of the adaptive debounce, chosen on other changes than those that judge it.

    Attributes:
        recompute_worth: the deviation that a saved recompute is worth, in log-odds times seconds.
        memory_ms: the time in which the weight of a past change falls to 1/e.
        slot_ms: waits end at its multiples, which all markets share.
        learning: the weight of the newest move in the variance.
        usual_variance: of a market's moves before any is known, in log-odds squared.
        least_deviation: a smaller deviation counts as this one, in log-odds.
    """

    recompute_worth: float = 0.02
    memory_ms: float = 200.0
    slot_ms: float = 100.0
    learning: float = 0.05
    usual_variance: float = 0.02**2
    least_deviation: float = 0.001


@dataclass(frozen=True, slots=True)
class MarketPace:
    """The memory of a market's changes. All times are of one clock, in milliseconds.

    Attributes:
        changed_ms: the time of its latest change.
        weight: the changes until then, each weighing less the older it is.
        variance: of its moves, in log-odds squared; None before the first.
        due_ms: the time at which the changes that wait are due; None while none does.
        waiting: the sum of the squares of their moves.
    """

    changed_ms: float = 0.0
    weight: float = 0.0
    variance: float | None = None
    due_ms: float | None = None
    waiting: float = 0.0

    @classmethod
    def of(cls, document: Mapping[str, float | None] | bytes | None) -> MarketPace:
        """Return a pace as it was stored; a new one if nothing was, or if it cannot be read.

        >>> MarketPace.of(b'{"weight": 2.0, "unknown": 1}').weight, MarketPace.of(b"{").weight
        (2.0, 0.0)
        """
        try:
            if isinstance(document, bytes):
                return msgspec.json.decode(document, type=cls)
            return msgspec.convert(document or {}, cls)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return cls()

    def document(self) -> dict[str, float | None]:
        """Return the pace as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Wait:
    """A decision about a market's newest change.

    Attributes:
        pace: the market's memory with the change.
        due_ms: the time at which the market is to be valued: now or later.
        is_new: False if changes that wait already take this one along.
    """

    pace: MarketPace
    due_ms: float
    is_new: bool = True


def wait_for(
    pace: MarketPace,
    policy: AdaptivePolicy,
    move: float | None,
    now_ms: float,
    cap_ms: float,
    *,
    is_crowded: bool = False,
) -> Wait:
    """Decide until when a market's change waits.

    Args:
        pace: the market's memory before the change.
        policy: the constants.
        move: the size of the change, in log-odds; None if that is not known.
        now_ms: the time of the change.
        cap_ms: the longest wait.
        is_crowded: whether a change that would go at once waits for the next slot, because too
            much goes at once already.
    """
    before = _until(pace, now_ms)
    rate = before.weight * _fade(before, policy, now_ms) / policy.memory_ms * SECOND_MS
    after = _with_change(before, policy, move, now_ms)
    usual = policy.usual_variance if after.variance is None else after.variance
    waiting = before.waiting + (usual if move is None else move**2)
    deviation = max(math.sqrt(waiting), policy.least_deviation)
    worth = rate * policy.recompute_worth / deviation
    wait_ms = policy.memory_ms * math.log(worth) if worth > 1 else 0.0
    due_ms = now_ms
    if wait_ms > 0 or is_crowded:
        due_ms = _slot_end(now_ms, min(wait_ms, cap_ms), policy.slot_ms, cap_ms)
    if due_ms <= now_ms:
        return Wait(replace(after, due_ms=None, waiting=0.0), now_ms)
    if before.due_ms is not None:
        return Wait(replace(after, waiting=waiting), before.due_ms, is_new=False)
    return Wait(replace(after, due_ms=due_ms, waiting=waiting), due_ms)


def _slot_end(now_ms: float, wait_ms: float, slot_ms: float, cap_ms: float) -> float:
    """Return the end of the slot that a wait ends in, or of the last one within the cap.

    It is not after now where no slot ends within the cap.

    >>> _slot_end(1_030.0, 60.0, 100.0, 500.0), _slot_end(1_030.0, 500.0, 100.0, 500.0)
    (1100.0, 1500.0)
    >>> _slot_end(1_030.0, 50.0, 100.0, 50.0)
    1000.0
    """
    wanted = max(math.ceil((now_ms + wait_ms) / slot_ms), math.floor(now_ms / slot_ms) + 1)
    last = math.floor((now_ms + cap_ms) / slot_ms)
    return min(wanted, last) * slot_ms


def at_once(
    pace: MarketPace, policy: AdaptivePolicy, move: float | None, now_ms: float
) -> MarketPace:
    """Return a market's memory after a change that does not wait, and takes all others along."""
    after = _with_change(_until(pace, now_ms), policy, move, now_ms)
    return replace(after, due_ms=None, waiting=0.0)


def _until(pace: MarketPace, now_ms: float) -> MarketPace:
    """Return the memory at a moment: what was due until then has been valued."""
    if pace.due_ms is None or pace.due_ms > now_ms:
        return pace
    return replace(pace, due_ms=None, waiting=0.0)


def _fade(pace: MarketPace, policy: AdaptivePolicy, now_ms: float) -> float:
    """Return what is left of the changes' weight; clocks of two processes may differ a little."""
    return math.exp(-max(now_ms - pace.changed_ms, 0.0) / policy.memory_ms)


def _with_change(
    pace: MarketPace, policy: AdaptivePolicy, move: float | None, now_ms: float
) -> MarketPace:
    variance = pace.variance
    if move is not None:
        known = policy.usual_variance if variance is None else variance
        variance = known + policy.learning * (move**2 - known)
    return replace(
        pace,
        changed_ms=max(now_ms, pace.changed_ms),
        weight=pace.weight * _fade(pace, policy, now_ms) + 1.0,
        variance=variance,
    )
