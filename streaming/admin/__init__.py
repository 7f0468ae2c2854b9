"""What the stream did, for operators."""

from streaming.admin import deadletters, polls

__all__ = ["deadletters", "polls"]
