"""Descriptions of exceptions for letters."""

from __future__ import annotations

from dataclasses import dataclass
from traceback import format_exception

from celery.utils.serialization import UnpickleableExceptionWrapper


@dataclass(frozen=True, slots=True)
class Description:
    """The parts of a letter that an exception fills.

    Attributes:
        exception: its class, dotted.
        message: what it says.
        traceback: as text, its causes included.
    """

    exception: str
    message: str
    traceback: str


def describe(error: BaseException, traceback: str = "") -> Description:
    """Describe an exception, even one whose own `str` fails.

    Args:
        error: the exception.
        traceback: its traceback, where that came from another process.

    >>> describe(KeyError("market")).exception, describe(KeyError("market")).message
    ('builtins.KeyError', "'market'")
    """
    return Description(_class_name(error), _words(error), traceback or _traceback(error))


def _class_name(error: BaseException) -> str:
    if isinstance(error, UnpickleableExceptionWrapper):
        return f"{error.exc_module}.{error.exc_cls_name}"
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001 - an exception of any origin may fail in any way
        return f"(its message cannot be read: {type(fault).__name__})"


def _traceback(error: BaseException) -> str:
    try:
        return "".join(format_exception(error))
    except Exception as fault:  # noqa: BLE001 - the same
        return f"(its traceback cannot be read: {type(fault).__name__})"
