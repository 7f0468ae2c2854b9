"""What the stream did, for operators."""

from streaming.admin import circuits, deadletters, health, polls, subscribers

__all__ = ["circuits", "deadletters", "health", "polls", "subscribers"]
