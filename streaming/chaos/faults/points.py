"""Faults at a point of the product's code: who reaches it is killed there, or short of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from streaming.chaos.faults.base import Fault
from streaming.chaos.hooks import POINTS, Point, arming_file
from streaming.chaos.plan import Kind
from streaming.chaos.stage import Stage


def _armed(point: Point) -> Callable[[Stage, int], AbstractContextManager[str]]:
    @contextmanager
    def strike(stage: Stage, _choice: int) -> Iterator[str]:
        file = arming_file(stage.config.home, point)
        file.touch()
        try:
            yield f"{point.module}.{point.function}"
        finally:
            file.unlink(missing_ok=True)

    return strike


FAULTS = tuple(
    Fault(
        Kind(point.name, "point", (3.0, 3.0), leaves_letters=point.is_memory_short), _armed(point)
    )
    for point in POINTS
)
