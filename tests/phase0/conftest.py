"""The streaming tests' own providers and receivers, and what is seen of a run."""

from __future__ import annotations

from tests.streaming.conftest import _simulator, receiver, simulator
from tests.support.logs import lines
from tests.support.watch import all_workers, watch

__all__ = ["_simulator", "all_workers", "lines", "receiver", "simulator", "watch"]
