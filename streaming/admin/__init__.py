"""What the stream did, for operators."""

from streaming.admin import circuits, polls

__all__ = ["circuits", "polls"]
