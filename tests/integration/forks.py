"""Commands of `manage.py`, each in a process of its own that need not start first."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from betting.config import CHECKOUT


class ManageForks:
    """The process of `manage_forks.py`.

    Args:
        environ: the environment of every command.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.manage_forks"],
            cwd=CHECKOUT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, words: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
        """Run one command to its end.

        Args:
            words: what would follow `manage.py`.
            directory: where it runs, and where its `stdout` and `stderr` are left.
        """
        out, err = directory / "stdout", directory / "stderr"
        command = ["manage.py", *words]
        request = {
            "command": command,
            "directory": str(directory),
            "stdout": str(out),
            "stderr": str(err),
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return subprocess.CompletedProcess(command, status, out.read_text(), err.read_text())

    def close(self) -> None:
        """End the process."""
        with self.process:  # closes its input, upon which it ends
            pass


@contextmanager
def manage_forks(environ: Mapping[str, str]) -> Iterator[ManageForks]:
    """Forks that end with the block."""
    forks = ManageForks(environ)
    try:
        yield forks
    finally:
        forks.close()
