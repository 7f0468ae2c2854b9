"""Every command of docs/commands.md on a state that no command has used before.

A cluster takes seconds to make, and so do its tables. Those that need tables find one of them
missing, as after an upgrade that brings one: which migrations are missing, no command asks. One of
them makes all tables, and one the cluster as well.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from betting.config import CHECKOUT
from betting.management.needs import _NEEDS, Need, need_of
from betting.runtime import embedded
from betting.runtime.embedded import database_settings, ensure_running, status
from tests.betting.runtime.embedded.clients import database_url
from tests.integration.installation import Installation
from tests.support.cluster import lay

pytestmark = pytest.mark.timeout(180)

#: One of each command, with its exit status and what it says.
ON_TABLES = {
    "provider list": (0, "adapter"),
    "provider show odds_us": (1, "none has been added"),
    "circuit show odds_us": (1, "none has been added"),
    "bookmakers list": (0, "commission"),
    "matches doubtful": (0, ""),
    "results edges": (0, "claimed EV"),
    "backtest --hours-before 2": (1, "2 h before its start"),
    "settings list": (0, "HARDLINE_"),
    "subscribers list": (0, ""),
    "alerts list": (0, ""),
    "export edges": (0, "opened_at"),
    "deadletters list": (0, ""),
}
ON_NOTHING = {
    "services status": (3, "stopped"),
    "configuration": (0, "HARDLINE_"),
    "spectacular --format openapi-json": (0, "openapi"),
    "run --feed nothing.jsonl": (1, "nothing.jsonl"),
    "backtest --results nothing.csv": (1, "nothing.csv"),
    "baseline compare a.json b.json": (1, "a.json"),
    "benchmark compare a.json b.json": (1, "a.json"),
    "chaos --seeds 0": (2, "usage"),
    "simulate_provider --seed x": (2, "usage"),
    "drf_create_token admin": (0, "Generated token"),
    "role web": (1, "set DATABASE_URL and REDIS_URL"),
    "systemd --dir /dev/null/units": (1, "cannot be written"),
    "backup verify nothing.dump": (1, "nothing.dump is missing"),
}


def documented_commands() -> set[str]:
    """The commands of the table."""
    document = (CHECKOUT / "docs" / "commands.md").read_text()
    return set(re.findall(r"^\| `manage\.py (\w+)", document, flags=re.MULTILINE))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installed = Installation(tmp_path_factory.mktemp("new") / "home")
    yield installed
    installed.remove()


def test_the_document_lists_each_command_that_is_run_here() -> None:
    assert documented_commands() == {command.split()[0] for command in ON_TABLES | ON_NOTHING}


@pytest.mark.parametrize("command", ON_NOTHING)
def test_a_command_works_without_a_prior_step(installation: Installation, command: str) -> None:
    embedded.remove_state(installation.config)
    assert_works(installation.fork(*command.split()), *ON_NOTHING[command])


def test_a_command_makes_all_tables_where_there_are_none(installation: Installation) -> None:
    ensure_running(installation.config)
    installation.ask("DROP SCHEMA public CASCADE")
    installation.ask("CREATE SCHEMA public")

    assert_works(installation.fork("provider", "list"), *ON_TABLES["provider list"])

    assert installation.fork("migrate", "--check").returncode == 0


@pytest.fixture(scope="module")
def with_tables(installation: Installation, cluster: Path) -> Installation:
    """The installation with all tables, which it did not make."""
    embedded.remove_state(installation.config)
    lay(cluster, installation.config)
    return installation


@pytest.mark.parametrize("command", ON_TABLES)
def test_a_command_makes_the_table_that_is_missing(with_tables: Installation, command: str) -> None:
    migrations = without_sessions(with_tables)

    assert_works(with_tables.fork(*command.split()), *ON_TABLES[command])

    assert with_tables.ask(MIGRATIONS) == migrations
    assert with_tables.ask(HAS_SESSIONS) == [(True,)]


MIGRATIONS = "SELECT app, name FROM django_migrations ORDER BY app, name"
HAS_SESSIONS = "SELECT to_regclass('django_session') IS NOT NULL"


def without_sessions(installation: Installation) -> list[tuple[object, ...]]:
    """Leave servers that run, with tables that are one migration behind.

    Returns:
        the migrations that the tables have once they are up to date.
    """
    ensure_running(installation.config)
    migrations = installation.ask(MIGRATIONS)
    assert ("sessions", "0001_initial") in migrations
    installation.ask("DROP TABLE django_session")
    installation.ask("DELETE FROM django_migrations WHERE app = 'sessions'")
    return migrations


def assert_works(done: subprocess.CompletedProcess[str], status: int, said: str) -> None:
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


#: Of others' commands, those that ask no database; `check` alone asks one if it is told to.
WITHOUT_SERVERS = {
    "check",
    "collectstatic",
    "compilemessages",
    "createcachetable",  # the cache is in Redis
    "diffsettings",
    "findstatic",
    "generateschema",
    "makemessages",
    "optimizemigration",
    "sendtestemail",
    "spectacular",
    "startapp",
    "startproject",
}


def test_of_each_command_of_others_it_is_known_what_it_needs() -> None:
    ours = {"betting", "streaming", "valuation"}
    others = {name for name, app in get_commands().items() if app not in ours}
    assert others == (_NEEDS.keys() | WITHOUT_SERVERS) - {"migrate"}


@pytest.mark.parametrize(
    ("command", "need"),
    [
        ("runserver", Need.LOGIN),
        ("runserver --help", Need.NOTHING),
        ("check", Need.NOTHING),
        ("check --database default", Need.SERVERS),
        ("squashmigrations betting 0002", Need.SERVERS),
    ],
)
def test_a_command_of_djangos_finds_what_it_needs(command: str, need: Need) -> None:
    assert need_of(command.split()) == need


@pytest.mark.parametrize("command", ["nonsense", "provider", "provider show"])
def test_a_command_that_cannot_run_starts_nothing(installation: Installation, command: str) -> None:
    embedded.remove_state(installation.config)

    assert installation.fork(*command.split()).returncode != 0

    assert [server.is_running for server in status(installation.config)] == [False, False]


def test_commands_that_start_together_make_the_tables_once(installation: Installation) -> None:
    installation.remove()
    processes = [
        subprocess.Popen(
            installation.command(*command),
            env=installation.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in (
            ["provider", "list"],
            ["matches", "doubtful"],
            ["drf_create_token", "admin"],
        )
    ]
    ended = [(process.communicate()[1], process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0, 0], ended


def test_tables_of_another_server_are_left_to_whoever_runs_it(
    with_tables: Installation, tmp_path: Path
) -> None:
    without_sessions(with_tables)
    elsewhere = Installation(tmp_path / "elsewhere")
    elsewhere.environ["DATABASE_URL"] = database_url(database_settings(with_tables.config))
    try:
        done = elsewhere.fork("provider", "list")
        assert done.returncode == 2
        assert done.stderr == (
            "The tables of DATABASE_URL are not up to date:"
            " run `manage.py migrate` or `manage.py run`.\n"
        )
        assert elsewhere.fork("migrate").returncode == 0
        assert elsewhere.fork("provider", "list").returncode == 0
    finally:
        elsewhere.remove()
