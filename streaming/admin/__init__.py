"""What the stream did, for operators."""

from streaming.admin import polls

__all__ = ["polls"]
