"""`manage.py chaos` with 20 seeds: nothing is lost, nothing is left; and a recording of health."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from betting.runtime.embedded import prepare_home
from streaming.benchmark.health.recording import decode
from streaming.chaos.run import HOME
from streaming.core.health import Status
from tests.integration.installation import Installation
from tests.support.cluster import lay

SEEDS = ("--first", "15", "--seeds", "20")
"""Every fault of Redis and of PostgreSQL, and some of providers; half of them with others."""

LONG_OUTAGE = "7"
"""The seed of a recording that begins with a long outage of Redis."""

CHAOS_SECONDS = 1_500
"""Chaos bounds each wait of a seed by itself, and says which was too long; this is for a hang."""

pytestmark = pytest.mark.timeout(1_600)


@pytest.fixture
def apart(cluster: Path, tmp_path: Path) -> Iterator[Installation]:
    """The installation that chaos strikes: with tables, so that it starts sooner."""
    prepare_home(tmp_path / "home")
    installation = Installation(tmp_path / "home" / HOME)
    lay(cluster, installation.config)
    yield installation
    installation.remove()


def test_nothing_is_lost_and_nothing_is_left(apart: Installation, tmp_path: Path) -> None:
    installation = Installation(apart.config.home.parent)
    report = tmp_path / "chaos.md"

    done = installation.manage("chaos", *SEEDS, "--out", report, seconds=CHAOS_SECONDS)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 seeds: nothing was lost." in done.stdout
    assert "Failed seeds: none." in report.read_text()
    assert not apart.config.home.exists()


def test_a_recording_of_health_shows_a_fault_after_a_calm(
    apart: Installation, tmp_path: Path
) -> None:
    installation = Installation(apart.config.home.parent)
    file = tmp_path / "recording.json"

    options = ("--record-health", file, "--episodes", "1", "--first", LONG_OUTAGE)
    done = installation.manage("chaos", *options, seconds=CHAOS_SECONDS)

    assert done.returncode == 0, done.stdout + done.stderr
    (episode,) = decode(file.read_bytes()).episodes
    assert (episode.name, episode.kind) == ("Redis stopped", "fault")
    wrong = {
        at: {each.name for each in checks if each.status is Status.FAIL}
        for at, checks in episode.moments()
    }
    assert not any(names for at, names in wrong.items() if at < episode.struck_at)
    assert any("redis" in names for at, names in wrong.items() if at > episode.struck_at)
    assert not apart.config.home.exists()
