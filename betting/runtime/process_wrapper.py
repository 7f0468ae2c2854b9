"""The small parent process through which the supervisor runs each program.

Run as ``python process_wrapper.py LOG MAX_BYTES GRACE_SECONDS COMMAND…``. It writes the command's
output to a log of bounded size, passes SIGTERM on to it, and exits with its status. When its
standard input ends, the supervisor has died (``kill -9`` included): it then asks the command to
end, and after the grace period kills the whole process group, itself included.

It watches a pipe rather than use PR_SET_PDEATHSIG, which exists on Linux alone, is tied to the
thread that started the child, and does not reach the child's own children. It uses the standard
library only, with no packages on its path: it starts in 30 ms and stays small.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import IO

LONGEST_LINE_BYTES = 64 * 1024


class BoundedLog:
    """A log of at most two files, the older one with ``.1`` after its name.

    Nothing here raises: what the file system does not take is lost. If nobody read its output, the
    program would stand still as soon as the pipe is full.

    Args:
        path: the newer file, to which lines are appended.
        max_bytes: the size at which it becomes the older one.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._file: FileIO | None = None
        with suppress(OSError):  # people are told to look into it, also where nothing was written
            self._open()

    def write(self, line: bytes) -> None:
        """Append a line."""
        with suppress(OSError):
            file = self._file or self._open()
            if file.tell() + len(line) > self._max_bytes:
                file = self._make_room(file)
            file.write(line)

    def copy(self, output: IO[bytes]) -> None:
        """Append each line of the output until the writer closes it."""
        for line in iter(lambda: output.readline(LONGEST_LINE_BYTES), b""):
            self.write(line)

    def _open(self) -> FileIO:
        self._file = FileIO(self._path, "a")
        return self._file

    def _make_room(self, file: FileIO) -> FileIO:
        """Rename the file and return a new one; if it cannot be renamed, empty it."""
        try:
            self._path.replace(f"{self._path}.1")
        except OSError:
            file.truncate(file.seek(0))
            return file
        self._file = None
        file.close()
        return self._open()


class ProcessWrapper:
    """One command and its process group.

    Args:
        command: the program and its arguments.
        log: takes its output.
        grace_seconds: how long it may take to end once the supervisor is gone.
    """

    def __init__(self, command: Sequence[str], log: BoundedLog, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._is_stopping = False
        self._is_alone = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        signal.signal(signal.SIGTERM, lambda *_: self._stop())
        self._child = subprocess.Popen(  # noqa: S603 - the supervisor's own command
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if self._is_stopping:  # SIGTERM came while the child was being started
            self._child.terminate()
        assert self._child.stdout is not None
        self._copier = threading.Thread(
            target=log.copy, args=(self._child.stdout,), name="copier", daemon=True
        )
        self._copier.start()
        threading.Thread(target=self._watch_supervisor, name="watcher", daemon=True).start()

    def wait(self) -> int:
        """Wait for the command's end; return its status as a shell would.

        If the supervisor has died this does not return: it kills the whole process group, which
        includes this process and what the command left behind.
        """
        assert self._child is not None
        status = self._child.wait()
        # Wait for the last lines, but not for what a left-behind process may yet write.
        self._copier.join(timeout=1.0)
        if self._is_alone.is_set():
            os.killpg(0, signal.SIGKILL)
        return status if status >= 0 else 128 - status

    def _stop(self) -> None:
        self._is_stopping = True
        if self._child is not None:
            self._child.terminate()

    def _watch_supervisor(self) -> None:
        # Read the descriptor itself: a thread inside `sys.stdin` would abort the exit.
        while os.read(0, 1):
            pass
        self._is_alone.set()
        self._stop()
        # Gives `wait` the time to return first, unless the command does not end.
        threading.Event().wait(self._grace_seconds)
        os.killpg(0, signal.SIGKILL)


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name; return its status."""
    log_path, max_bytes, grace_seconds, *command = arguments
    log = BoundedLog(Path(log_path), int(max_bytes))
    try:
        return ProcessWrapper(command, log, float(grace_seconds)).wait()
    except OSError as error:
        log.write(f"{command[0]} cannot be started: {error.strerror}\n".encode())
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
