"""Work that repeats by itself: an outage of our own servers leaves no letter of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
