"""What the stream did, for operators."""

from streaming.admin import deadletters, polls, subscribers

__all__ = ["deadletters", "polls", "subscribers"]
