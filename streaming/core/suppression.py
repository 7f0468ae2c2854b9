"""The breaker before a subscriber: a failing one is suppressed, that is, not called for a while.

After `after_failures` failures in a row its breaker opens. The n-th suppression in a row lasts
``min(max, first · 2^(n − 1) · (1 + failure rate))`` seconds, of the last `window` deliveries. With
the defaults that is 1, 2, 4 … 60 s for a subscriber that has been well until now, up to twice as
long for one that fails all the time. Then one delivery is let through as a probe; the first success
ends the suppression, also one of a test that an operator sends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from streaming.core.breaker import BreakerPolicy


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

    @property
    def breaker(self) -> BreakerPolicy:
        """The policy of a subscriber's breaker, which opens by failures in a row alone.

        >>> SuppressionPolicy(first_seconds=2.0, max_seconds=15.0).breaker.backoff_seconds
        (2.0, 4.0, 8.0, 15.0)
        """
        doublings = math.ceil(math.log2(max(self.max_seconds / self.first_seconds, 1.0)))
        doubled = (self.first_seconds * 2.0**n for n in range(doublings))
        return BreakerPolicy(
            open_after_failures=self.after_failures,
            failure_rate=math.inf,
            slow_call_rate=math.inf,
            window_calls=self.window,
            backoff_seconds=(*doubled, self.max_seconds),
            jitter_fraction=0.0,
            close_after_successes=1,
            forget_after_seconds=0.0,
            stretch=1.0,
            keeps_window=True,
            any_call_probes=True,
        )
