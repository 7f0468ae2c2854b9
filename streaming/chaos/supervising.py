"""The supervisor of chaos' processes: a process of its own, which can be killed like any other.

`manage.py chaos` runs it under a supervisor of its own, which starts it again. It begins as a run
does: it ends what a killed one has left. Run as ``python -m streaming.chaos.supervising``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import msgspec

from betting.config import CHECKOUT, Config, get_config
from betting.runtime.supervisor import Program, SupervisionPolicy, Supervisor, end_leftovers
from streaming.chaos import clocks
from streaming.runner import processes
from streaming.runner.environment import logs_of
from streaming.simulator.running import API_KEY

#: A process that an earlier seed has ended is no crash loop: each seed finds the first wait.
SUPERVISION = SupervisionPolicy(steady_seconds=5.0)

OUTER = replace(SUPERVISION, stop_seconds=3 * SUPERVISION.stop_seconds)
"""The policy of what supervises the supervisor: it has the time to end its stages."""

NAME = "supervisor"

_PASSWORD = "CHAOS_PASSWORD"  # noqa: S105 - the name of a variable
_TEND_SECONDS = 0.2
_WITH_HOOKS = {"DJANGO_SETTINGS_MODULE": "streaming.chaos.settings"}


class State(msgspec.Struct, frozen=True):
    """A supervisor's programs, by their names.

    Attributes:
        pids: the process id of the wrapper of each that runs.
        starts: how often each was started, by supervisors before it as well.
    """

    pids: dict[str, int] = {}
    starts: dict[str, int] = {}


def stages(config: Config, password: str) -> list[list[Program]]:
    """Return the programs of a run of chaos.

    Args:
        config: of the run.
        password: the administrator's, for Flower.
    """
    workers = [*processes.value_workers(config), *processes.pollers(config, API_KEY)]
    return [
        [_with_chaos(each, config) for each in workers],
        processes.consoles(config, password),
    ]


def _with_chaos(worker: Program, config: Config) -> Program:
    """Return a worker that has points to be killed at, and a clock that can be set."""
    clock = clocks.environ(config.home, worker.name)
    return replace(worker, environ={**worker.environ, **_WITH_HOOKS, **clock})


def programs(config: Config, password: str) -> Mapping[str, Program]:
    """Return the same programs by their names."""
    return {each.name: each for each in chain.from_iterable(stages(config, password))}


def program(config: Config, password: str) -> Program:
    """Return the supervisor as a program."""
    environ = {
        _PASSWORD: password,
        "HARDLINE_WEB_PORT": str(config.web.port),
        "HARDLINE_WEB_FLOWER_PORT": str(config.web.flower_port),
    }
    return Program(NAME, (sys.executable, "-m", __spec__.name), CHECKOUT, environ)


def logs(config: Config) -> Path:
    """Return the directory of the programs' logs."""
    return logs_of(config) / "programs"


def read_state(config: Config) -> State:
    """Return what the supervisor has said last."""
    file = _state_file(config)
    return msgspec.json.decode(file.read_bytes(), type=State) if file.exists() else State()


def main(config: Config, password: str) -> None:
    """Supervise until SIGTERM comes."""
    is_over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_over.set())
    end_leftovers(logs(config), SUPERVISION.stop_seconds)
    earlier = Counter(read_state(config).starts)
    supervisor = Supervisor(stages(config, password), logs(config), SUPERVISION)
    try:
        supervisor.start()
        while not is_over.wait(_TEND_SECONDS):
            _write(config, State(supervisor.pids(), earlier + Counter(supervisor.starts())))
            supervisor.tend()
    finally:
        supervisor.stop()


def _write(config: Config, state: State) -> None:
    file = _state_file(config)
    new = file.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(state))
    new.replace(file)


def _state_file(config: Config) -> Path:
    return config.home / "chaos-supervisor.json"


if __name__ == "__main__":
    main(get_config(), os.environ[_PASSWORD])
