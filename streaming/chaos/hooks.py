"""Points at which a worker of chaos is killed or short of memory, where no signal could hit it.

The workers of `manage.py chaos` alone run under `streaming.chaos.settings`, which install this app.
Anywhere else nothing of it is loaded, and no line of the product knows of it. A point is armed by a
file in the state directory. The first process that reaches one takes the file and ends; where
memory is short, each fails that reaches the point while the file is there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import AppConfig

from betting.config import get_config
from streaming.chaos import witness


@dataclass(frozen=True, slots=True)
class Point:
    """A point in the product's code.

    Attributes:
        name: names it in plans and reports.
        module: where the function is that is wrapped, as its callers find it.
        function: its name.
        is_after: whether the process ends after the function, or before it.
        is_due: called with the function's first argument; False lets this call pass.
        is_memory_short: whether the function fails for want of memory instead.
    """

    name: str
    module: str
    function: str
    is_after: bool
    is_due: Callable[[Any], bool] = lambda _: True
    is_memory_short: bool = False


POINTS = (
    Point("killed in mid-ingest", "streaming.ingest.ingest", "_apply", is_after=True),
    Point(
        "killed between commit and enqueue",
        "streaming.tasks",
        "send_result",
        is_after=False,
        is_due=lambda result: bool(result.markets),
    ),
    Point("killed with a drained buffer", "streaming.coalescing.buffer", "drain", is_after=True),
    Point("killed in mid-recompute", "valuation.recompute", "write", is_after=True),
    Point("killed after a recompute", "valuation.tasks", "_announce", is_after=False),
    Point("killed in mid-delivery", "streaming.notifications.delivery", "_record", is_after=False),
    Point(
        "memory short in an ingest",
        "streaming.ingest.ingest",
        "_quote_parameters",
        is_after=False,
        is_memory_short=True,
    ),
    Point(
        "memory short in a recompute",
        "valuation.recompute",
        "value",
        is_after=False,
        is_memory_short=True,
    ),
)


def arming_file(home: Path, point: Point) -> Path:
    """Return the file whose presence arms a point."""
    return home / f"chaos-{point.function}"


class HooksConfig(AppConfig):
    """The app that wraps the points."""

    name = "streaming.chaos"
    label = "chaos"

    def ready(self) -> None:
        """Wrap every point, and witness what fails."""
        home = get_config().home
        for point in POINTS:
            module = import_module(point.module)
            wrapped = _wrapped(getattr(module, point.function), point, arming_file(home, point))
            setattr(module, point.function, wrapped)
        witness.watch(home)


def _wrapped(function: Callable[..., Any], point: Point, file: Path) -> Callable[..., Any]:
    def end_if_armed(argument: Any) -> None:
        if point.is_memory_short:
            if file.exists():
                raise MemoryError
        elif point.is_due(argument):
            with suppress(FileNotFoundError):
                file.unlink()  # of several processes one takes it
                os.kill(os.getpid(), signal.SIGKILL)

    @wraps(function)
    def with_point(*args: Any, **kwargs: Any) -> Any:
        if not point.is_after:
            end_if_armed(args[0])
        result = function(*args, **kwargs)
        if point.is_after:
            end_if_armed(args[0])
        return result

    return with_point
