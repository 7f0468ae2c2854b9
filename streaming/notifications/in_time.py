"""Calls of code that nothing can interrupt, each with a deadline that leaves it behind."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread

from django.db import connections

from streaming.core.failures import ProviderFailure, TransientFailure
from streaming.core.redaction import scrub_text
from streaming.core.texts import one_line

_left_behind: dict[str, Future[None]] = {}
"""By subscriber, the latest call that did not end in time."""


def call_in_time(subscriber: str, call: Callable[[], None], seconds: float) -> None:
    """Call a function in a thread that a deadline can leave behind, one for each subscriber.

    Raises:
        TransientFailure: it raised or did not end in time, or an earlier call that did not end in
            time still runs.
        ProviderFailure: as the function raises it.
    """
    earlier = _left_behind.get(subscriber)
    if earlier is not None and not earlier.done():
        raise TransientFailure("timeout", "An earlier call has not ended yet.")
    ended: Future[None] = Future()

    def run() -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - any error is the call's own failure
            ended.set_exception(error)
        else:
            ended.set_result(None)
        finally:
            connections.close_all()  # this thread's own

    Thread(target=run, name=subscriber, daemon=True).start()
    wait([ended], timeout=seconds)
    if not ended.done():
        _left_behind[subscriber] = ended
        raise TransientFailure("timeout", f"The call did not end within {seconds:g} s.")
    error = ended.exception()
    if isinstance(error, ProviderFailure):
        raise error
    if error is not None:
        message = one_line(scrub_text(f"{type(error).__name__}: {error}"))
        raise TransientFailure(type(error).__name__, message) from error
