"""`manage.py chaos` with 20 seeds: nothing is lost, nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from betting.runtime.embedded import prepare_home
from streaming.chaos.run import HOME
from tests.integration.installation import Installation
from tests.support.cluster import lay

SEEDS = ("--first", "15", "--seeds", "20")
"""Every fault of Redis and of PostgreSQL, and some of providers; half of them with others."""

pytestmark = pytest.mark.timeout(900)


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

    done = installation.manage("chaos", *SEEDS, "--out", report)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 seeds: nothing was lost." in done.stdout
    assert "Failed seeds: none." in report.read_text()
    assert not apart.config.home.exists()
