"""What a thread is at: the Celery task, and the traces that the work belongs to.

A trace begins with a poll, a replayed answer or a sweep, and follows what that changes to the last
message sent because of it. Work on many changes at once belongs to many traces.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from uuid import uuid4

MAX_TRACES = 16
"""Traces that a line, a message or a shard of the buffer carries; the newest are kept."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is bound to every line.

    Attributes:
        trace_ids: newest first; empty where nothing is followed.
        task: the Celery task's name; empty outside one.
        task_id: its id.
        queue: the queue it came by.
    """

    trace_ids: tuple[str, ...] = ()
    task: str = ""
    task_id: str = ""
    queue: str = ""


_current: ContextVar[Context] = ContextVar("hardline_log_context", default=Context())  # noqa: B039 - frozen


def current() -> Context:
    """What this thread is at."""
    return _current.get()


def bind(context: Context) -> Token[Context]:
    """Replace what this thread is at; `unbind` undoes it."""
    return _current.set(context)


def unbind(token: Token[Context]) -> None:
    """What it was at before."""
    _current.reset(token)


def follow(trace_ids: Iterable[str]) -> None:
    """Go on in these traces, newest first."""
    _current.set(replace(_current.get(), trace_ids=tuple(trace_ids)[:MAX_TRACES]))


def new_trace_id() -> str:
    """An id for a trace that begins; of the form that OpenTelemetry and Sentry use as well."""
    return uuid4().hex


def trace_ids() -> tuple[str, ...]:
    """The traces that this thread is in, newest first."""
    return _current.get().trace_ids
