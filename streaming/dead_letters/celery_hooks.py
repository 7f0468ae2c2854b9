"""Celery's hooks: they record every failure of a worker before its message is acknowledged.

Celery reports a failure in many places or in none, so there is a hook wherever the message is in
hand (docs/adr/0010-dead-letters.md):

- `Task`, in the process that runs a task: stops one that kills its process at each delivery, and
  notes that a replay succeeded.
- `Request`, in the worker's main process: sees every end of a task that its pool has run.
- `on_internal_error`, a signal: sees what a pool of threads drops.
- `Consumer`, in the worker's main process: sees messages that never become tasks.

Messages that cannot be decoded at all fail earlier, in `streaming.dead_letters.transport`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import celery
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
from billiard.process import current_process
from celery.exceptions import Ignore, Reject, Retry
from celery.signals import task_internal_error
from celery.worker import request as celery_request
from celery.worker import state
from celery.worker.consumer import consumer as celery_consumer
from kombu.exceptions import EncodeError
from kombu.message import Message
from redis.exceptions import RedisError

from betting.config import get_config
from betting.db.redis import redis_client
from betting.logs import note
from betting.runtime.broker import delay_queue, is_rabbitmq
from streaming.core.letters import Kind
from streaming.dead_letters import replay
from streaming.dead_letters.capture import record_letter
from streaming.dead_letters.messages import (
    exception_info,
    letter_of_message,
    letter_of_request,
    message_error,
    replay_of,
)

logger = logging.getLogger(__name__)

MAX_DELIVERIES = 3
"""A message is not run again after its worker died this often: twice may be others' doing."""

REDELIVERIES_KEPT_SECONDS = 86_400


class DeliveriesExhaustedError(Exception):
    """The message was delivered too often without coming to an end; it is not run again."""


class UnknownTaskError(Exception):
    """No task of this name is registered in the worker."""


class Request(celery_request.Request):
    """Celery's request, which records a failed task before its message is acknowledged.

    A signal would not do: those of the pool's process miss a killed process and a hard time limit,
    and those of the main process know neither queue nor attempt.
    """

    def on_failure(
        self,
        exc_info: ExceptionInfo,
        send_failed_event: bool = True,  # noqa: FBT001, FBT002 - Celery's signature
        return_ok: bool = False,  # noqa: FBT001, FBT002 - Celery's signature
    ) -> Any:
        """Record a task that failed; Celery calls this at every end but success.

        Args:
            exc_info: what was raised, here or in the pool's process.
            send_failed_event: as Celery has it.
            return_ok: whether the task's tracer came to its own end.
        """
        error = _unwrapped(exc_info.exception)
        is_around = not return_ok or bool(getattr(exc_info, "internal", False))
        kind = self._kind(error, is_around=is_around)
        if kind is not None:
            # The traceback of another process is text; the exception itself has lost it.
            info = exception_info(error, str(exc_info.traceback or ""))
            record_letter(letter_of_request(self.request_dict, kind, info))
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
        """Return True if Celery puts the message back: a later delivery decides how it ends."""
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


