"""Faults of the run's own processes: killed, stopped, asked to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace

import psutil

from betting.runtime.supervisor import Supervisor
from streaming.chaos.faults.base import Fault, repeating, stopped
from streaming.chaos.plan import Kind
from streaming.chaos.stage import POOLED, WORKERS, Stage, kill

_PAUSE = (2.0, 6.0)
_ROLLING_SECONDS = 1.2
"""Between two processes of a rolling restart."""

Choose = Callable[[Stage, str], Sequence[psutil.Process]]


def _killed(
    names: Sequence[str], find: Choose
) -> Callable[[Stage, int], AbstractContextManager[str]]:
    @contextmanager
    def strike(stage: Stage, choice: int) -> Iterator[str]:
        name = names[choice % len(names)]
        kill(find(stage, name))
        yield name

    return strike


def _stopped(
    names: Sequence[str], find: Choose
) -> Callable[[Stage, int], AbstractContextManager[str]]:
    @contextmanager
    def strike(stage: Stage, choice: int) -> Iterator[str]:
        name = names[choice % len(names)]
        with stopped(find(stage, name)):
            yield name

    return strike


@contextmanager
def _all_killed(stage: Stage, _choice: int) -> Iterator[str]:
    kill([process for name in WORKERS for process in stage.main(name)])
    yield "all workers"


@contextmanager
def _supervisor_killed(stage: Stage, _choice: int) -> Iterator[str]:
    """Kill the supervisor: its processes end by themselves, and the next one starts them again."""
    kill(stage.supervisor())
    yield "the supervisor"


@contextmanager
def _two_beats(stage: Stage, _choice: int) -> Iterator[str]:
    second = replace(stage.programs["beat"], name="beat-2")
    supervisor = Supervisor([[second]], stage.config.home / "logs")
    supervisor.start()
    try:
        yield "a second beat"
    finally:
        supervisor.stop()


@contextmanager
def _rolling_restart(stage: Stage, _choice: int) -> Iterator[str]:
    """Ask one process after the other to end, as a deployment does."""
    waiting = [*WORKERS, "beat", "web", "flower"]

    def restart_next() -> None:
        if waiting:
            for process in stage.wrapper(waiting.pop(0)):
                with suppress(psutil.NoSuchProcess):
                    process.terminate()

    with repeating(restart_next, _ROLLING_SECONDS):
        yield "each process in turn"


FAULTS = (
    Fault(Kind("worker killed", "worker"), _killed(WORKERS, Stage.main)),
    Fault(Kind("worker stopped", "worker", _PAUSE), _stopped(WORKERS, Stage.main)),
    Fault(Kind("pool process killed", "pool"), _killed(POOLED, Stage.pool)),
    Fault(Kind("pool process stopped", "pool", _PAUSE), _stopped(POOLED, Stage.pool)),
    Fault(Kind("all workers killed", "worker"), _all_killed),
    Fault(Kind("wrapper killed", "worker"), _killed((*WORKERS, "beat"), Stage.wrapper)),
    Fault(Kind("beat killed", "beat"), _killed(["beat"], Stage.main)),
    Fault(Kind("beat stopped", "beat", _PAUSE), _stopped(["beat"], Stage.main)),
    Fault(Kind("two beats", "beat", (3.0, 6.0)), _two_beats),
    Fault(Kind("web killed", "web"), _killed(["web"], Stage.main)),
    Fault(Kind("Flower killed", "flower"), _killed(["flower"], Stage.main)),
    Fault(Kind("supervisor killed", "worker"), _supervisor_killed),
    Fault(Kind("rolling restart", "worker", (9.0, 9.0)), _rolling_restart),
)
