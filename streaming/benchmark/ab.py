"""The A/B comparison: the same input through the same processes, hardening off and on by turns.

Each trial is a process of its own, `manage.py baseline trial`, on a state directory of its own
that is deleted at its end: the configuration of a process is read once, from its environment.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from betting.config import CHECKOUT
from betting.config.servers import only_servers
from streaming.benchmark.ab_trial import Trial, TrialError
from streaming.benchmark.compare import TargetVerdict, compare, judge_fair_prices
from streaming.runner.ports import LOOPBACK

OFF: Mapping[str, str] = MappingProxyType(
    {
        "HARDLINE_COALESCE_ENABLED": "false",
        "HARDLINE_CIRCUITS_ENABLED": "false",
        "HARDLINE_DEAD_LETTERS_ENABLED": "false",
        "HARDLINE_POLL_DEDUPE_MS": "0",
        # The sweeper is part of the hardening: it would send what waits in a long queue again.
        "HARDLINE_SWEEP_DIRTY_AFTER_MS": "3600000",
    }
)
"""The naive pipeline: every change is a message, every failure is repeated, nothing is kept."""

ON: Mapping[str, str] = MappingProxyType(
    {
        "HARDLINE_COALESCE_ENABLED": "true",
        "HARDLINE_CIRCUITS_ENABLED": "true",
        "HARDLINE_DEAD_LETTERS_ENABLED": "true",
    }
)
"""The hardening, with every other setting as configured."""

_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Comparison:
    """All trials, in rounds of off and on.

    Attributes:
        off: the trials without the hardening.
        on: the trials with it.
    """

    off: list[Trial]
    on: list[Trial]

    def verdicts(self, *, is_repeatable: bool) -> list[TargetVerdict]:
        """Judge every target.

        Args:
            is_repeatable: whether all trials saw the same answers, so that they have to end in
                the same fair prices.
        """
        off, on = ([trial.baseline for trial in trials] for trials in (self.off, self.on))
        verdicts = compare(off, on)
        if is_repeatable:
            prices = ([trial.fair_prices for trial in trials] for trials in (self.off, self.on))
            verdicts.append(judge_fair_prices(*prices))
        return verdicts


def run_ab(arguments: Sequence[str], rounds: int, console: Console) -> Comparison:
    """Run the trials of all rounds.

    Args:
        arguments: what is run, as `manage.py baseline trial` takes it.
        rounds: of off and on.
        console: shows the progress.

    Raises:
        TrialError: one failed.
    """
    done = Comparison([], [])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=2 * rounds)
        for number in range(1, rounds + 1):
            for name, settings, trials in (("off", OFF, done.off), ("on", ON, done.on)):
                progress.update(task, description=f"hardening {name}, round {number}")
                trials.append(_trial(arguments, f"{name} {number}", settings))
                progress.advance(task)
    return done


def _trial(arguments: Sequence[str], label: str, settings: Mapping[str, str]) -> Trial:
    """Run one trial to its end; `settings` are its environment, beside what it inherits."""
    with tempfile.TemporaryDirectory(prefix="hardline-trial-") as directory:
        home, found = Path(directory, "home"), Path(directory, "trial.json")
        environ = _environment(home, settings)
        try:
            done = _manage(environ, "baseline", "trial", *arguments, f"--label={label}",
                           f"--out={found}")  # fmt: skip
        finally:
            _manage(environ, "clean_state")
        if done.returncode:
            tail = "\n".join(done.stdout.splitlines()[-_TAIL_LINES:])
            raise TrialError(f"The trial {label!r} failed with status {done.returncode}:\n{tail}")
        trial = msgspec.json.decode(found.read_bytes(), type=Trial)
    if trial.problem:
        raise TrialError(f"The trial {label!r} did not come to its end: {trial.problem}")
    return trial


def _environment(home: Path, settings: Mapping[str, str]) -> dict[str, str]:
    own = {
        "HARDLINE_HOME": str(home),
        "HARDLINE_WEB_SIMULATOR_PORT": str(_free_port()),
    }
    return {**os.environ, **only_servers(), **own, **settings}


def _manage(environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, str(CHECKOUT / "manage.py"), *arguments],
        env=environ,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        port: int = server.getsockname()[1]
        return port
