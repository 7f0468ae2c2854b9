"""Logging in Celery: traces travel in messages' headers, and lines name their task.

Only this module writes the header when a message is sent and reads it when its task runs.
"""

from __future__ import annotations

import logging
import logging.config
from typing import Any

from celery.signals import (
    before_task_publish,
    celeryd_init,
    setup_logging,
    task_postrun,
    task_prerun,
)

from betting.config import get_config
from betting.logs import context
from betting.logs.context import MAX_TRACES, Context, is_trace_id
from betting.logs.operations import is_told
from betting.logs.rendering import logging_settings

TRACES_HEADER = "hardline_traces"
"""The message header that holds the ids of the traces, newest first."""


def connect() -> None:
    """Connect the handlers of Celery's signals; repeated calls have no effect."""
    before_task_publish.connect(_mark, dispatch_uid="betting.logs")
    task_prerun.connect(_begin, dispatch_uid="betting.logs")
    task_postrun.connect(_end, dispatch_uid="betting.logs")
    celeryd_init.connect(_set_up, dispatch_uid="betting.logs")
    setup_logging.connect(_leave_logging_alone, dispatch_uid="betting.logs")


class UntoldFailures(logging.Filter):
    """A filter of Celery's line about a task's exception that an operation has logged already."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False if the record's exception has been logged already."""
        return not (record.exc_info and is_told(record.exc_info[1]))


def traces_of(headers: object) -> tuple[str, ...]:
    """Return the traces in a message's header; leave out all that is not a trace id.

    >>> traces_of(["0123456789abcdef0123456789abcdef", "x", 7])
    ('0123456789abcdef0123456789abcdef',)
    >>> traces_of(None)
    ()
    """
    given = headers if isinstance(headers, list) else []
    sound = (each for each in given if isinstance(each, str) and is_trace_id(each))
    return tuple(sound)[:MAX_TRACES]


def _mark(*, headers: dict[str, Any], **_: Any) -> None:
    trace_ids = context.trace_ids()
    if trace_ids:
        headers[TRACES_HEADER] = list(trace_ids)
    else:
        headers.pop(TRACES_HEADER, None)


def _begin(*, task_id: str, task: Any, **_: Any) -> None:
    request = task.request
    delivery = request.delivery_info or {}
    context.bind(
        Context(
            trace_ids=traces_of(request.get(TRACES_HEADER)),
            task=task.name,
            task_id=task_id,
            queue=str(delivery.get("routing_key") or ""),
        )
    )


def _end(**_: Any) -> None:
    """Clear the context: the thread is used again for other tasks."""
    context.bind(Context())


def _set_up(**_: Any) -> None:
    """Configure logging before the worker sets up Django, as it may log warnings earlier."""
    logging.config.dictConfig(logging_settings(get_config().log))
    logging.captureWarnings(capture=True)


def _leave_logging_alone(**_: Any) -> None:
    """Keep Celery from setting up its own handlers, which it does if nothing is connected."""
