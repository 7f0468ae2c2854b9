"""Reads from a standby: PostgreSQL's own streaming replication, and a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from betting.config import CHECKOUT
from betting.config.servers import only_servers
from betting.db.replica import LAG_SECONDS
from tests.integration.conftest import wait_until
from tests.support.tcp_servers import (
    TcpServer,
    is_listening,
    tcp_postgres,
    tcp_standby,
    tcp_valkey,
)

pytestmark = pytest.mark.timeout(120)

READER = """
import json, sys
from django.contrib.auth import get_user_model
from django.test import Client
from betting.db import replica
from tests.support import rows
from valuation.models import Edge

board = rows.make_board((2.1, 1.9), (2.0, 2.0), voices=3)
client = Client(headers={"host": "localhost"})
client.force_login(get_user_model().objects.create_user("reader"))
staff = Client(headers={"host": "localhost"})
staff.force_login(get_user_model().objects.create_superuser("staff"))
failed, note = [], replica._replica.failed
replica._replica.failed = lambda error: (failed.append(str(error)), note(error))
edge = Edge.objects.earliest("pk")
print(json.dumps([board.event.pk, board.market.pk, edge.pk, board.outcomes[0].pk]), flush=True)
for line in sys.stdin:
    failed.clear()
    answer = (staff if line.startswith("/health/") else client).get(line.strip())
    print(json.dumps([answer.status_code, answer.content.decode(), failed]), flush=True)
