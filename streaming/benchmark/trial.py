"""The measuring process of a benchmark, on a database and a Redis of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from betting.config import Config
from betting.db.outages import OUTAGES
from betting.runtime.embedded.state import prepare_home
from betting.runtime.first_run import migrate
from streaming.benchmark.contenders.tables import create_tables
from streaming.benchmark.isolation import is_isolated
from streaming.benchmark.machine import this_commit, this_machine
from streaming.benchmark.plan import Plan
from streaming.benchmark.profiles import RUN
from streaming.benchmark.results.document import SCHEMA, Result
from streaming.benchmark.session import Session
from streaming.benchmark.waiting import BenchmarkError


def run_plan(config: Config, console: Console, plan: Plan) -> Result:
    """Measure all profiles of a plan.

    Args:
        config: the configuration, of servers that nobody else writes to.
        console: shows the progress, if it is a terminal.
        plan: what is measured.

    Raises:
        BenchmarkError: a contender did not do the work, or its workers did not come up.
    """
    if not is_isolated(config):
        raise BenchmarkError("`manage.py benchmark run` starts trials, on a database of its own.")
    machine, commit = this_machine(), this_commit()
    prepare_home(config.home)
    logs = config.home / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    with (logs / "feeder.log").open("w", encoding="utf-8") as log, logging_to(log):
        session = _measure(config, console, plan)
    return Result(
        SCHEMA,
        datetime.now(UTC),
        plan.seed,
        plan.rounds,
        machine,
        session.in_order(),
        session.curves,
        commit,
    )


def _measure(config: Config, console: Console, plan: Plan) -> Session:
    migrate()
    create_tables()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        session = Session(config, plan, progress)
        try:
            for profile in plan.profiles:
                RUN[profile](session)
        except OUTAGES as error:
            raise BenchmarkError(f"A server is away: {error}") from error
    return session


@contextmanager
def logging_to(log: TextIO) -> Iterator[None]:
    """Write what this process logs into a file, as workers do; a terminal shows the progress."""
    handlers = [each for each in logging.root.handlers if isinstance(each, logging.StreamHandler)]
    before = [handler.setStream(log) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            handler.setStream(stream)
