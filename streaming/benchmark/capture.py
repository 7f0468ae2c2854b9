"""Capture a baseline: sample the queues and processes of a window, then measure and keep it."""

from __future__ import annotations

import time
from datetime import datetime

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from betting.config import Config
from betting.db.clock import database_now
from streaming.benchmark.baseline import SCHEMA, Baseline
from streaming.benchmark.process_metrics import program_usages
from streaming.benchmark.window import Sample, Window, measure
from streaming.models import BaselineSnapshot
from streaming.runner.backlog import backlog

SAMPLE_SECONDS = 0.5


class Capture:
    """The capture of a window that begins when this object is created.

    Args:
        config: the configuration of the run and its servers.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._since = database_now()
        self._samples: list[Sample] = []

    def sample(self) -> None:
        """Look at the queues and the processes.

        Raises:
            django.db.Error, redis.RedisError, kombu.exceptions.OperationalError: one is away.
        """
        sample = Sample(backlog(self._config.coalesce), program_usages(self._config))
        self._samples.append(sample)

    def finish(self, *, overdue_after_ms: int, label: str) -> Baseline:
        """End the window, and keep its baseline as a row.

        Args:
            overdue_after_ms: see `measure`.
            label: its name, for people.
        """
        window = Window(self._since, database_now())
        baseline = measure(window, self._samples, overdue_after_ms=overdue_after_ms, label=label)
        store(baseline, window.until)
        return baseline


def capture_window(config: Config, console: Console, seconds: float, label: str) -> Baseline:
    """Capture a window that begins now.

    Args:
        config: the configuration of the run and its servers.
        console: shows the progress.
        seconds: the length of the window.
        label: its name, for people.
    """
    capturing = Capture(config)
    deadline = time.monotonic() + seconds
    columns = (TextColumn("capturing"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=seconds)
        while (left := deadline - time.monotonic()) > 0:
            capturing.sample()
            progress.update(task, completed=seconds - left)
            time.sleep(min(SAMPLE_SECONDS, left))
        progress.update(task, completed=seconds)
    capturing.sample()
    # The sweeper should have found what has waited this long.
    return capturing.finish(overdue_after_ms=2 * config.sweep.dirty_after_ms, label=label)


def store(baseline: Baseline, until: datetime) -> None:
    """Keep a baseline as a row.

    Args:
        baseline: the document.
        until: the end of its window.
    """
    BaselineSnapshot.objects.create(
        label=baseline.label,
        captured_at=until,
        seconds=baseline.seconds,
        schema=SCHEMA,
        baseline=msgspec.to_builtins(baseline),
    )
