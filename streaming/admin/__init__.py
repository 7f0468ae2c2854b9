"""Admin pages that show operators what the stream did."""

from streaming.admin import (
    alerts,
    circuits,
    deadletters,
    feed_circuits,
    health,
    letter_records,
    polls,
    subscribers,
)

__all__ = [
    "alerts",
    "circuits",
    "deadletters",
    "feed_circuits",
    "health",
    "letter_records",
    "polls",
    "subscribers",
]