"""


class Reader:
    """A process of the product that is asked for pages.

    Attributes:
        event, market, edge, outcome: the ids of what it has written before.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.event, self.market, self.edge, self.outcome = self._line()

    def get(self, address: str) -> str:
        """The page, which was read without an error, from whichever server."""
        text, failed = self.get_despite_failures(address)
        assert failed == []
        return text

    def get_despite_failures(self, address: str) -> tuple[str, list[str]]:
        """The page, and the errors of the replica on the way to it."""
        status, text, failed = self._ask(address)
        assert status == 200, text
        return text, failed

    def health(self) -> tuple[str, str]:
        """Status and text of the replica's health check."""
        _, text, _ = self._ask("/health/")
        (told,) = json.loads(text)["checks"]["replica"]
        return told["status"], told["output"]

    def home(self) -> str:
        """The home team of the event, as the API shows it."""
        found: str = json.loads(self.get(f"/api/v1/events/{self.event}/"))["home"]
        return found

    def _ask(self, address: str) -> list[Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{address}\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> list[Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the reader has ended; its errors are above"
        found: list[Any] = json.loads(line)
        return found


class Pair:
    """A primary, its standby with the file of its process id, and a reader of both."""

    def __init__(
        self, primary: TcpServer, standby: TcpServer, standby_pid: Path, reader: Reader
    ) -> None:
        self.primary, self.standby, self.reader = primary, standby, reader
        self.standby_pid = standby_pid

    def rename(self, home: str) -> None:
        """Have the primary commit another home team."""
        with psycopg.connect(self.primary.database_url) as connection:
            connection.execute(
                "UPDATE betting_event SET home = %s WHERE id = %s", [home, self.reader.event]
            )

    def on_standby(self, statement: str, *values: object) -> Any:
        with psycopg.connect(self.standby.database_url) as connection:
            return connection.execute(statement.encode(), values).fetchone()

    def pauses_after(self, home: str) -> None:
        """Have the standby replay nothing after this name."""
        self.rename(home)
        shown = "SELECT FROM betting_event WHERE id = %s AND home = %s"
        wait_until(lambda: self.on_standby(shown, self.reader.event, home) is not None, "a replay")
        self.on_standby("SELECT pg_wal_replay_pause()")
        paused = "SELECT pg_get_wal_replay_pause_state()"
        wait_until(lambda: self.on_standby(paused) == ("paused",), "a pause")


@pytest.fixture(scope="module")
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def pair(servers: ExitStack) -> Pair:
    # PostgreSQL's account has to reach it, unlike pytest's own directory.
    name = servers.enter_context(tempfile.TemporaryDirectory(prefix="hardline-replica-"))
    directory = Path(name)
    directory.chmod(0o755)
    primary = servers.enter_context(tcp_postgres(directory))
    standby = servers.enter_context(tcp_standby(directory, primary))
    valkey = servers.enter_context(tcp_valkey(directory))
    urls = only_servers(
        DATABASE_URL=primary.database_url,
        DATABASE_REPLICA_URL=standby.database_url,
        REDIS_URL=valkey.redis_url,
    )
    manage = [sys.executable, str(CHECKOUT / "manage.py")]
    environ = {**os.environ, "HARDLINE_HOME": str(directory / "home"), **urls}
    subprocess.run([*manage, "migrate", "--verbosity=0"], env=environ, check=True)
    process = servers.enter_context(
        subprocess.Popen(
            [*manage, "shell", "--no-imports", "-c", READER],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
    )
    servers.callback(process.kill)
    return Pair(primary, standby, directory / "standby" / "postmaster.pid", Reader(process))


def test_a_standby_that_has_everything_is_read_though_the_primary_commits_nothing(
    pair: Pair,
) -> None:
    # A primary that nothing is written to, whose last commit is older than the limit.
    behind = """
    SELECT clock_timestamp() - pg_last_xact_replay_timestamp() > make_interval(secs => %s)
    """
    wait_until(lambda: pair.on_standby(behind, LAG_SECONDS + 1) == (True,), "the age of a commit")
    status, text = pair.reader.health()
    assert (status, text) == ("pass", "The replica is 0 s behind.")

    pair.reader.home()
    last = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()"
    assert pair.on_standby(last, '%FROM "betting_%') == (1,), "a page was read there"


def test_prices_are_read_from_a_standby_while_it_lives_and_is_close_behind(pair: Pair) -> None:
    reader = pair.reader
    pair.pauses_after("Before")
    pair.rename("After")

    # The standby has not heard of the new name yet, and may be read for seconds.
    assert reader.home() == "Before"
    named = (
        f"/events/{reader.event}/", f"/edges/{reader.edge}/", "/api/v1/events/",
        "/api/v1/markets/", f"/api/v1/markets/{reader.market}/", "/api/v1/quotes/",
        "/api/v1/edges/",
    )  # fmt: skip
    others = (
        "/?tab=before", "/?tab=in_play", "/?tab=arbitrages", "/?tab=moves",
        f"/history/{reader.outcome}/", f"/api/v1/markets/{reader.market}/best/",
        "/api/v1/fair-prices/", "/api/v1/arbitrages/", "/api/v1/middles/", "/api/v1/clv/",
    )  # fmt: skip
    for page in (*named, *others):
        pair.on_standby("SELECT pg_wal_replay_resume()")
        pair.pauses_after("Before")
        pair.rename("After")
        text = reader.get(page)
        assert "After" not in text
        assert "Before" in text or page in others

    # It falls behind: the primary answers, and says what it knows.
    wait_until(lambda: reader.home() == "After", "the primary's answer")
    status, text = reader.health()
    assert status == "warn"
    assert "behind (limit 5 s)" in text
    pair.on_standby("SELECT pg_wal_replay_resume()")
    pair.pauses_after("Again")
    pair.rename("Last")
    wait_until(lambda: reader.home() == "Again", "the standby's answer")

    # It dies, for good: whoever asks next is answered all the same.
    os.kill(int(pair.standby_pid.read_text().split()[0]), signal.SIGQUIT)
    wait_until(lambda: not is_listening(pair.standby.port), "the standby's end")
    text, _ = reader.get_despite_failures(f"/api/v1/events/{reader.event}/")
    assert json.loads(text)["home"] == "Last"
    assert "Last" in reader.get(f"/events/{reader.event}/")
    status, text = reader.health()
    assert status == "warn"
    assert text.startswith("The replica does not answer: OperationalError.")
    assert pair.standby.password not in text
