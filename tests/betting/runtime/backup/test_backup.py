"""Backups of the tests' own database, and all that is refused."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg import sql

from betting.config import Config
from betting.runtime import backup
from betting.runtime.backup import server as servers_module
from betting.runtime.backup.manifest import Manifest, manifest_file
from betting.runtime.backup.progress import TableProgress
from betting.runtime.backup.server import Server, client_programs, server_of
from tests.betting.runtime.embedded.clients import query

NAME = "backup_test"


def unseen(_what: str, _share: float) -> None:
    """Show nothing."""


@pytest.fixture
def database(servers: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An empty database, which is the configured one."""
    drop = f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"
    query(servers, drop)
    query(servers, f"CREATE DATABASE {NAME} TEMPLATE template0")
    server = server_of(servers).with_database(NAME)
    for module in ("creation", "verification", "restoration"):
        monkeypatch.setattr(f"betting.runtime.backup.{module}.server_of", lambda _: server)
    yield server
    query(servers, drop)


def ask(server: Server, *statements: str) -> list[tuple[object, ...]]:
    """The rows of the last statement."""
    with server.connect() as connection:
        for statement in statements:
            cursor = connection.execute(sql.SQL(statement))
        return cursor.fetchall() if cursor.description else []


def fill(server: Server) -> None:
    ask(
        server,
        "CREATE TABLE django_migrations (app text, name text)",
        "INSERT INTO django_migrations VALUES ('betting', '0001_initial')",
        "CREATE TABLE prices (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, price float8)",
        "INSERT INTO prices (price) SELECT 1.5 FROM generate_series(1, 100)",
    )


@pytest.fixture
def dump(servers: Config, database: Server, tmp_path: Path) -> Path:
    """A backup of a database with a few rows."""
    fill(database)
    path = tmp_path / "odds.dump"
    backup.create(servers, path, unseen)
    return path


def empty(server: Server) -> None:
    ask(server, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


def changed(dump: Path, **fields: object) -> None:
    """Change what the manifest says."""
    path = manifest_file(dump)
    manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, **fields)))


def test_a_manifest_says_what_the_dump_holds(dump: Path) -> None:
    manifest = msgspec.json.decode(manifest_file(dump).read_bytes(), type=Manifest)
    assert manifest.rows == {"django_migrations": 1, "prices": 100}
    assert manifest.migrations == ["betting.0001_initial"]
    assert manifest.bytes == dump.stat().st_size
    assert {stat.S_IMODE(path.stat().st_mode) for path in (dump, manifest_file(dump))} == {0o600}


def test_a_backup_is_of_one_moment_while_rows_are_written(
    servers: Config, database: Server, tmp_path: Path
) -> None:
    fill(database)
    writes = iter(range(1_000))

    def write(_what: str, _share: float) -> None:
        next(writes)
        ask(database, "INSERT INTO prices (price) VALUES (2.5)")

    manifest = backup.create(servers, tmp_path / "odds.dump", write)

    assert next(writes) >= 2
    assert manifest.rows["prices"] == 100
    assert backup.verify(servers, tmp_path / "odds.dump", unseen) == manifest


def partition(server: Server) -> None:
    """Have a table with a row in each of two partitions."""
    ask(
        server,
        "CREATE TABLE changes (at date) PARTITION BY RANGE (at)",
        "CREATE TABLE changes_old PARTITION OF changes FOR VALUES FROM (MINVALUE)"
        " TO ('2026-01-01')",
        "CREATE TABLE changes_new PARTITION OF changes DEFAULT",
        "INSERT INTO changes VALUES ('2025-05-05'), ('2026-05-05')",
    )


def test_no_partition_is_dropped_from_under_a_backup_and_rows_count_once(
    servers: Config, database: Server, tmp_path: Path
) -> None:
    fill(database)
    partition(database)
    refused = []

    def drop(_what: str, _share: float) -> None:
        with pytest.raises(psycopg.errors.LockNotAvailable) as error:
            ask(database, "SET lock_timeout = '20ms'", "DROP TABLE changes_old")
        refused.append(error)

    manifest = backup.create(servers, tmp_path / "odds.dump", drop)

    assert len(refused) >= 2
    assert manifest.rows == {
        "changes_new": 1,
        "changes_old": 1,
        "django_migrations": 1,
        "prices": 100,
    }
    assert backup.verify(servers, tmp_path / "odds.dump", unseen) == manifest
    ask(database, "DROP TABLE changes_old")


