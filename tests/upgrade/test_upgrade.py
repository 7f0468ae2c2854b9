"""An upgrade under a stream: workers of the release before go on while the new migrations run.

The release before is the newest tag with other migrations or, without one, the newest commit with
other migrations. `make upgrade-test` runs this: it takes a minute, and needs the history of git.
"""

from __future__ import annotations

import gzip
import io
import json
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from betting.runtime import embedded
from streaming.chaos.feeds import SharedMarket
from streaming.simulator.running import API_KEY, running_simulator
from tests.betting.runtime.embedded.clients import database_url
from tests.integration import feed_reader
from tests.integration.conftest import wait_until
from tests.integration.feed_reader import Key
from tests.integration.installation import CHECKOUT, Installation
from tests.integration.live_run import free_ports

pytestmark = pytest.mark.timeout(500)

KEY_ENV = "HARDLINE_KEY_UPGRADE"
SPORTS = ("soccer_epl", "basketball_nba")
MARKETS, REGIONS = ("h2h", "spreads", "totals"), ("eu", "uk")
PATIENCE_SECONDS = 90.0

MIGRATIONS = "SELECT count(*) FROM django_migrations"
POLLS = "SELECT count(*) FROM streaming_pollrun WHERE outcome = 'ok'"
FAILED = (
    "SELECT * FROM streaming_pollrun WHERE outcome NOT IN ('ok', 'superseded', 'held', 'repeated')"
)
VALUED = "SELECT count(*) FROM valuation_recomputerun"
UNVALUED = "SELECT count(*) FROM betting_market WHERE version <> valued_version"
LETTERS = "SELECT kind, task, status, message FROM streaming_deadletter"


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    return done.stdout


def migrations_of(commit: str) -> list[str]:
    files = git("ls-tree", "-r", "--name-only", commit).splitlines()
    return sorted(file for file in files if "/migrations/0" in file)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the release before."""
    commits = (
        git("tag", "--sort=-creatordate").split()
        or git("rev-list", "--first-parent", "HEAD").split()
    )
    now = migrations_of("HEAD")
    commit = next((each for each in commits if migrations_of(each) != now), "")
    if not commit:
        pytest.skip("git has no commit with other migrations here")
    folder = tmp_path_factory.mktemp("before")
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=CHECKOUT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    print(f"the release before: {git('log', '-1', '--format=%h %s', commit)}")
    return folder


class Release(Installation):
    """A checkout's commands on the shared servers, with a state directory of its own."""

    def __init__(self, home: Path, checkout: Path, servers: dict[str, str]) -> None:
        super().__init__(home)
        self.checkout = checkout
        self.environ |= {**servers, KEY_ENV: API_KEY}

    def command(self, *arguments: str | Path) -> list[str | Path]:
        return [sys.executable, self.checkout / "manage.py", *arguments]

    def do(self, *arguments: str) -> None:
        done = self.manage(*arguments)
        assert done.returncode == 0, done.stderr

    @contextmanager
    def running(self) -> Iterator[None]:
        """All processes of a run, which end in order with the block."""
        told = Path(self.environ["HARDLINE_HOME"]).with_suffix(".told")
        command = self.command("run", "--no-simulator", "--port", str(free_ports(3)))
        with (
            told.open("w") as output,
            subprocess.Popen(
                command, env=self.environ, cwd=self.checkout, stdout=output, stderr=output
            ) as run,
        ):
            try:
                wait_until(
                    lambda: "Ctrl-C stops" in told.read_text() or run.poll() is not None,
                    "the start", PATIENCE_SECONDS,
                )  # fmt: skip
                assert run.poll() is None, told.read_text()
                yield
            finally:
                run.send_signal(signal.SIGINT)
                run.wait(PATIENCE_SECONDS)


def reading_of(market: SharedMarket, directory: Path) -> dict[Key, float]:
    """The frozen market as an independent reader has it."""
    lines = []
    for sport in SPORTS:
        path = f"/v4/sports/{sport}/odds"
        params = {
            "markets": ",".join(MARKETS),
            "regions": ",".join(REGIONS),
            "oddsFormat": "decimal",
        }
        answer = market.answer(path, {**params, "apiKey": API_KEY}, datetime.now(UTC))
        lines.append({
            "received_at": datetime.now(UTC).isoformat(), "provider": "the_odds_api",
            "request": {"path": path, "params": params}, "status": answer.status,
            "body": json.loads(answer.body),
        })  # fmt: skip
    feed = directory / "frozen.jsonl.gz"
    feed.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    active: dict[Key, float] = feed_reader.read(feed).active
    return active


def test_a_stream_goes_on_through_an_upgrade_and_loses_nothing(
    before: Path, tmp_path: Path
) -> None:
    base = Installation(tmp_path / "servers")
    embedded.ensure_running(base.config)
    servers = {
        "DATABASE_URL": database_url(embedded.database_settings(base.config)),
        "REDIS_URL": embedded.redis_url(base.config),
    }
    old = Release(tmp_path / "old", before, servers)
    new = Release(tmp_path / "new", CHECKOUT, servers)
    market = SharedMarket(seed=1)

    def go_on() -> None:
        """Wait until more answers have come and have been valued."""
        (polled,), (valued,) = base.ask(POLLS)[0], base.ask(VALUED)[0]
        assert isinstance(polled, int)
        assert isinstance(valued, int)
        wait_until(lambda: base.ask(POLLS) >= [(polled + 8,)], "polls", PATIENCE_SECONDS)
        wait_until(lambda: base.ask(VALUED) > [(valued,)], "values", PATIENCE_SECONDS)

    try:
        with running_simulator(market) as simulator:
            old.do("migrate", "--verbosity", "0")
            old.do(
                "provider", "add", "odds", "--base-url", simulator.base_url, "--sport", *SPORTS,
                "--markets", *MARKETS, "--regions", *REGIONS, "--interval", "1",
                "--api-key-env", KEY_ENV,
            )  # fmt: skip
            migrated = base.ask(MIGRATIONS)
            with ExitStack() as old_run:
                old_run.enter_context(old.running())
                go_on()
                new.do("migrate", "--verbosity", "0")
                assert base.ask(MIGRATIONS) > migrated
                go_on()  # old code on new tables
                with new.running():
                    go_on()  # both side by side
                    old_run.close()
                    go_on()  # the new one alone
                    market.freeze()
                    (polled,) = base.ask(POLLS)[0]
                    assert isinstance(polled, int)
                    frozen: list[tuple[object, ...]] = [(polled + 2 * len(SPORTS),)]
                    wait_until(lambda: base.ask(POLLS) >= frozen, "polls", PATIENCE_SECONDS)
                    wait_until(lambda: base.ask(UNVALUED) == [(0,)], "values", PATIENCE_SECONDS)
                    expected = reading_of(market, tmp_path)
                    rows = new.export("quotes", "--status", "active")
        found = {Key(*(row[column] for column in Key._fields)): row["price"] for row in rows}
        assert expected
        assert found == expected
        assert base.ask(LETTERS) == []
        assert base.ask(FAILED) == []
        assert [*tmp_path.glob("*/dead-letters*")] == []
    finally:
        old.end_forks()
        new.end_forks()
        base.remove()