class Task(celery.Task):  # type: ignore[type-arg]  # no generic at run time
    """A task that stops being delivered without end, and marks letters of replays that succeed."""

    Request = "streaming.dead_letters.celery_hooks:Request"

    def apply_async(self, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        """Send a message; with a countdown, RabbitMQ keeps it until its time, not a worker."""
        if is_rabbitmq(get_config()) and options.get("countdown"):
            # The queues, their exchanges and routing keys have the same names.
            name = options.get("queue") or options.get("routing_key")
            name = name or self.app.amqp.router.route({}, self.name)["queue"].name
            options["queue"] = delay_queue(name, options.pop("countdown"))
            options = {n: v for n, v in options.items() if n not in {"exchange", "routing_key"}}
        return super().apply_async(args, kwargs, *more, **options)

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Refuse a message that has killed too many processes already.

        Raises:
            DeliveriesExhaustedError: so that it ends as any failure does.
        """
        super().before_start(task_id, args, kwargs)
        if self._is_redelivered:
            count_redelivery(task_id, self.request.retries)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Mark the letter as replayed; the message is acknowledged afterwards."""
        super().on_success(retval, task_id, args, kwargs)
        action = replay_of(vars(self.request))
        if action is None:
            return
        try:
            replay.succeeded(action)
        except Exception as error:  # noqa: BLE001 - nothing that fails here undoes the work
            # The work is done. Its letter becomes new again when the replay reports no end.
            words = f"replay {action} succeeded but its dead letter could not be updated"
            note("deadletter", "replay", words, status="failed", error=error)

    def after_return(self, *args: Any, **kwargs: Any) -> None:
        """Forget the redeliveries of a message that came to an end, good or bad."""
        super().after_return(*args, **kwargs)
        if self._is_redelivered:
            forget_redeliveries(str(self.request.id), self.request.retries)

    @property
    def _is_redelivered(self) -> bool:
        return bool((self.request.delivery_info or {}).get("redelivered"))


def count_redelivery(task_id: str, retries: int) -> None:
    """Count a delivery that is not the first of its message, before the task runs.

    A task whose process dies is delivered again: at once when its process was killed, after the
    visibility timeout when its whole worker was. One that kills every process that runs it would
    be delivered for ever, and Celery reports nothing. The first delivery is not counted and costs
    nothing. While Redis is away nothing is counted: the task runs.

    Raises:
        DeliveriesExhaustedError: there were too many.
    """
    if not get_config().dead_letters_enabled:
        return
    key = _redeliveries_key(task_id, retries)
    try:
        with redis_client().pipeline() as pipe:
            pipe.incr(key)
            pipe.expire(key, REDELIVERIES_KEPT_SECONDS)
            redeliveries = int(pipe.execute()[0])
    except RedisError as error:
        words = f"Redis could not count a redelivery: {error}"
        note("deadletter", "redelivery", words, status="degraded")
        return
    if redeliveries >= MAX_DELIVERIES:
        raise DeliveriesExhaustedError(
            f"delivered {redeliveries} times without an end: what ran it was killed each time"
        )


def forget_redeliveries(task_id: str, retries: int) -> None:
    """Drop the count of a message that came to its end."""
    try:
        redis_client().delete(_redeliveries_key(task_id, retries))
    except RedisError as error:
        words = f"Redis could not drop a count of redeliveries: {error}"
        note("deadletter", "redelivery", words, status="degraded")


def _redeliveries_key(task_id: str, retries: int) -> str:
    return f"hardline:deliveries:{task_id}:{retries}"


def connect() -> None:
    """Connect the one signal that is needed, once however often this is called."""
    task_internal_error.connect(on_internal_error, dispatch_uid="streaming.deadletters")


def on_internal_error(
    *, task_id: str, request: Mapping[str, Any], exception: Exception, sender: Any, **_: Any
) -> None:
    """Record a failure around a task: in a hook, or when its result is written.

    From a pool of processes it reaches the main process as well, where `Request.on_failure` sees
    it: both report the same end, which counts once. From a pool of threads nothing is reported.
    """
    known = {"id": task_id, "task": sender.name, **(request or {})}
    record_letter(letter_of_request(known, Kind.HOOK, exception_info(exception)))
    # A pool's process holds no messages: those that it inherited are its parent's.
    if current_process().name == "MainProcess":
        _acknowledge(task_id)


def _acknowledge(task_id: str) -> None:
    """Acknowledge the message: in a pool of threads nothing else does, and its slot stays taken."""
    held = state.requests.get(task_id)
    if held is not None:
        state.task_ready(held)
        held.acknowledge()


class Consumer(celery_consumer.Consumer):
    """Celery's consumer, with a letter for every message that it drops."""

    class Blueprint(celery_consumer.Consumer.Blueprint):  # type: ignore[misc,valid-type]
        """Celery's steps, without the 28 queues of its own delays: `Task` has others."""

        default_steps = tuple(
            step
            for step in celery_consumer.Consumer.Blueprint.default_steps
            if "delayed_delivery" not in step
        )

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], Any]:
        """Wrap the handler to record messages that it cannot handle; some would end the worker."""
        handle = super().create_task_handler(*args, **kwargs)

        def handle_or_record(message: Message) -> Any:
            fault = message_error(message)
            if fault is None:
                try:
                    return handle(message)
                except Exception as error:
                    # No list of checks is complete: an `eta` that is an object passes `fault`.
                    if self._is_of_the_broker(error):
                        raise
                    logger.exception("Celery could not handle a message")
                    fault = error
            self._record(message, Kind.UNDECODABLE, fault)
            if not message.acknowledged:
                message.reject_log_error(logger, self.connection_errors)  # type: ignore[attr-defined]  # left out of the stubs
            return None

        return handle_or_record

    def _is_of_the_broker(self, error: Exception) -> bool:
        """Return True if the connection failed.

        kombu counts `KeyError` as that too, but a message's header may raise it.
        """
        errors = (*self.connection_errors, *self.channel_errors)  # type: ignore[attr-defined]  # left out of the stubs
        return isinstance(error, errors) and not isinstance(error, KeyError)

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Record a body that is not what its headers say; Celery logs it and acknowledges."""
        self._record(message, Kind.UNDECODABLE, exc)
        super().on_decode_error(message, exc)

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Record a message with a content type that is not accepted, or an invalid time."""
        self._record(message, Kind.UNDECODABLE, exc)
        super().on_invalid_task(body, message, exc)

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Record a task that this worker does not know: a typo, or code of another version."""
        name = message.headers.get("task")
        self._record(message, Kind.UNKNOWN_TASK, UnknownTaskError(f"no task is called {name!r}"))
        try:
            super().on_unknown_task(body, message, exc)
        except Exception as error:  # noqa: BLE001 - the worker must outlive it
            # The message is rejected by then; what failed is writing its result.
            words = "Celery could not write the result of an unknown task"
            note("deadletter", "handler_failure", words, status="failed", error=error)

    def _record(self, message: Message, kind: Kind, error: Exception) -> None:
        record_letter(letter_of_message(message, kind, error, self.hostname))
