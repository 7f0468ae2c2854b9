"""Times that several programs must agree on. No setting changes them, so no two can disagree."""

from __future__ import annotations

TICK_SECONDS = 1.0
"""The interval at which beat looks for providers that are due; the shortest interval of a poll."""

SWEEP_SECONDS = 1.0
"""The interval between two sweeps: half of the shortest wait, by default, of a market it finds."""

TASK_SOFT_LIMIT_SECONDS = 15
"""A task is asked to end after this long; a poll and a delivery have ended themselves by then."""

TASK_HARD_LIMIT_SECONDS = 20
"""A task's process is killed after this long: it has had five seconds to put away what it began."""

VISIBILITY_TIMEOUT_SECONDS = 25
"""A message not acknowledged for this long is delivered again, even if it still waits or runs."""

REDIS_TIMEOUT_SECONDS = 5.0
"""The longest wait for an answer of Redis: far above a slow answer, below a task's soft limit."""
