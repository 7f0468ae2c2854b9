"""What the stream did, for operators."""

from streaming.admin import baselines, circuits, deadletters, health, polls, subscribers

__all__ = ["baselines", "circuits", "deadletters", "health", "polls", "subscribers"]
