"""The streaming tests' own providers and receivers."""

from __future__ import annotations

from tests.streaming.conftest import _simulator, receiver, simulator

__all__ = ["_simulator", "receiver", "simulator"]