def test_a_partition_that_is_being_dropped_is_not_in_the_backup(
    servers: Config, database: Server, tmp_path: Path
) -> None:
    fill(database)
    partition(database)
    with (
        database.connect(autocommit=False) as dropping,
        ThreadPoolExecutor(1) as pool,
        database.connect() as watch,
    ):
        dropping.execute("DROP TABLE changes_old")
        manifest = pool.submit(backup.create, servers, tmp_path / "odds.dump", unseen)
        waiting = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'changes'::regclass"
        while not manifest.done() and not watch.execute(waiting).fetchall():
            pass
        dropping.commit()
        assert manifest.result().rows == {"changes_new": 1, "django_migrations": 1, "prices": 100}
    backup.verify(servers, tmp_path / "odds.dump", unseen)


def test_a_dump_that_fails_leaves_no_file(
    servers: Config, database: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database)
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "pg_dump"
    program.write_text(
        "#!/bin/sh\necho half\necho 'pg_dump: error: the disk is full' >&2\nexit 1\n"
    )
    program.chmod(0o700)
    monkeypatch.setattr("betting.runtime.backup.creation.client_programs", lambda _: programs)

    with pytest.raises(backup.BackupError, match="the disk is full"):
        backup.create(servers, tmp_path / "odds.dump", unseen)

    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_no_file_is_overwritten(servers: Config, dump: Path) -> None:
    before = dump.read_bytes()
    with pytest.raises(backup.BackupError, match="exists already"):
        backup.create(servers, dump, unseen)
    assert dump.read_bytes() == before


def test_a_database_without_tables_is_not_backed_up(
    servers: Config,
    database: Server,  # noqa: ARG001 - asks for a fixture
    tmp_path: Path,
) -> None:
    with pytest.raises(backup.BackupError, match="has no tables of Hardline"):
        backup.create(servers, tmp_path / "odds.dump", unseen)
    assert not list(tmp_path.iterdir())


def test_a_restored_database_goes_on_where_the_old_one_was(
    servers: Config, database: Server, dump: Path
) -> None:
    empty(database)
    backup.restore(servers, dump, unseen, replaces=False)
    assert ask(database, "INSERT INTO prices (price) VALUES (3) RETURNING id") == [(101,)]


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_dump_is_refused_before_anything_is_changed(
    servers: Config, database: Server, dump: Path, damage: str
) -> None:
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-10] if damage == "cut" else whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(backup.BackupError, match="cut short or changed"):
        backup.verify(servers, dump, unseen)
    with pytest.raises(backup.BackupError, match="cut short or changed"):
        backup.restore(servers, dump, unseen, replaces=True)
    assert ask(database, "SELECT count(*) FROM prices") == [(100,)]


def test_a_dump_without_its_manifest_is_refused(servers: Config, dump: Path) -> None:
    manifest_file(dump).unlink()
    with pytest.raises(backup.BackupError, match="is missing"):
        backup.verify(servers, dump, unseen)


def test_verifying_compares_the_rows_and_leaves_no_database(servers: Config, dump: Path) -> None:
    changed(dump, rows={"django_migrations": 1, "prices": 99})
    with pytest.raises(backup.BackupError, match="other rows than the manifest says: prices"):
        backup.verify(servers, dump, unseen)
    left = "SELECT datname FROM pg_database WHERE datname LIKE 'hardline_verify%'"
    assert query(servers, left) == []


def test_tables_are_replaced_only_if_asked(servers: Config, database: Server, dump: Path) -> None:
    ask(database, "DELETE FROM prices")
    with pytest.raises(backup.BackupError, match="--replace"):
        backup.restore(servers, dump, unseen, replaces=False)
    assert ask(database, "SELECT count(*) FROM prices") == [(0,)]
    backup.restore(servers, dump, unseen, replaces=True)
    assert ask(database, "SELECT count(*) FROM prices") == [(100,)]


