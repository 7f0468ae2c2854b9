"""With real processes: tiny Python programs that write what happens to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from betting.runtime.supervisor import (
    AlreadyRunningError,
    Exit,
    Program,
    SupervisionPolicy,
    Supervisor,
    end_leftovers,
    leftovers,
    single_instance,
)

CHECKOUT = Path(__file__).resolve().parents[3]

SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
IGNORES_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS
WITH_CHILD = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {IGNORES_TERM!r}])
print("child", child.pid, flush=True)
time.sleep(600)
"""
NOTES_TERM = """
import pathlib, signal, sys, time
def end(*_):
    with pathlib.Path(sys.argv[1]).open("a") as notes:
        notes.write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(600)
"""


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def python(name: str, source: str, *arguments: str) -> Program:
    return Program(name, [sys.executable, "-c", source, *arguments], CHECKOUT)


class Running:
    """A supervisor that is stopped at the end of its test."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.started: list[Supervisor] = []

    def __call__(self, *programs: Program, policy: SupervisionPolicy | None = None) -> Supervisor:
        policy = policy or SupervisionPolicy(stop_seconds=10)
        supervisor = Supervisor([[program] for program in programs], self._logs, policy)
        self.started.append(supervisor)
        supervisor.start()
        return supervisor

    def log(self, name: str) -> str:
        path = self._logs / f"{name}.log"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path / "logs")
    yield running
    for supervisor in running.started:
        supervisor.stop(is_hurried=lambda: True)


def next_exits(supervisor: Supervisor, count: int) -> list[Exit]:
    exits: list[Exit] = []

    def tend() -> bool:
        exits.extend(supervisor.tend())
        return len(exits) >= count

    wait_until(tend)
    return exits


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_output_goes_to_a_log_per_program(run: Running) -> None:
    run(python("one", SLEEPS), python("two", "import sys; sys.stderr.write('to stderr\\n')"))
    wait_until(lambda: run.log("one") == "up\n")
    wait_until(lambda: run.log("two") == "to stderr\n")


def test_a_program_that_wrote_nothing_has_a_log_to_look_into(run: Running) -> None:
    end = next_exits(run(python("silent", "raise SystemExit(7)")), 1)[0]
    assert end.log.read_bytes() == b""


def test_a_log_is_bounded_and_keeps_the_newest_lines(run: Running, tmp_path: Path) -> None:
    talks = "for n in range(5000): print(f'line {n:5d}')"
    supervisor = run(python("talks", talks), policy=SupervisionPolicy(log_bytes=10_000))
    next_exits(supervisor, 1)
    sizes = [path.stat().st_size for path in (tmp_path / "logs").iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 10_000
    assert run.log("talks").endswith("line  4999\n")


def test_a_log_that_cannot_be_rotated_stops_no_program(run: Running, tmp_path: Path) -> None:
    (tmp_path / "logs" / "talks.log.1" / "in the way").mkdir(parents=True)
    talks = "for n in range(20000): print(f'line {n:5d}')"  # more than a pipe holds
    supervisor = run(python("talks", talks), policy=SupervisionPolicy(log_bytes=10_000))
    assert [end.status for end in next_exits(supervisor, 1)] == [0]
    assert run.log("talks").endswith("line 19999\n")
    assert len(run.log("talks")) <= 10_000


def test_a_log_that_cannot_be_opened_stops_no_program(run: Running, tmp_path: Path) -> None:
    (tmp_path / "logs" / "talks.log").mkdir(parents=True)
    talks = "for n in range(20000): print(f'line {n:5d}')"
    assert [end.status for end in next_exits(run(python("talks", talks)), 1)] == [0]


def test_a_program_that_exits_is_started_again_each_time_later(run: Running) -> None:
    policy = SupervisionPolicy(restart_seconds=0.05, max_restart_seconds=0.15)
    supervisor = run(python("fails", "raise SystemExit(3)"), policy=policy)
    exits = next_exits(supervisor, 3)
    assert [end.status for end in exits] == [3, 3, 3]
    assert [end.in_a_row for end in exits] == [1, 2, 3]
    assert [end.wait_seconds for end in exits] == [0.05, 0.1, 0.15]


def test_a_program_that_ran_steadily_is_started_again_soon(run: Running) -> None:
    policy = SupervisionPolicy(restart_seconds=0.05, steady_seconds=0.0)
    exits = next_exits(run(python("ends", "print('done')"), policy=policy), 3)
    assert [end.in_a_row for end in exits] == [1, 1, 1]


def test_a_program_for_which_there_is_no_process_now_is_started_later(
    run: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = run(python("short", "pass"), policy=SupervisionPolicy(restart_seconds=0.01))
    next_exits(supervisor, 1)
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", no_process_more)
        end = next_exits(supervisor, 1)[0]
    assert (end.status, end.in_a_row) == (126, 2)
    assert next_exits(supervisor, 1)[0].status == 0


def no_process_more(*_: object, **__: object) -> None:
    raise BlockingIOError("Resource temporarily unavailable")


def test_a_killed_program_is_started_again(run: Running) -> None:
    policy = SupervisionPolicy(restart_seconds=0.01)
    supervisor = run(python("sleeps", SLEEPS), policy=policy)
    wait_until(lambda: run.log("sleeps") == "up\n")
    (program,) = descendants(supervisor.pids()["sleeps"])
    program.kill()
    assert [end.status for end in next_exits(supervisor, 1)] == [128 + signal.SIGKILL]
    assert supervisor.starts() == {"sleeps": 1}
    wait_until(lambda: supervisor.tend() == [] and run.log("sleeps") == "up\nup\n")
    assert supervisor.starts() == {"sleeps": 2}


def test_a_killed_keeper_takes_its_program_with_it(run: Running) -> None:
    supervisor = run(python("sleeps", SLEEPS))
    wait_until(lambda: run.log("sleeps") == "up\n")
    wrapper = supervisor.pids()["sleeps"]
    (program,) = descendants(wrapper)
    os.kill(wrapper, signal.SIGKILL)
    next_exits(supervisor, 1)
    wait_until(lambda: is_gone(program))


def test_what_an_exited_program_left_behind_is_ended(run: Running) -> None:
    leaves = WITH_CHILD.replace("time.sleep(600)\n", "sys.exit(0)\n")
    supervisor = run(python("leaves", leaves))
    wait_until(lambda: run.log("leaves").startswith("child"))
    child = psutil.Process(int(run.log("leaves").split()[1]))
    next_exits(supervisor, 1)
    wait_until(lambda: is_gone(child))


def test_a_program_that_does_not_exist_is_an_exit(run: Running) -> None:
    (end,) = next_exits(run(Program("absent", ["/does/not/exist"], CHECKOUT)), 1)
    assert end.status == 127
    assert "No such file" in end.log.read_text()


def test_programs_are_stopped_in_reverse_order(run: Running, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    names = ["first", "second", "third"]
    supervisor = run(*(python(name, NOTES_TERM, str(notes), name) for name in names))
    wait_until(lambda: all(run.log(name) for name in names))
    assert supervisor.stop() == []
    assert notes.read_text().split() == ["third", "second", "first"]
    assert supervisor.pids() == {}


def test_the_programs_of_a_stage_are_stopped_together(tmp_path: Path) -> None:
    logs = [tmp_path / f"{name}.log" for name in "ab"]
    stage = [python(name, IGNORES_TERM) for name in "ab"]
    supervisor = Supervisor([stage], tmp_path, SupervisionPolicy(stop_seconds=0.5))
    supervisor.start()
    wait_until(lambda: all(log.exists() and log.read_bytes() for log in logs))
    started_at = time.monotonic()
    assert supervisor.stop() == ["a", "b"]
    assert time.monotonic() - started_at < 1.0


def test_a_program_that_does_not_stop_is_killed_with_its_children(run: Running) -> None:
    policy = SupervisionPolicy(stop_seconds=0.2)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WITH_CHILD
    supervisor = run(python("deaf", deaf), policy=policy)
    wait_until(lambda: "up" in run.log("deaf"))
    processes = descendants(supervisor.pids()["deaf"])
    assert len(processes) == 2
    assert supervisor.stop() == ["deaf"]
    wait_until(lambda: all(map(is_gone, processes)))


def test_a_hurried_stop_does_not_wait(run: Running) -> None:
    supervisor = run(python("deaf", IGNORES_TERM), policy=SupervisionPolicy(stop_seconds=600))
    wait_until(lambda: run.log("deaf") == "up\n")
    assert supervisor.stop(is_hurried=lambda: True) == ["deaf"]


def test_secrets_in_the_environment_reach_the_program_alone(run: Running) -> None:
    source = "import os; print(os.environ.get('KEY_OF_ONE'), flush=True); " + SLEEPS
    one = Program("one", [sys.executable, "-c", source], CHECKOUT, {"KEY_OF_ONE": "swordfish"})
    run(one, python("two", source))
    wait_until(lambda: run.log("one").startswith("swordfish"))
    wait_until(lambda: run.log("two").startswith("None"))
    assert "swordfish" not in repr(one)


SUPERVISES = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(CHECKOUT)!r})
from betting.runtime.supervisor import Program, SupervisionPolicy, Supervisor
sources = [{SLEEPS!r}, {IGNORES_TERM!r}, {WITH_CHILD!r}]
here = Path.cwd()
programs = [Program(str(n), [sys.executable, "-c", text], here) for n, text in enumerate(sources)]
supervisor = Supervisor([programs], Path(sys.argv[1]), SupervisionPolicy(stop_seconds=0.5))
supervisor.start()
print(*supervisor.pids().values(), flush=True)
sys.stdin.read()
"""


