"""The private servers of a run: one that has ended is started again, each time later."""

from __future__ import annotations

import time

from betting.config import Config
from betting.runtime.embedded import EmbeddedError, restart_dead
from betting.runtime.supervisor import SupervisionPolicy
from streaming.runner.background import Background
from streaming.runner.run_loop import PeriodicJob
from streaming.runner.terminal import Terminal

WATCH_SECONDS = 1.0


class ServerWatch:
    """The restarts of a run's private servers, with the waits that programs have.

    Args:
        config: says which servers are private.
        terminal: where restarts are shown.
        policy: the waits between them.
    """

    def __init__(
        self, config: Config, terminal: Terminal, policy: SupervisionPolicy | None = None
    ) -> None:
        self._config = config
        self._terminal = terminal
        self._policy = policy or SupervisionPolicy()
        self._exits_in_a_row = 0
        self._tried_at = 0.0

    def look(self, now: float) -> None:
        """Start what has ended, unless the latest restart was a moment ago.

        Args:
            now: on the monotonic clock.
        """
        since_seconds = now - self._tried_at
        if self._exits_in_a_row and since_seconds < self._policy.wait_seconds(self._exits_in_a_row):
            return
        try:
            started = restart_dead(self._config)
        except EmbeddedError as error:
            self._terminal.say(str(error))
        else:
            if not started:
                return
            self._terminal.say(f"{' and '.join(started)} had ended; started again.")
        is_steady = since_seconds >= self._policy.steady_seconds
        self._exits_in_a_row = 1 if is_steady else self._exits_in_a_row + 1
        self._tried_at = now


def watching_servers(
    config: Config, terminal: Terminal, policy: SupervisionPolicy | None = None
) -> PeriodicJob:
    """Return the job that starts private servers again."""
    watch = ServerWatch(config, terminal, policy)
    return PeriodicJob(WATCH_SECONDS, Background(lambda: watch.look(time.monotonic())))
