"""The worker's consumer: it buries messages that never become tasks before they are dropped."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import consumer as celery_consumer
from kombu.message import Message

from betting.logs import note
from streaming.core.letters import Kind
from streaming.dead_letters.capture import bury
from streaming.dead_letters.messages import fault_of, letter_of_message

logger = logging.getLogger(__name__)


class UnknownTaskError(Exception):
    """No task of this name is registered in the worker."""


class Consumer(celery_consumer.Consumer):
    """Celery's consumer, with a letter for every message that it drops."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], Any]:
        """Wrap the handler to bury messages that it cannot handle; some would end the worker."""
        handle = super().create_task_handler(*args, **kwargs)

        def handle_if_sound(message: Message) -> Any:
            fault = fault_of(message)
            if fault is None:
                try:
                    return handle(message)
                except Exception as error:
                    if self._is_of_the_broker(error):
                        raise
                    logger.exception("a message cannot be handled")
                    fault = error
            self._bury(message, Kind.UNDECODABLE, fault)
            if not message.acknowledged:
                message.reject_log_error(logger, self.connection_errors)  # type: ignore[attr-defined]  # left out of the stubs
            return None

        return handle_if_sound

    def _is_of_the_broker(self, error: Exception) -> bool:
        """Return True if the connection failed.

        kombu counts `KeyError` as that too, but a message's header may raise it.
        """
        errors = (*self.connection_errors, *self.channel_errors)  # type: ignore[attr-defined]  # left out of the stubs
        return isinstance(error, errors) and not isinstance(error, KeyError)

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """Bury a body that is not what its headers say; Celery logs it and acknowledges."""
        self._bury(message, Kind.UNDECODABLE, exc)
        super().on_decode_error(message, exc)

    def on_invalid_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Bury a message with a content type that is not accepted, or an invalid time."""
        self._bury(message, Kind.UNDECODABLE, exc)
        super().on_invalid_task(body, message, exc)

    def on_unknown_task(self, body: Any, message: Message, exc: Exception) -> None:
        """Bury a task that this worker does not know: a typo, or code of another version."""
        name = message.headers.get("task")
        self._bury(message, Kind.UNKNOWN_TASK, UnknownTaskError(f"no task is called {name!r}"))
        try:
            super().on_unknown_task(body, message, exc)
        except Exception as error:  # noqa: BLE001 - the worker must outlive it
            # The message is rejected by then; what failed is writing its result.
            words = "the result of an unknown task was not written"
            note("deadletter", "handler_failure", words, status="failed", error=error)

    def _bury(self, message: Message, kind: Kind, error: Exception) -> None:
        bury(letter_of_message(message, kind, error, self.hostname))
