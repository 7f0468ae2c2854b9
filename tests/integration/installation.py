"""A checkout's commands, run as a person runs them, on a state directory of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.core.management.color import no_style
from django.db import connection

from betting.config import load
from betting.runtime import embedded
from tests.betting.runtime.embedded.clients import query
from tests.integration.forks import ManageForks

CHECKOUT = Path(__file__).parents[2]
#: Processes take seconds to start, and many times that on a busy machine.
COMMAND_SECONDS = 240

Row = dict[str, Any]


class Installation:
    """A checkout's commands on a state directory that nothing else uses."""

    def __init__(self, home: Path) -> None:
        self.environ = {**os.environ, "HARDLINE_HOME": str(home)}
        self.config = load(self.environ)
        self._forks: ManageForks | None = None

    def command(self, *arguments: str | Path) -> list[str | Path]:
        return [sys.executable, CHECKOUT / "manage.py", *arguments]

    def fork(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without a process that has to start first."""
        if self._forks is None:
            self._forks = ManageForks(self.environ)
        return self._forks.run([*map(str, words)], Path(self.environ["HARDLINE_HOME"]).parent)

    def end_forks(self) -> None:
        """End the process that commands were forked from."""
        if self._forks is not None:
            self._forks.close()
            self._forks = None

    def manage(
        self, *arguments: str | Path, seconds: float = COMMAND_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def replay(self, *feeds: Path) -> Row:
        done = self.fork("run", "--feed", *feeds, "--until-idle", "--json")
        assert done.returncode == 0, done.stderr
        facts: Row = json.loads(done.stdout.splitlines()[-1])
        return facts

    def export(self, table: str, *options: str) -> list[Row]:
        done = self.fork("export", table, "--format", "jsonl", *options)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """The rows of a statement, without a process that has to start first."""
        return query(self.config, statement)

    def empty(self) -> None:
        """Do to the tables what `manage.py flush` does."""
        tables = connection.introspection.django_table_names()
        for statement in connection.ops.sql_flush(no_style(), tables, reset_sequences=True):
            self.ask(statement)

    def remove(self) -> None:
        """Stop the servers, and leave nothing behind."""
        self.end_forks()
        embedded.remove_state(self.config)
