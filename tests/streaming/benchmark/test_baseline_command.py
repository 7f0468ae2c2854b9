"""`manage.py baseline` as people and programs meet it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.management import CommandError, call_command

from streaming.benchmark.baseline import decode
from streaming.management.commands.baseline import Command, _arguments
from streaming.models import BaselineSnapshot
from tests.support.baselines import a_baseline


def written(path: Path, **fields: Any) -> str:
    path.write_bytes(msgspec.json.encode(a_baseline(**fields)))
    return str(path)


def test_a_comparison_that_meets_every_target_ends_well(tmp_path: Path) -> None:
    out = io.StringIO()
    before = written(tmp_path / "a", failed_calls=100)
    call_command("baseline", "compare", before, written(tmp_path / "b", asked=10), stdout=out)
    verdicts = [line for line in out.getvalue().splitlines() if " met " in line]
    assert len(verdicts) == 5
    assert "−90.0%" in out.getvalue()


def test_a_missed_target_is_named_and_the_exit_is_not_zero(tmp_path: Path) -> None:
    out = io.StringIO()
    after = written(tmp_path / "b", recompute_ms=150.0, overdue_markets=2)
    with pytest.raises(CommandError, match=r"missed: recomputes.*, recompute, p95, markets left"):
        call_command("baseline", "compare", written(tmp_path / "a"), after, stdout=out)
    assert "MISSED" in out.getvalue()
    assert "not measured" in out.getvalue()


@pytest.mark.parametrize("content", [None, b"{}", b'{"schema": 7}'])
def test_a_file_that_is_no_baseline_is_refused_in_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "b").write_bytes(content)
    with pytest.raises(CommandError):
        call_command("baseline", "compare", written(tmp_path / "a"), str(tmp_path / "b"))


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_captured_window_is_written_kept_and_shown(tmp_path: Path) -> None:
    out, document = io.StringIO(), tmp_path / "now.json"
    call_command(
        "baseline", "capture", "--seconds=0.2", "--label=x", f"--out={document}", stdout=out
    )
    baseline = decode(document.read_bytes())
    assert baseline.label == "x"
    assert baseline.seconds >= 0.2
    assert {"PostgreSQL", "Redis"} <= baseline.processes.keys()
    assert baseline.backlog.queued_messages.max == 0
    assert BaselineSnapshot.objects.get().baseline == msgspec.to_builtins(baseline)
    assert "CPU of all processes" in out.getvalue()


@pytest.mark.parametrize("option", ["--rounds=0", "--seconds=-1", "--speed=x", "--responses=0"])
def test_a_number_that_makes_no_sense_is_refused(option: str) -> None:
    with pytest.raises(CommandError, match="above 0"):
        call_command("baseline", "ab", "--simulate", option)


@pytest.mark.parametrize(
    ("arguments", "handed_on"),
    [
        (["--simulate", "--seconds=5"], ["--simulate", "--seconds=5.0", "--seed=1", "--speed=4.0"]),
        (["/f.gz"], ["/f.gz"]),
        (["/f.gz", "--responses=3"], ["/f.gz", "--responses=3"]),
    ],
)
def test_each_trial_is_told_what_it_is_a_trial_of(
    arguments: list[str], handed_on: list[str]
) -> None:
    parser = Command().create_parser("manage.py", "baseline")
    options = vars(parser.parse_args(["ab", *arguments]))
    assert _arguments(options) == handed_on
