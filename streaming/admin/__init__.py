"""What the stream did, for operators."""

from streaming.admin import baselines, circuits, deadletters, polls, subscribers

__all__ = ["baselines", "circuits", "deadletters", "polls", "subscribers"]
