"""Baselines of real processes: a trial in a state directory of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from betting.runtime import embedded
from streaming.benchmark.ab_trial import Trial
from tests.integration.installation import CHECKOUT, Installation
from tests.support.cluster import lay

SIMULATED = CHECKOUT / "tests" / "recordings" / "simulated.jsonl.gz"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def installation(tmp_path: Path, cluster: Path) -> Iterator[Installation]:
    installed = Installation(tmp_path / "home")
    lay(cluster, installed.config)
    yield installed
    installed.remove()


def test_a_trial_measures_every_process_and_leaves_its_row(
    installation: Installation, tmp_path: Path
) -> None:
    document = tmp_path / "trial.json"
    done = installation.fork(
        "baseline", "trial", SIMULATED, "--responses=3", "--label=three answers", "--out", document
    )
    assert done.returncode == 0, done.stderr
    trial = msgspec.json.decode(document.read_bytes(), type=Trial)
    baseline = trial.baseline
    assert (trial.problem, baseline.label) == ("", "three answers")
    assert baseline.cycles.duration_ms.count == 3
    changes = sum(baseline.changes.values())
    assert 0 < baseline.recomputes.markets_asked < changes
    assert trial.fair_prices
    assert (baseline.failures.dead_letters, baseline.overdue_markets) == (0, 0)
    programs = {"PostgreSQL", "Redis", "run", "worker-value", "worker-major", "worker-deliver"}
    assert baseline.processes.keys() == programs
    assert all(used.memory_bytes_max > 1_000_000 for used in baseline.processes.values())

    embedded.ensure_running(installation.config)
    labels = installation.ask("SELECT label FROM streaming_baselinesnapshot")
    assert labels == [("three answers",)]
    again = installation.fork("baseline", "trial", "--simulate", "--out", document)
    assert again.returncode == 1
    assert "begins with an empty database" in again.stderr
    assert json.loads(document.read_bytes())["baseline"]["schema"] == 1
