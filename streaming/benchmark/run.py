"""A benchmark from outside: it makes what the measuring process needs, and removes it again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import msgspec

from betting.config import CHECKOUT, Config
from betting.runtime.embedded.state import prepare_home
from streaming.benchmark.batches_venv import batches_python
from streaming.benchmark.isolation import Isolation, isolated
from streaming.benchmark.plan import Plan
from streaming.benchmark.results.document import Result, decode
from streaming.benchmark.waiting import BenchmarkError

_END_SECONDS = 60.0


def run_benchmark(config: Config, plan: Plan) -> Result:
    """Measure in a process whose database and Redis nobody else uses, and remove all it has made.

    Args:
        config: the configuration, of the servers that are used.
        plan: what is measured.

    Raises:
        BenchmarkError: a contender did not do the work, or something that it needs is not there.
        KeyboardInterrupt: it was asked to stop, and has removed everything.
        AlreadyRunningError, EmbeddedError, psycopg.Error, redis.RedisError: as `isolated` does.
    """
    prepare_home(config.home)  # before anything is written to it
    if "batched" in plan.contenders:
        python = str(batches_python(config.home / "benchmark" / "venv"))
        plan = msgspec.structs.replace(plan, batches_python=python)
    with stopped_by_signals(), isolated(config) as isolation:
        return _measure(isolation, msgspec.structs.replace(plan, servers=isolation.servers))


def _measure(isolation: Isolation, plan: Plan) -> Result:
    with tempfile.TemporaryDirectory(prefix="hardline-benchmark-") as directory:
        found = Path(directory, "result.json")
        command = ("benchmark", "trial", msgspec.json.encode(plan).decode(), f"--out={found}")
        # A session of its own: Ctrl-C reaches this process alone, which passes it on once.
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, str(CHECKOUT / "manage.py"), *command],
            env={**os.environ, **isolation.environ},
            start_new_session=True,
        )
        try:
            status = process.wait()
        except KeyboardInterrupt:
            end(process)
            raise
        if status:
            logs = isolation.home / "logs"
            raise BenchmarkError(f"The benchmark did not come to its end; its logs: {logs}")
        return decode(found.read_bytes())


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to stop its own, and wait until it has."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # its supervisor's programs end with it
        process.wait()


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Make a request to end this process an interrupt, so that it cleans up.

    SIGINT as well: a shell's job in the background begins with ignoring it, and so would what
    measures. Only the end of a terminal stays ignored where it is, as `nohup` has it.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    is_nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [signal.SIGINT, signal.SIGTERM, *([] if is_nohup else [signal.SIGHUP])]
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
