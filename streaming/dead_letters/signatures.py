"""A check that arguments fit a task, made before a message with them is sent."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

import msgspec
from celery import current_app

from streaming.core.texts import did_you_mean


def fault_of(task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return what is wrong with a task's arguments; empty when nothing is.

    Args:
        task: its name.
        args: positional arguments.
        kwargs: keyword arguments.
    """
    current_app.loader.import_default_modules()  # only a worker has done it before
    registered = current_app.tasks.get(task)
    if registered is None:
        return f"there is no task {task!r}{did_you_mean(task, current_app.tasks)}"
    signature = inspect.signature(registered.run)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        return f"{task}{signature}: {error}"
    hints = get_type_hints(registered.run)
    for name, value in given.items():
        try:
            msgspec.convert(value, hints.get(name, Any))
        except msgspec.ValidationError as error:
            return f"{task}{signature}: {name}: {error}"
    return ""
