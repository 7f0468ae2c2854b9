"""Suppression of failing subscribers, decided by their past deliveries alone.

After `after_failures` failures in a row a subscriber is suppressed: for a while it is not called at
all. Then one delivery, the probe, is let through. If that fails as well, the next suppression is
longer; the first success ends it.

The n-th suppression in a row lasts ``min(max, first · 2^(n − 1) · (1 + failure rate))`` seconds.
With the defaults that is 1, 2, 4 … 60 s for a subscriber that has been well until now, up to twice
as long for one that fails all the time. The rate is that of the last `window` deliveries.

    deliver ──3 failures──▶ suppressed ──time──▶ probe ──success──▶ deliver
                                ▲──────failure─────┘
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from streaming.core import histogram

WELL, FAILED = ".", "x"
"""The characters of a delivery in `SubscriberState.recent`."""

MAX_ERROR_CHARS = 200

_MAX_DOUBLINGS = 32  # beyond it every maximum is reached, and no float overflows
_LOGGED_FAILURES = frozenset({1, 5, 25})
_LOGGED_EVERY = 100


@dataclass(frozen=True, slots=True)
class SuppressionPolicy:
    """Limits on when and for how long a failing subscriber is suppressed.

    Attributes:
        after_failures: failures in a row that suppress a subscriber.
        first_seconds: how long at first.
        max_seconds: how long at most.
        window: deliveries, newest first, that its failure rate is taken over.
    """

    after_failures: int = 3
    first_seconds: float = 1.0
    max_seconds: float = 60.0
    window: int = 50


@dataclass(frozen=True, slots=True)
class SubscriberState:
    """The record of a subscriber's deliveries.

    Attributes:
        deliveries: deliveries attempted, failed ones included; those held back are not counted.
        failures: those that failed.
        consecutive_failures: those since the last success.
        recent: the latest deliveries, newest first, one sign each.
        suppressions: suppressions in a row.
        suppressed_until: when its next probe is due; None while it is well.
        probe_until: until when the probe under way excludes another.
        last_error: the newest failure, one line.
        latencies: how long deliveries took, as `histogram.with_latest` counts.
    """

    deliveries: int = 0
    failures: int = 0
    consecutive_failures: int = 0
    recent: str = ""
    suppressions: int = 0
    suppressed_until: datetime | None = None
    probe_until: datetime | None = None
    last_error: str = ""
    latencies: tuple[int, ...] = histogram.EMPTY

    @property
    def failure_rate(self) -> float:
        """The part of the latest deliveries that failed, 0 to 1.

        >>> SubscriberState(recent="x...").failure_rate
        0.25
        """
        return self.recent.count(FAILED) / len(self.recent) if self.recent else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a delivery.

    Attributes:
        duration_ms: how long it took.
        error: why it failed, one line; empty for a success.
    """

    duration_ms: float
    error: str = ""


class Decision(Enum):
    """The decision on a delivery.

    Attributes:
        DELIVER: make it.
        PROBE: make it, unless another process has claimed the probe.
        WAIT: wait for the probe under way, which soon decides between DELIVER and HOLD.
        HOLD: put it aside.
    """

    DELIVER = "deliver"
    PROBE = "probe"
    WAIT = "wait"
    HOLD = "hold"


def decide(state: SubscriberState, now: datetime) -> Decision:
    """Decide what to do with a delivery now.

    `PROBE` still has to be claimed: the first process to set `probe_until` has it.

    >>> noon = datetime(2026, 1, 1, 12)
    >>> decide(SubscriberState(), noon), decide(SubscriberState(suppressed_until=noon), noon)
    (<Decision.DELIVER: 'deliver'>, <Decision.PROBE: 'probe'>)
    """
    if state.suppressed_until is None:
        return Decision.DELIVER
    if now < state.suppressed_until:
        return Decision.HOLD
    is_probed = state.probe_until is not None and now < state.probe_until
    return Decision.WAIT if is_probed else Decision.PROBE


def record(
    state: SubscriberState, policy: SuppressionPolicy, outcome: Outcome, now: datetime
) -> SubscriberState:
    """Return the state after a delivery that ended now."""
    has_failed = bool(outcome.error)
    sign = FAILED if has_failed else WELL
    counted = replace(
        state,
        deliveries=state.deliveries + 1,
        failures=state.failures + has_failed,
        recent=(sign + state.recent)[: policy.window],
        latencies=histogram.with_latest(state.latencies, outcome.duration_ms),
    )
    if not has_failed:
        return replace(
            counted,
            consecutive_failures=0,
            suppressions=0,
            suppressed_until=None,
            probe_until=None,
        )
    failed = replace(
        counted,
        consecutive_failures=state.consecutive_failures + 1,
        last_error=outcome.error[:MAX_ERROR_CHARS],
    )
    return _suppressed(failed, policy, now) if _is_due(failed, policy, now) else failed


def _is_due(state: SubscriberState, policy: SuppressionPolicy, now: datetime) -> bool:
    """Return True if a failure now suppresses; one of a delivery begun before that does not."""
    if state.suppressed_until is not None:
        return now >= state.suppressed_until
    return state.consecutive_failures >= policy.after_failures


def _suppressed(
    state: SubscriberState, policy: SuppressionPolicy, now: datetime
) -> SubscriberState:
    in_a_row = state.suppressions + 1
    seconds = suppression_seconds(policy, in_a_row, state.failure_rate)
    return replace(
        state,
        suppressions=in_a_row,
        suppressed_until=now + timedelta(seconds=seconds),
        probe_until=None,
    )


def suppression_seconds(policy: SuppressionPolicy, in_a_row: int, failure_rate: float) -> float:
    """Return how long a suppression lasts, in seconds.

    Args:
        policy: its bounds.
        in_a_row: which suppression since the last success it is, from 1.
        failure_rate: of the latest deliveries, 0 to 1.

    >>> [suppression_seconds(SuppressionPolicy(), n, 0.0) for n in range(1, 8)]
    [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0]
    >>> suppression_seconds(SuppressionPolicy(), 2, 0.5)
    3.0
    """
    doubled = policy.first_seconds * 2.0 ** min(in_a_row - 1, _MAX_DOUBLINGS)
    return min(policy.max_seconds, doubled * (1 + failure_rate))


def is_logged(consecutive_failures: int) -> bool:
    """Return True if this failure in a row is logged: the 1st, 5th, 25th, then every 100th.

    >>> [n for n in range(1, 310) if is_logged(n)]
    [1, 5, 25, 100, 200, 300]
    """
    return consecutive_failures in _LOGGED_FAILURES or (
        consecutive_failures > 0 and consecutive_failures % _LOGGED_EVERY == 0
    )
