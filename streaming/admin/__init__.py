"""What the stream did, for operators."""

from streaming.admin import circuits, deadletters, polls, subscribers

__all__ = ["circuits", "deadletters", "polls", "subscribers"]
