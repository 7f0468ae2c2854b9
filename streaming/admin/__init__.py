"""Admin pages that show operators what the stream did."""

from streaming.admin import (
    baselines,
    circuits,
    deadletters,
    feed_circuits,
    health,
    polls,
    subscribers,
)

__all__ = [
    "baselines",
    "circuits",
    "deadletters",
    "feed_circuits",
    "health",
    "polls",
    "subscribers",
]