def test_a_restore_that_fails_brings_the_old_tables_back(
    servers: Config, database: Server, dump: Path
) -> None:
    ask(database, "INSERT INTO prices (price) VALUES (2.5)")
    changed(dump, rows={"prices": 1})
    with pytest.raises(backup.BackupError, match="other rows"):
        backup.restore(servers, dump, unseen, replaces=True)
    assert ask(database, "SELECT count(*) FROM prices") == [(101,)]
    schemas = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^(public|hardline)' "
    assert ask(database, schemas) == [("public",)]


def test_tables_that_a_killed_restore_set_aside_are_kept_until_the_next_has_succeeded(
    servers: Config, database: Server, dump: Path
) -> None:
    ask(database, "ALTER SCHEMA public RENAME TO hardline_replaced", "CREATE SCHEMA public")
    changed(dump, rows={"prices": 1})
    with pytest.raises(backup.BackupError, match="other rows"):
        backup.restore(servers, dump, unseen, replaces=False)
    assert ask(database, "SELECT count(*) FROM public.prices") == [(100,)]


def test_a_database_that_is_used_is_not_replaced(
    servers: Config, database: Server, dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("betting.runtime.backup.restoration._END_SECONDS", 0.0)
    with (
        database.connect(),
        pytest.raises(backup.BackupError, match="Others use the database"),
    ):
        backup.restore(servers, dump, unseen, replaces=True)


def test_a_backup_of_a_newer_release_is_refused(
    servers: Config, database: Server, dump: Path
) -> None:
    empty(database)
    changed(dump, migrations=["betting.0001_initial", "betting.9999_of_tomorrow"])
    with pytest.raises(backup.BackupError, match=r"does not know betting\.9999_of_tomorrow"):
        backup.restore(servers, dump, unseen, replaces=False)


def test_a_backup_of_a_newer_server_is_refused(
    servers: Config, database: Server, dump: Path
) -> None:
    empty(database)
    changed(dump, postgres=99)
    with pytest.raises(backup.BackupError, match="is of PostgreSQL 99, and this server is 18"):
        backup.restore(servers, dump, unseen, replaces=False)


def test_no_argument_of_a_program_holds_the_password(tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text('#!/bin/sh\necho "$@" >&2\nenv >&2\n')
    program.chmod(0o700)
    server = Server(
        {"dbname": "odds", "user": "ana", "password": "s3cret", "host": "db", "sslmode": "require"}
    )
    lines: list[str] = []
    server.run(program, ["--verbose"], lines.append)
    arguments, *environ = [line.strip() for line in lines]
    assert "s3cret" not in arguments
    assert {"PGPASSWORD=s3cret", "PGUSER=ana", "PGHOST=db", "PGSSLMODE=require"} <= set(environ)
    assert not [line for line in environ if line.startswith("HARDLINE")]


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers_module, "_folders", list)
    with pytest.raises(backup.BackupError, match="apt install postgresql-client-17"):
        client_programs(17)


def test_the_nearest_newer_programs_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in (15, 17, 18):
        folder = tmp_path / str(version)
        folder.mkdir()
        for name in ("pg_dump", "pg_restore"):
            (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}.2'\n")
            (folder / name).chmod(0o755)
    monkeypatch.setattr(servers_module, "_folders", lambda: list(tmp_path.iterdir()))
    assert [client_programs(asked).name for asked in (14, 16, 18)] == ["15", "17", "18"]
    (tmp_path / "17" / "pg_restore").unlink()
    assert client_programs(16).name == "18"


def test_progress_is_by_the_rows_of_the_tables() -> None:
    shown: list[tuple[str, float]] = []
    progress = TableProgress({"a": 1, "b": 3}, "dumping", lambda *seen: shown.append(seen))
    progress.on_line('pg_dump: dumping contents of table "public.a"\n')
    progress.on_line("pg_dump: saving encoding\n")
    progress.on_line('pg_dump: dumping contents of table "public.b"\n')
    assert shown == [("dumping a", 0.0), ("dumping b", 0.25)]


def test_a_server_that_is_away_is_an_error_of_postgresql(
    servers: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Server({"host": str(tmp_path), "dbname": "odds"})
    monkeypatch.setattr("betting.runtime.backup.creation.server_of", lambda _: away)
    with pytest.raises(psycopg.OperationalError):
        backup.create(servers, tmp_path / "odds.dump", unseen)