def all_started(keepers: Sequence[int]) -> list[psutil.Process]:
    """Three keepers, their programs, and the child of one."""
    return [psutil.Process(pid) for pid in keepers] + [p for k in keepers for p in descendants(k)]


def lines_in(logs: Path) -> int:
    return sum(path.read_text().count("\n") for path in logs.glob("*.log"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_supervisor_that_dies(tmp_path: Path, number: signal.Signals) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", SLEEPS], stdout=subprocess.DEVNULL)
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISES, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with bystander, supervisor:
        assert supervisor.stdout is not None
        keepers = [int(pid) for pid in supervisor.stdout.readline().split()]
        wait_until(lambda: len(all_started(keepers)) == 7)
        wait_until(lambda: all((tmp_path / f"{n}.log").read_bytes() for n in range(3)))
        processes = all_started(keepers)
        supervisor.send_signal(number)
        wait_until(lambda: all(map(is_gone, processes)))
        assert bystander.poll() is None
        bystander.kill()


def test_the_next_run_ends_what_a_killed_supervisor_and_its_wrappers_left(tmp_path: Path) -> None:
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISES, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with supervisor:
        assert supervisor.stdout is not None
        keepers = [int(pid) for pid in supervisor.stdout.readline().split()]
        # One that has yet to write would end by itself: nobody reads its output any more.
        wait_until(lambda: lines_in(tmp_path) == 4)
        processes = all_started(keepers)
        supervisor.send_signal(signal.SIGSTOP)  # else the first to see another's end would act
        for each in (*keepers, supervisor.pid):
            os.kill(each, signal.SIGKILL)
    left = [each for each in processes if each.pid not in keepers]
    assert not any(map(is_gone, left))

    assert leftovers(tmp_path / "another") == []
    assert {each.pid for each in left} <= {each.pid for each in leftovers(tmp_path)}
    end_leftovers(tmp_path / "another", patience_seconds=0.2)
    assert not any(map(is_gone, left))
    end_leftovers(tmp_path, patience_seconds=0.2)
    assert all(map(is_gone, left))


def test_one_instance_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    with single_instance(lock):
        second = single_instance(lock)
        with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"):
            second.__enter__()
    with single_instance(lock):
        assert lock.read_text() == str(os.getpid())
