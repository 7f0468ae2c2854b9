"""Saturdays of releases: what is kept, and the tables in docs/benchmarks."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from betting.config import CHECKOUT
from streaming.benchmark import machine
from streaming.benchmark.results.document import Measurement, Result, decode, encode
from streaming.benchmark.results.releases import in_order, markdown
from streaming.management.benchmark_actions import releases
from tests.support.benchmarks import MACHINE, a_burst, a_result


def a_saturday(*latencies_ms: float, load: float = 0.0) -> Result:
    day = {"cpu_seconds_per_1000": 0.2, "memory_megabytes": 900.0, "wrong_fair_prices": 0.0}
    measured = [
        Measurement("match-day", part, "hardline", number, {"p95_ms": ms, **whole})
        for part, whole in (("in play", day), ("kick-off", {}))
        for number, ms in enumerate(latencies_ms, 1)
    ]
    result = a_result(measured)
    loaded = structs.replace(MACHINE, load=load)
    return structs.replace(result, rounds=len(latencies_ms), machine=loaded, commit="0123456789ab")


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the document, which the command takes for it, with no release kept."""
    copy = tmp_path / "README.md"
    copy.write_bytes(releases.DOCUMENT.read_bytes())
    monkeypatch.setattr(releases, "DOCUMENT", copy)
    monkeypatch.setattr(releases, "DIRECTORY", tmp_path / "releases")
    return copy


def test_the_document_has_what_the_command_writes(
    document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = CHECKOUT / "docs" / "benchmarks"
    monkeypatch.setattr(releases, "DIRECTORY", published / "releases")
    call_command("benchmark", "releases", stdout=io.StringIO())
    assert document.read_text("utf-8") == (published / "README.md").read_text("utf-8")


def test_each_release_that_is_kept_is_one_of_the_changelog() -> None:
    text = (CHECKOUT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (\S+)", text, re.MULTILINE)
    kept = {path.parent.name for path in releases.DIRECTORY.glob(f"*/{releases.FILE}")}
    assert kept
    assert kept <= {heading.lower() for heading in headings}


def test_a_release_is_kept_without_what_else_was_measured_and_compared_with_a_new_run(
    tmp_path: Path, document: Path
) -> None:
    saturday = a_saturday(40.0, 50.0, 60.0)
    both = [*a_burst([900.0], [100.0]).measurements, *saturday.measurements]
    run = tmp_path / "result.json"
    run.write_bytes(encode(structs.replace(saturday, measurements=both)))

    call_command("benchmark", "releases", "--keep", "0.3.0", run, stdout=io.StringIO())

    kept = tmp_path / "releases" / "0.3.0" / "match-day.json"
    assert decode(kept.read_bytes()) == saturday
    text = document.read_text("utf-8")
    assert "| 0.3.0 | kick-off | – | – | 50 ms (40 … 60) | – |" in text
    assert "| 0.3.0 | 0123456789ab | 2026-03-01 00:00 UTC |" in text
    assert "| 100 markets | naive |" in text  # the other figures stay
    out = io.StringIO()
    call_command("benchmark", "compare", kept, run, stdout=out)
    assert "the same" in out.getvalue()

    run.write_bytes(encode(a_saturday(80.0)))
    with pytest.raises(CommandError, match="are worse"):
        call_command("benchmark", "compare", kept, run, stdout=out)


@pytest.mark.parametrize(
    ("release", "result", "complaint"),
    [
        ("0.3.0", a_burst([1.0], [1.0]), "no match-day"),
        ("../0.3.0", a_saturday(1.0), "no name of a release"),
    ],
)
def test_nothing_is_kept_that_is_no_saturday_of_a_release(
    tmp_path: Path, document: Path, release: str, result: Result, complaint: str
) -> None:
    before, run = document.read_bytes(), tmp_path / "result.json"
    run.write_bytes(encode(result))
    with pytest.raises(CommandError, match=complaint):
        call_command("benchmark", "releases", "--keep", release, run, stdout=io.StringIO())
    with pytest.raises(CommandError, match="has no result"):
        call_command("benchmark", "releases", stdout=io.StringIO())
    assert document.read_bytes() == before


def test_the_tables_name_the_releases_whose_machine_was_not_idle() -> None:
    text = markdown({"0.4.0": a_saturday(1.0, load=0.9), "0.3.0": a_saturday(1.0)})
    assert text.index("| 0.3.0 |") < text.index("| 0.4.0 |")
    assert "0.4.0: **The machine was not idle" in text
    assert "0.3.0: **" not in text


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3), min_size=1, unique=True))
def test_releases_come_in_the_order_of_their_numbers(numbers: list[tuple[int, int, int]]) -> None:
    names = [".".join(map(str, each)) for each in numbers]
    wanted = [".".join(map(str, each)) for each in sorted(numbers)]
    assert in_order(["unreleased", *names]) == [*wanted, "unreleased"]


def test_a_result_from_before_commits_were_noted_reads() -> None:
    whole = msgspec.to_builtins(a_saturday(1.0))
    del whole["commit"]
    assert decode(msgspec.json.encode(whole)).commit == ""


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_commit_is_that_of_the_checkout_and_says_if_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CHECKOUT", tmp_path)
    assert machine.this_commit() == ""

    def git(*words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        command = ("git", *who, *words)
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "--message=One")
    git("tag", "0.3.0")
    commit = git("rev-parse", "HEAD")[:12]
    assert machine.this_commit() == commit
    (tmp_path / "file").write_text("2")
    assert machine.this_commit() == f"{commit}+"
