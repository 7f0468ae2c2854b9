"""The measurements of docs/scaling.md in seconds: all is done, and nothing is left."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from streaming.benchmark.scaling import needs
from streaming.benchmark.scaling.document import Scaling, row_named
from streaming.benchmark.scaling.servers import missing
from tests.integration.conftest import wait_until
from tests.integration.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    if lacks := missing():
        pytest.skip(f"this machine lacks {', '.join(lacks)}")
    installed = Installation(tmp_path / "home")
    yield installed
    installed.remove()


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def measured(installation: Installation, *words: str) -> tuple[Scaling, str]:
    """The result and the tables of a measurement, which has left nothing behind."""
    out = installation.config.home.parent / "result.json"
    done = installation.manage("benchmark", *words, "--out", out)
    assert done.returncode == 0, done.stderr
    result = msgspec.json.decode(out.read_bytes(), type=Scaling)
    # The last of a server's process may come a moment after its files have gone.
    wait_until(lambda: not any(map(is_running, result.plan.servers.values())), "the servers' end")
    assert not list(Path(tempfile.gettempdir()).glob("hardline-scaling-*/home"))
    return result, done.stdout


def test_costs_are_measured_of_exactly_the_work_that_was_done(installation: Installation) -> None:
    words = ("--polls=2", "--quotes=3000", "--standing-seconds=1")
    result, text = measured(installation, "costs", *words)

    amounts = {row.case: row.amounts for row in result.rows}
    assert amounts[needs.SMALL] == {"polls": 20, "quotes": 400, "changes": 0}
    assert amounts[needs.LARGE] == {"polls": 20, "quotes": 40_000, "changes": 0}
    assert amounts[needs.FEW] == {"polls": 2, "quotes": 4_000, "changes": 200}
    assert amounts[needs.MANY] == {"polls": 2, "quotes": 4_000, "changes": 2_000}
    many = row_named(result.rows, needs.MANY).spent
    assert many.cpu_seconds["worker-io"] > 0
    assert many.cpu_seconds["worker-value"] > 0
    assert many.wal_bytes > row_named(result.rows, needs.LARGE).spent.wal_bytes
    assert many.statements > 0
    assert many.commands > 0
    assert {"beat", "worker-deliver"} <= row_named(
        result.rows, needs.STANDING
    ).spent.cpu_seconds.keys()
    assert result.figures["Redis, for 1,000 markets in the buffer"] > 1_000
    assert result.figures["disk of a change in the history"] > 50
    assert len([name for name in result.figures if "guard" in name]) == 4
    assert "| 10,000,000 | 50,000 |" in text


def test_both_machines_value_what_they_share(installation: Installation) -> None:
    words = ("--rounds=1", "--markets=400", "--workers=1,2")
    result, text = measured(installation, "machines", *words)

    assert [row.amounts["workers"] for row in result.rows] == [1, 1, 2, 2]
    assert {row.amounts.get("changes") for row in result.rows} == {None, 4_000}
    one, two = (
        row_named(result.rows, f"markets valued, {workers}").spent.cpu_seconds
        for workers in ("1 worker", "2 workers")
    )
    assert "machine B" not in one
    assert two["machine A"] > 0
    assert two["machine B"] > 0
    assert "| markets valued, 2 workers |" in text
