"""Waiting for what other processes do, without taking their processor."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 600.0
_SHORTEST_SECONDS = 0.001
_LOOKS_APART = 20
"""The wait between two looks is at least this many times as long as a look takes."""


class BenchmarkError(Exception):
    """A benchmark cannot go on, or its contenders did not do the same; the message says why."""


def wait_until(
    condition: Callable[[], bool],
    what: str,
    patience_seconds: float = PATIENCE_SECONDS,
    *,
    looks_apart: float = _LOOKS_APART,
) -> None:
    """Look again and again, which by default takes a twentieth of a processor.

    Args:
        condition: what is waited for.
        what: its name, for people.
        patience_seconds: how long.
        looks_apart: the wait between two looks, as a multiple of what a look takes.

    Raises:
        BenchmarkError: it did not come.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        before = time.monotonic()
        if condition():
            return
        took = time.monotonic() - before
        if before > deadline:
            raise BenchmarkError(f"Waited {patience_seconds:.0f} s for {what}.")
        time.sleep(max(_SHORTEST_SECONDS, looks_apart * took))
