"""Work that repeats by itself: an outage of our own servers leaves no letter of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import django.db
from billiard.exceptions import SoftTimeLimitExceeded
from celery import current_task
from celery.exceptions import Ignore

from betting.db.outages import OUTAGES, is_away
from betting.logs import note
from streaming.core.texts import one_line
from streaming.dead_letters.messages import replay_of


@contextmanager
def repeated_work() -> Iterator[None]:
    """Drop a task that a server's absence ended: its next message does the same work.

    A server that answers with an error is a fault like any other, and so is a replay that fails. A
    task that is called as a function has no message: its caller gets the error.

    Raises:
        celery.exceptions.Ignore: a server was away; the message is acknowledged, without a letter.
    """
    try:
        yield
    except OUTAGES as error:
        request = getattr(current_task, "request", None)
        is_kept = request and (request.called_directly or replay_of(vars(request)) is not None)
        if is_kept or not is_away(error):
            raise
        words = f"a server is away, the next message repeats the work: {one_line(str(error))}"
        note("deadletter", "outage", words, status="degraded")
        raise Ignore from error


def run_each(*steps: Callable[[], object]) -> None:
    """Run steps of repeated work that need nothing of each other; then raise the first error.

    A step that fails keeps none of the others from its turn. Only without PostgreSQL or time left
    are they left to the next message.
    """
    first: Exception | None = None
    for step in steps:
        try:
            step()
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:
            if isinstance(error, django.db.Error) and is_away(error):
                raise
            if first is not None:
                words = "another step of the work failed too"
                note("streaming", "cycle", words, status="failed", error=error)
            first = first or error
    if first is not None:
        raise first
