"""What the stream did, and the state it keeps about those it talks to."""

from streaming.models.poll import PollOutcome, PollRun

__all__ = ["PollOutcome", "PollRun"]
