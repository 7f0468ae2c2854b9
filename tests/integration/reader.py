"""One who types what documents have them type, in a shell beside a live run."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.conftest import wait_until
from tests.integration.forks import ManageForks
from tests.integration.installation import COMMAND_SECONDS
from tests.support.documents import Command

ENDS = {
    # One run at a time: test_live_run.py and test_run_command.py have them to their end.
    ".venv/bin/python manage.py run ": {1: "already running"},
    ".venv/bin/python manage.py baseline compare ": {0: "", 1: "missed: "},
}
"""How a command begins that may end otherwise than with 0 → exit status → what it says then."""

ENDLESS = re.compile(r"simulate_provider --port|curl -s?N ")
"""What is stopped by its reader."""

ANSWER_SECONDS = 120.0

MAKE = re.compile(r"(?:\w+=\S+ )*make ")
MANAGE = [".venv/bin/python", "manage.py"]
#: What a shell does more with than to tell words apart.
FOR_THE_SHELL = re.compile(r"[$<>|&;*?`]")
ASSIGNMENT = re.compile(r"(?:export )?(\w+)=(?:\$\(.*\)|\S*)")


@dataclass(frozen=True)
class Answer:
    """What a command said, and how it ended."""

    status: int
    out: str
    err: str


@dataclass
class Reader:
    """One who types in a shell, in the checkout.

    Attributes:
        directory: with what the checkout has.
        environ: what a command finds; an assignment adds to it.
        substitutes: what documents write → what it is here.
        forks: runs the commands of `manage.py` that need no shell.
        endless: what still runs.
    """

    directory: Path
    environ: dict[str, str]
    substitutes: Mapping[str, str]
    forks: ManageForks
    endless: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def substituted(self, text: str) -> str:
        for written, here in self.substitutes.items():
            text = text.replace(written, here)
        return text

    def types(self, command: Command) -> None:
        """Run a command, and verify that it does what the document says."""
        text, shown = self.substituted(command.text), self.substituted(command.shown)
        if ENDLESS.search(text):
            self._start(text, shown)
        elif found := ASSIGNMENT.fullmatch(text):
            self.environ[found[1]] = self._answer(f'{text}\nprintf %s "${found[1]}"').out
            assert self.environ[found[1]]
        elif MAKE.match(text):
            assert self._answer(text).out  # what it would do
        elif text.startswith("curl ") and shown:
            # The board fills and empties while the run goes on.
            wait_until(
                lambda: is_as_shown(self._answer(text).out, shown),
                f"{text} as shown",
                ANSWER_SECONDS,
            )
        else:
            answer = self._answer(text)
            assert text.startswith(tuple(ENDS)) or is_as_shown(answer.out, shown), answer

    def _answer(self, text: str) -> Answer:
        """Run a command to its end, which has to be a good one."""
        words = shlex.split(text.replace("\\\n", ""), comments=True)
        is_plain = words[:2] == MANAGE and not FOR_THE_SHELL.search(text.partition(" # ")[0])
        answer = self.manages(words[2:]) if is_plain else self._in_a_shell(text)
        ends = next((ends for start, ends in ENDS.items() if text.startswith(start)), {0: ""})
        assert answer.status in ends, answer
        assert ends[answer.status] in answer.err
        if words[0] == "curl":
            assert 200 <= int(answer.err.split()[-1]) < 300, answer
        return answer

    def _in_a_shell(self, text: str) -> Answer:
        done = subprocess.run(
            ["sh", "-c", text],
            cwd=self.directory,
            env=self.environ,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def _start(self, text: str, shown: str) -> None:
        """Start what does not end by itself, and wait for what it says first."""
        said = self.directory / f"endless-{len(self.endless)}"
        with said.open("wb") as out:
            process = subprocess.Popen(
                ["sh", "-c", text],
                cwd=self.directory,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.endless.append(process)

        def has_said_it() -> bool:
            told = said.read_text()
            return process.poll() is not None or (bool(told) and is_as_shown(told, shown))

        wait_until(has_said_it, lambda: f"{text} as shown: {said.read_text()}", ANSWER_SECONDS)
        assert process.poll() is None, said.read_text()

    def manages(self, words: list[str]) -> Answer:
        """Run a command of `manage.py` in a process of its own that need not start first."""
        done = self.forks.run(words, self.directory)
        return Answer(done.returncode, done.stdout, done.stderr)

    def leaves(self) -> None:
        """Stop what does not end by itself."""
        for process in self.endless:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.endless.clear()


def is_as_shown(said: str, shown: str) -> bool:
    """Whether an answer has the shape that a document shows.

    `…` stands for anything and a number for any other. Of JSON the keys have to be there.
    """
    lines = [line for line in shown.splitlines() if '"' not in line]
    text = ".*".join(re.sub(r"\d+", r"\\d+", re.escape(line)).replace("…", ".*") for line in lines)
    return bool(re.search(text, said, re.DOTALL)) and keys(shown) <= keys(said)


def keys(text: str) -> set[str]:
    return set(re.findall(r'"(\w+)": ?', text))
