"""The base of all tasks: hooks around each of them, in the process that runs it."""

from __future__ import annotations

from typing import Any

import celery

from betting.logs import note
from streaming.dead_letters import deliveries, replays
from streaming.dead_letters.messages import replay_of


class Task(celery.Task):  # type: ignore[type-arg]  # no generic at run time
    """A task that counts deliveries without an end, and marks letters of replays that succeed."""

    Request = "streaming.dead_letters.request:Request"

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Refuse a message that has killed too many processes already.

        Raises:
            DeliveriesExhaustedError: so that it ends as any failure does.
        """
        super().before_start(task_id, args, kwargs)
        if self._is_redelivered:
            deliveries.begin_again(task_id, self.request.retries)

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Mark the letter as replayed; the message is acknowledged afterwards."""
        super().on_success(retval, task_id, args, kwargs)
        action = replay_of(vars(self.request))
        if action is None:
            return
        try:
            replays.succeeded(action)
        except Exception as error:  # noqa: BLE001 - nothing that fails here undoes the work
            # The work is done. Its letter becomes new again when the replay reports no end.
            words = f"a replay succeeded, and its letter does not know: {action}"
            note("deadletter", "replay", words, status="failed", error=error)

    def after_return(self, *args: Any, **kwargs: Any) -> None:
        """Forget the deliveries of a message that came to an end, good or bad."""
        super().after_return(*args, **kwargs)
        if self._is_redelivered:
            deliveries.end(str(self.request.id), self.request.retries)

    @property
    def _is_redelivered(self) -> bool:
        return bool((self.request.delivery_info or {}).get("redelivered"))
