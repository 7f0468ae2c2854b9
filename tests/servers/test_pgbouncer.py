"""DATABASE_URL is that of PgBouncer in transaction mode; DATABASE_SESSION_URL leads past it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.live_run import free_ports
from tests.servers.conftest import (
    RECORDING,
    Site,
    assert_is_the_published_replay,
    require,
)
from tests.servers.pooler import running_pgbouncer
from tests.support.tcp_servers import TcpServer, wait_for


@pytest.fixture
def pgbouncer(site: Site, directory: Path) -> Iterator[TcpServer]:
    require("pgbouncer", "pgbouncer")
    with running_pgbouncer(site.postgres, directory) as pooler:
        yield pooler


@pytest.fixture
def pooled(site: Site, pgbouncer: TcpServer) -> Site:
    site.environ["DATABASE_SESSION_URL"] = site.postgres.database_url
    site.environ["DATABASE_URL"] = pgbouncer.database_url
    return site


def test_a_replay_over_the_pooler_has_exact_counts(pooled: Site) -> None:
    output = pooled.do("run", "--feed", RECORDING, "--until-idle", "--json")

    assert_is_the_published_replay(pooled, output)


def test_a_pooler_without_a_way_past_it_is_refused_with_the_variable_that_is_missing(
    pooled: Site,
) -> None:
    del pooled.environ["DATABASE_SESSION_URL"]

    done = pooled.manage("migrate")

    assert done.returncode != 0
    assert "DATABASE_SESSION_URL has to lead past" in done.stderr


def test_a_pooler_is_not_taken_for_a_way_past_it(pooled: Site) -> None:
    pooled.environ["DATABASE_SESSION_URL"] = pooled.environ["DATABASE_URL"]

    done = pooled.manage("migrate")

    assert done.returncode != 0
    assert "correct DATABASE_SESSION_URL" in done.stderr


SESSIONS_AND_TRANSACTIONS = """
import threading
from django.db import connection, connections
from betting.db.advisory_locks import POLLS, session_lock
from betting.db.sessions import LIMITS, keep_session
from betting.models import Sport
from betting.db.exports import QUOTES

def one(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]

def is_free():
    found = []
    def look():
        with session_lock(POLLS, 7, idle_seconds=60) as is_held:
            found.append(is_held)
        connections.close_all()
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]

# What each transaction of the pooler begins with.
assert {name: one(f"SHOW {name}") for name in LIMITS} == dict(LIMITS), "the limits"
assert one("SHOW timezone") == "UTC"

# A turn is held while the pooler's sessions change hands, and is free after it.
with session_lock(POLLS, 7, idle_seconds=60) as is_held:
    assert is_held
    for number in range(20):
        Sport.objects.get_or_create(key=f"sport-{number}", defaults={"title": "x"})
        keep_session()
        assert not is_free()
assert is_free()
assert one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0

# Nothing was left in a session of the pooler for whoever has it next.
assert one("SELECT count(*) FROM pg_prepared_statements") == 0
assert list(QUOTES.fetch(None)) == []
print("as it should be")
"""


def test_turns_limits_and_exports_hold_over_the_pooler(pooled: Site) -> None:
    pooled.do("migrate")

    assert pooled.do("shell", "-c", SESSIONS_AND_TRANSACTIONS).splitlines()[-1] == "as it should be"


def test_polls_take_turns_over_the_pooler(pooled: Site) -> None:
    answered = "SELECT count(*) FROM streaming_pollrun WHERE outcome = 'ok'"
    edges = "SELECT count(*) FROM valuation_edge"
    pooled.do("migrate")

    with pooled.running("run", "--port", str(free_ports(3))):
        wait_for(lambda: pooled.ask(answered)[0][0] >= 20, "twenty answers", 120)
        wait_for(lambda: pooled.ask(edges)[0][0] > 0, "an edge", 60)

    failed = "SELECT outcome, failure_message FROM streaming_pollrun WHERE outcome <> 'ok'"
    assert pooled.ask(failed) == []
    assert pooled.ask("SELECT message FROM streaming_deadletter") == []
    turns = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert pooled.ask(turns) == [(0,)]
