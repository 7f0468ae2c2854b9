"""The logging context of a thread: its Celery task and the traces that its work belongs to.

A trace begins with a poll, a replayed answer or a sweep, and follows the changes that it makes up
to the last message sent because of them. Work on many changes at once belongs to many traces.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace

MAX_TRACES = 16
"""The most traces that a line, a message or a shard of the buffer carries: the newest."""

_TRACE_ID = re.compile("(?!0{32})[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Context:
    """The fields that are bound to every line of a thread.

    Attributes:
        trace_ids: newest first; empty if the work belongs to no trace.
        task: the Celery task's name; empty outside a task.
        task_id: the task's id.
        queue: the queue that the task came from.
    """

    trace_ids: tuple[str, ...] = ()
    task: str = ""
    task_id: str = ""
    queue: str = ""


_current: ContextVar[Context] = ContextVar("hardline_log_context", default=Context())  # noqa: B039 - frozen


def current() -> Context:
    """Return this thread's context."""
    return _current.get()


def bind(context: Context) -> Token[Context]:
    """Replace this thread's context; `unbind` undoes it."""
    return _current.set(context)


def unbind(token: Token[Context]) -> None:
    """Restore the context from before `bind`."""
    _current.reset(token)


def follow(trace_ids: Iterable[str]) -> None:
    """Continue in these traces, newest first."""
    _current.set(replace(_current.get(), trace_ids=tuple(trace_ids)[:MAX_TRACES]))


def new_trace_id() -> str:
    """Return an id for a new trace, in the form that OpenTelemetry and Sentry use.

    Every bit is random: samplers decide by the last 56, of which a UUID fixes two.
    """
    return secrets.token_hex(16)


def is_trace_id(text: str) -> bool:
    """Return True if it is the id of a trace.

    >>> is_trace_id("0123456789abcdef0123456789abcdef"), is_trace_id("0" * 32), is_trace_id("x")
    (True, False, False)
    """
    return _TRACE_ID.fullmatch(text) is not None


def trace_ids() -> tuple[str, ...]:
    """Return the traces that this thread is in, newest first."""
    return _current.get().trace_ids
