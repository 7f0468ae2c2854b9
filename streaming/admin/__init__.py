"""What the stream did, for operators."""

from streaming.admin import polls, subscribers

__all__ = ["polls", "subscribers"]
