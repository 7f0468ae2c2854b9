from __future__ import annotations

import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from streaming.chaos.hooks import POINTS, Point, arming_file

REACH = """
import sys
from pathlib import Path
from streaming.chaos.hooks import Point, _wrapped

when, argument = sys.argv[2:4]
is_due = lambda argument: argument == "due"
point = Point("a point", "", "call", when == "after", is_due, is_memory_short=when == "short")
call = _wrapped(lambda argument: print("called"), point, Path(sys.argv[1]))
call(argument)
print("returned")
"""


def reach(file: Path, when: str, argument: str = "due") -> subprocess.CompletedProcess[str]:
    """Reach a point in a process of its own."""
    command = [sys.executable, "-u", "-c", REACH, str(file), when, argument]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.function)
def test_a_point_is_a_function_of_the_product(point: Point) -> None:
    assert callable(getattr(import_module(point.module), point.function))


def test_points_are_armed_by_files_of_their_own(tmp_path: Path) -> None:
    assert len({arming_file(tmp_path, point) for point in POINTS}) == len(POINTS)


@pytest.mark.parametrize(("when", "said"), [("before", ""), ("after", "called\n")])
def test_the_first_process_at_an_armed_point_ends_there(
    tmp_path: Path, when: str, said: str
) -> None:
    file = tmp_path / "armed"
    file.touch()

    first, second = reach(file, when), reach(file, when)

    assert (first.returncode, first.stdout) == (-signal.SIGKILL, said), first.stderr
    assert (second.returncode, second.stdout) == (0, "called\nreturned\n"), second.stderr


def test_who_reaches_a_point_fails_while_memory_is_short_there(tmp_path: Path) -> None:
    file = tmp_path / "armed"
    file.touch()

    failed = [reach(file, "short") for _ in range(2)]
    file.unlink()

    assert [each.stderr.splitlines()[-1] for each in failed] == ["MemoryError"] * 2
    assert reach(file, "short").stdout == "called\nreturned\n"


def test_a_call_that_is_not_due_passes_an_armed_point(tmp_path: Path) -> None:
    file = tmp_path / "armed"
    file.touch()

    assert reach(file, "before", "another").returncode == 0
    assert file.exists()
