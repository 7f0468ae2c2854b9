"""The benchmark with real workers: it measures, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from betting.runtime import embedded
from streaming.benchmark.isolation import database_name
from streaming.benchmark.results.document import decode
from tests.betting.runtime.embedded.clients import redis_client
from tests.integration.conftest import wait_until
from tests.integration.installation import COMMAND_SECONDS, Installation
from tests.support.cluster import lay

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, cluster: Path) -> Iterator[Installation]:
    """Servers that go on from one test to the next: each leaves them as they were."""
    installed = Installation(tmp_path_factory.mktemp("benchmark") / "home")
    lay(cluster, installed.config)
    embedded.ensure_running(installed.config)
    yield installed
    installed.remove()


def is_made(installation: Installation) -> bool:
    """Whether the benchmark's database is there."""
    name = database_name(installation.config.home)
    return bool(installation.ask(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"))


def assert_nothing_is_left(installation: Installation) -> None:
    assert not is_made(installation)
    with redis_client(installation.config) as client:
        assert client.info("keyspace") == {}
    assert not (installation.config.home / "benchmark" / "work").exists()
    assert installation.ask("SELECT count(*) FROM betting_provider") == [(0,)]


def test_each_contender_does_the_same_work_and_nothing_is_left(
    installation: Installation, tmp_path: Path
) -> None:
    done = installation.fork("benchmark", "run", "--quick", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    result = decode((tmp_path / "out" / "result.json").read_bytes())
    figures = {each.contender: each.figures for each in result.measurements}
    assert figures.keys() == {"naive", "hardline", "floor"}
    for each in figures.values():
        assert (each["changes"], each["history_rows"]) == (50, 50)
        assert each["changes_per_second"] > 0
        assert each["cpu_seconds_per_1000"] > 0
        assert each["p99_ms"] >= each["p50_ms"] > 0
    assert figures["naive"]["recomputes_per_change"] == 1
    assert figures["hardline"]["recomputes_per_change"] < 1
    assert "| 5 markets | naive |" in (tmp_path / "out" / "report.md").read_text("utf-8")
    assert_nothing_is_left(installation)


def test_a_short_saturday_has_figures_of_each_part_of_the_day(
    installation: Installation, tmp_path: Path
) -> None:
    options = ("--rounds", "1", "--match-day-seconds", "12", "--out", tmp_path)
    done = installation.fork("benchmark", "run", "match-day", *options)

    assert done.returncode == 0, done.stderr
    result = decode((tmp_path / "result.json").read_bytes())
    figures = {each.case: each.figures for each in result.measurements}
    assert list(figures) == ["in play", "kick-off", "provider flaps"]
    for each in figures.values():
        assert each["p99_ms"] >= each["p50_ms"] > 0
    assert figures["in play"]["wrong_fair_prices"] == 0
    same = installation.fork(
        "benchmark", "compare", tmp_path / "result.json", tmp_path / "result.json"
    )
    assert same.returncode == 0, same.stderr
    assert "the median of A" in same.stdout
    assert_nothing_is_left(installation)


def test_an_interrupt_ends_the_workers_and_removes_everything(installation: Installation) -> None:
    """As a job in the background of a script, which a shell begins with SIGINT ignored."""
    log = installation.config.home / "benchmark" / "work" / "logs" / "feeder.log"
    begun = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    with subprocess.Popen(
        [*begun, *installation.command("benchmark", "run", "--quick", "--rounds=100")],
        env=installation.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(log.exists, "the measuring process")
            assert is_made(installation)
        finally:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=COMMAND_SECONDS)
    assert process.returncode == 130, said
    assert "everything it made is removed" in said
    assert_nothing_is_left(installation)
