"""The naive and the batched contender, as the feeder sees them: one message a change."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from betting.config import CHECKOUT, Config
from betting.db.redis import redis_client
from betting.runtime.supervisor import Program
from streaming.benchmark.contenders.base import Contender, Counts, Outcome
from streaming.benchmark.contenders.queue_app import (
    APPLY_CHANGE,
    APPLY_CHANGES,
    QUEUE,
    RECOMPUTES_KEY,
    make_app,
)
from streaming.benchmark.contenders.tables import (
    changes_written,
    lay_tables,
    quote_id,
    read_tables,
)
from streaming.benchmark.contenders.values import value_boards
from streaming.benchmark.workload import Burst
from streaming.runner.processes import node_name
from valuation.arrays import FloatArray

_PING_SECONDS = 0.5


class Queued(Contender):
    """A contender whose feeder sends one message for each change.

    Args:
        config: the configuration.
    """

    most_changes = 10_000
    worker: ClassVar[str]
    task: ClassVar[str]

    def __init__(self, config: Config) -> None:
        self._config = config
        self._app = make_app(self.name)
        self._node = node_name(f"benchmark-{self.name}", config.home)
        self._shape: tuple[int, ...] = (0, 0, 0)
        self._sent = 0

    @property
    def python(self) -> str:
        """The interpreter of the worker."""
        return sys.executable

    def programs(self) -> Sequence[Program]:
        """Return one worker, with as many processes as Hardline's two workers have together."""
        processes = str(self._config.celery.value_processes + 1)
        command = (
            self.python, "-m", f"streaming.benchmark.contenders.{self.worker}",
            "--hostname", self._node, "--queues", QUEUE, "--concurrency", processes,
            "--loglevel", "WARNING", "--without-gossip", "--without-mingle",
        )  # fmt: skip
        settings = {"DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
        return [Program(f"benchmark-{self.name}", command, CHECKOUT, settings)]

    def is_ready(self) -> bool:
        """Return True if the worker answers."""
        return bool(
            self._app.control.ping(destination=[self._node], timeout=_PING_SECONDS, limit=1)
        )

    def lay(self, opening: FloatArray) -> None:
        """Write the markets."""
        self._shape = opening.shape
        self._sent = 0
        lay_tables(opening, value_boards(opening, self._config.valuation))

    def prepare(self, burst: Burst, now: FloatArray) -> Callable[[], None]:  # noqa: ARG002 - see the base
        """Return what sends the messages."""
        columns = (burst.market, burst.book, burst.outcome, burst.price)
        messages = [
            (quote_id(market, book, outcome, self._shape), price)
            for market, book, outcome, price in zip(*map(list, columns), strict=True)
        ]

        def send() -> None:
            self._sent += len(messages)
            with self._app.producer_pool.acquire(block=True) as producer:
                for quote, price in messages:
                    self._app.send_task(self.task, (quote, float(price)), producer=producer)

        return send

    def is_done(self) -> bool:
        """Return True if each message has left its row of history."""
        return changes_written() >= self._sent

    def outcome(self) -> Outcome:
        """Read the tables."""
        return read_tables(self._shape)

    def counts(self) -> Counts:
        """Count the messages, and the rows."""
        return Counts(self.recomputes(), changes_written())

    def recomputes(self) -> int:
        """Return the valuations of a market: one a message."""
        return self._sent


class Naive(Queued):
    """One Celery task a change, one row at a time."""

    name = "naive"
    worker = "naive_worker"
    task = APPLY_CHANGE


class Batched(Queued):
    """celery-batches: each flush writes some fifty changes and values their markets once.

    Args:
        config: the configuration.
        python: the interpreter that has celery-batches.
    """

    name = "batched"
    rest_seconds = 0.3  # longer than a batch waits
    worker = "batched_worker"
    task = APPLY_CHANGES

    def __init__(self, config: Config, python: Path) -> None:
        super().__init__(config)
        self._python = python

    def lay(self, opening: FloatArray) -> None:
        """Write the markets."""
        redis_client().delete(RECOMPUTES_KEY)
        super().lay(opening)

    def recomputes(self) -> int:
        """Return the valuations of a market, as the worker has counted them."""
        return int(redis_client().get(RECOMPUTES_KEY) or 0)

    @property
    def python(self) -> str:
        """The interpreter that has celery-batches."""
        return str(self._python)
