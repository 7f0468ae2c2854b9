"""The worker's request of a task, in its parent process, which learns of every kind of end."""

from __future__ import annotations

from typing import Any

from billiard.einfo import (  # type: ignore[attr-defined]  # the stubs leave one out
    ExceptionInfo,
    ExceptionWithTraceback,
)
from billiard.exceptions import (
    SoftTimeLimitExceeded,
    Terminated,
    TimeLimitExceeded,
    WorkerLostError,
)
from celery.exceptions import Ignore, Reject, Retry
from celery.worker import request as celery_request
from kombu.exceptions import EncodeError

from streaming.core.letters import Kind
from streaming.dead_letters.capture import bury
from streaming.dead_letters.deliveries import DeliveriesExhaustedError
from streaming.dead_letters.exception_info import describe
from streaming.dead_letters.messages import letter_of_request


class Request(celery_request.Request):
    """Celery's request, which buries a failed task before its message is acknowledged."""

    def on_failure(
        self,
        exc_info: ExceptionInfo,
        send_failed_event: bool = True,  # noqa: FBT001, FBT002 - Celery's signature
        return_ok: bool = False,  # noqa: FBT001, FBT002 - Celery's signature
    ) -> Any:
        """Bury a task that failed; Celery calls this at every end but success.

        Args:
            exc_info: what was raised, here or in the pool's process.
            send_failed_event: as Celery has it.
            return_ok: whether the task's tracer came to its own end.
        """
        error = _unwrapped(exc_info.exception)
        is_around = not return_ok or bool(getattr(exc_info, "internal", False))
        kind = self._kind(error, is_around=is_around)
        if kind is not None:
            told = describe(error, str(exc_info.traceback or ""))
            bury(letter_of_request(self.request_dict, kind, told))
            if isinstance(error, MemoryError):
                # Celery ends the worker now. The message must not come back and end the next one.
                self.acknowledge()
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def _kind(self, error: BaseException, *, is_around: bool) -> Kind | None:
        """Return how the task failed; None when it will run again, or was ignored or terminated."""
        if isinstance(error, Retry | Ignore | Terminated) or self._comes_back(error):
            return None
        if isinstance(error, EncodeError) and not self.ignore_result:
            return Kind.RESULT
        for kind, errors in _KINDS.items():
            if isinstance(error, errors):
                return kind
        return Kind.HOOK if is_around else Kind.EXCEPTION

    def _comes_back(self, error: BaseException) -> bool:
        if isinstance(error, WorkerLostError):
            return bool(self.task.acks_late and self.task.reject_on_worker_lost)
        return isinstance(error, Reject) and bool(getattr(error, "requeue", False))


_KINDS: dict[Kind, tuple[type[BaseException], ...]] = {
    Kind.REJECTED: (Reject,),
    Kind.WORKER_LOST: (WorkerLostError, DeliveriesExhaustedError),
    Kind.TIME_LIMIT: (SoftTimeLimitExceeded, TimeLimitExceeded),
}


def _unwrapped(error: BaseException | None) -> BaseException:
    """Return the task's own exception, without what wrapped it between processes."""
    inner = error.exc if isinstance(error, ExceptionWithTraceback) else error
    return inner or Exception("the worker named no exception")
