"""Partitioning tables that have rows, forward and backward, beside the release before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event as Signal
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState
from psycopg import sql
from pytest_django import DjangoDbBlocker

from betting.db import partitioning
from betting.db.partitioning import PartitionByTime, _Target
from betting.db.sql import execute, fetch_all
from betting.models import LineChange
from streaming.core.partitions import midnight
from streaming.models import PollRun
from tests.support import rows
from valuation.models import RecomputeRun

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(180)]

BEFORE = [
    ("betting", "0033_price_groups"),
    ("streaming", "0022_poll_plans"),
    ("valuation", "0019_settlements"),
]
MODELS = (LineChange, PollRun, RecomputeRun)


def migrate(*targets: tuple[str, str]) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate([*targets] or executor.loader.graph.leaf_nodes())


@pytest.fixture(scope="module")
def before(
    django_db_setup: None,  # noqa: ARG001 - asks for a fixture
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[str]:
    """A database with the tables as the release before has them, to be copied.

    The way back to it takes longer than a test.
    """
    named = connection.settings_dict["NAME"]
    before = f"{named}_before"
    with django_db_blocker.unblock():
        copy(named, before)
        with using(before):
            migrate(*BEFORE)
        yield before
        drop(before)


@pytest.fixture
def whole(before: str) -> Iterator[None]:
    """The tables as the release before has them."""
    whole = f"{before}_whole"
    copy(before, whole)
    try:
        with using(whole):
            yield
    finally:
        drop(whole)


@contextmanager
def using(database: str) -> Iterator[None]:
    """Have Django's connection lead to another database."""
    named = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = database
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = named


def copy(database: str, to: str) -> None:
    connection.close()  # a database that is in use is not copied
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{to}" TEMPLATE "{database}" STRATEGY FILE_COPY')


def drop(database: str) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def ids(model: Any) -> list[int]:
    return list(model.objects.order_by("pk").values_list("pk", flat=True))


def definition(table: str) -> dict[str, list[Any]]:
    """All that the database knows of a table's columns, indexes, constraints and triggers."""
    statements = {
        "columns": "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = to_regclass(%(t)s) AND attnum > 0 AND NOT attisdropped ORDER BY attname",
        "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %(t)s ORDER BY 1",
        "constraints": "SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint"
        " WHERE conrelid = to_regclass(%(t)s) AND contype <> 'n' ORDER BY 1",
        "triggers": "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE tgrelid = to_regclass(%(t)s) AND NOT tgisinternal ORDER BY 1",
        "identity": "SELECT attidentity::text FROM pg_attribute"
        " WHERE attrelid = to_regclass(%(t)s) AND attname = 'id'",
        "grants": "SELECT array_agg(a::text ORDER BY a::text) FROM pg_class"
        " CROSS JOIN LATERAL unnest(relacl) AS a WHERE oid = to_regclass(%(t)s)",
    }
    return {name: fetch_all(each, {"t": table}) for name, each in statements.items()}


def fill() -> Callable[[], None]:
    """Make a row of each model; the result makes more."""
    market = rows.make_market(rows.make_event())
    feed = rows.make_feed(rows.make_provider())
    quote = rows.make_quote(rows.make_outcome(market, "Over"), feed)

    def more() -> None:
        rows.make_change(quote)
        rows.make_poll_run(feed.provider)
        rows.make_recompute_run()

    more()
    return more


def kind(model: Any) -> str:
    statement = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass(%(t)s)"
    ((found,),) = fetch_all(statement, {"t": model._meta.db_table})
    return str(found)


@pytest.mark.usefixtures("whole")
def test_rows_stay_and_ids_go_on_forward_and_backward() -> None:
    more = fill()
    more()
    before = [ids(model) for model in MODELS]
    tables = [model._meta.db_table for model in MODELS]
    definitions = [definition(table) for table in tables]
    files = [fetch_all("SELECT pg_relation_filenode(%(t)s)", {"t": table}) for table in tables]

    migrate()
    assert [kind(model) for model in MODELS] == ["p"] * 3
    assert [ids(model) for model in MODELS] == before
    # Nothing was rewritten: the same file is the first partition.
    after = [
        fetch_all("SELECT pg_relation_filenode(%(t)s)", {"t": f"{table}_before"})
        for table in tables
    ]
    assert after == files
    more()
    assert [found[-1] - found[-2] for found in map(ids, MODELS)] == [1, 1, 1]
    partitioned = [ids(model) for model in MODELS]

    migrate(*BEFORE)
    assert [kind(model) for model in MODELS] == ["r"] * 3
    assert [ids(model) for model in MODELS] == partitioned
    assert [definition(table) for table in tables] == definitions
    more()
    assert [found[-1] - found[-2] for found in map(ids, MODELS)] == [1, 1, 1]


def insert_as(role: str) -> None:
    """Insert a run as a role that may not do more with the table than insert and read."""
    execute(f"SET ROLE {role}", {})
    try:
        rows.make_recompute_run()
    finally:
        execute("RESET ROLE", {})


@pytest.mark.usefixtures("whole")
def test_what_others_may_do_with_a_table_they_may_afterwards() -> None:
    execute("CREATE ROLE reader_of_runs", {})
    try:
        execute("GRANT SELECT ON valuation_recomputerun TO reader_of_runs", {})
        execute("GRANT INSERT ON valuation_recomputerun TO PUBLIC", {})
        execute("GRANT SELECT ON SEQUENCE valuation_recomputerun_id_seq TO reader_of_runs", {})
        migrate()
        may = (
            "SELECT has_table_privilege('reader_of_runs', 'valuation_recomputerun', 'SELECT'),"
            " has_table_privilege('reader_of_runs', 'valuation_recomputerun', 'INSERT'),"
            " has_table_privilege('reader_of_runs', 'valuation_recomputerun', 'DELETE'),"
            " has_sequence_privilege("
            "'reader_of_runs', 'valuation_recomputerun_id_seq', 'SELECT')"
        )
        assert fetch_all(may, {}) == [(True, True, False, True)]
        insert_as("reader_of_runs")
        migrate(*BEFORE)
        assert fetch_all(may, {}) == [(True, True, False, True)]
        insert_as("reader_of_runs")
        assert len(ids(RecomputeRun)) == 2
    finally:
        execute("DROP OWNED BY reader_of_runs", {})
        execute("DROP ROLE reader_of_runs", {})
        execute("REVOKE ALL ON valuation_recomputerun FROM PUBLIC", {})


@pytest.mark.usefixtures("whole")
def test_times_to_come_are_in_the_first_partition_and_no_row_is_refused() -> None:
    more = fill()
    far = midnight(datetime.now(UTC)) + timedelta(days=400)
    ahead = rows.make_recompute_run(finished_at=far)
    migrate()
    more()
    after = rows.make_recompute_run(finished_at=far + timedelta(days=400))
    placed = fetch_all(
        "SELECT id, tableoid::regclass::text FROM valuation_recomputerun ORDER BY id", {}
    )
    assert placed[-1] == (after.pk, "valuation_recomputerun_default")
    assert {name for _, name in placed[:-1]} == {"valuation_recomputerun_before"}
    assert ahead.pk in dict(placed)


def bounds() -> list[tuple[str]]:
    """The constraints that would refuse every row once their time has come."""
    return fetch_all("SELECT conname FROM pg_constraint WHERE conname LIKE '%%\\_bound'", {"": 0})


def before_the_swap(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something after the table was bounded and indexed, and before it is put below another."""
    put_below = _Target.put_below

    def acted(self: _Target) -> None:
        assert bounds()
        act()
        put_below(self)

    monkeypatch.setattr(_Target, "put_below", acted)


@pytest.mark.usefixtures("whole")
def test_a_migration_that_was_interrupted_leaves_no_bound_and_is_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    more = fill()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        before_the_swap(patch, interrupt)
        with pytest.raises(KeyboardInterrupt):
            migrate()
    assert kind(LineChange) == "r"
    assert bounds() == []
    more()  # the release before goes on
    migrate()
    assert [kind(model) for model in MODELS] == ["p"] * 3
    assert [len(ids(model)) for model in MODELS] == [2, 2, 2]
    assert bounds() == []


@pytest.mark.usefixtures("whole")
def test_a_migration_that_lost_its_session_leaves_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    fill()

    def end_session() -> None:
        execute("SELECT pg_terminate_backend(pg_backend_pid())", {})

    with monkeypatch.context() as patch:
        before_the_swap(patch, end_session)
        with pytest.raises(OperationalError, match="terminating connection"):
            migrate()
    assert bounds() == []
    migrate()
    assert kind(LineChange) == "p"


@pytest.mark.usefixtures("whole")
def test_a_table_in_use_keeps_the_migration_waiting_and_not_those_who_write(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill()
    monkeypatch.setattr(partitioning, "ATTEMPTS", 2)
    monkeypatch.setattr(partitioning, "PAUSE_SECONDS", 0.01)
    with other_session() as reader:
        # As an export that reads on: it began after the index was built.
        with monkeypatch.context() as patch:
            before_the_swap(
                patch, lambda: reader.execute("SELECT count(*) FROM betting_linechange")
            )
            with pytest.raises(OperationalError, match="lock timeout"):
                migrate()
        # The bound cannot be dropped either, and somebody has to know.
        assert bounds() == [("betting_linechange_bound",)]
        assert "ALTER TABLE betting_linechange DROP CONSTRAINT IF EXISTS" in caplog.text
    assert kind(LineChange) == "r"
    migrate()
    assert kind(LineChange) == "p"
    assert bounds() == []


@pytest.mark.usefixtures("whole")
def test_a_table_that_is_read_for_a_moment_is_bounded_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill()
    with other_session() as reader:
        reader.execute("SELECT count(*) FROM betting_linechange")
        pauses = []

        def read_no_more(seconds: float) -> None:
            pauses.append(seconds)
            reader.rollback()

        monkeypatch.setattr("betting.db.partitioning.time.sleep", read_no_more)
        migrate()
    assert pauses == [partitioning.PAUSE_SECONDS]
    assert kind(LineChange) == "p"


def other_session() -> psycopg.Connection:
    settings = connection.get_connection_params()
    keys = ("host", "port", "dbname", "user", "password")
    return psycopg.connect(**{key: settings[key] for key in keys if settings.get(key)})


@pytest.mark.usefixtures("whole")
def test_prepared_statements_of_the_release_before_go_on() -> None:
    more = fill()
    more()
    columns = sql.SQL("trigger, duration_ms, markets, valued, edges_opened, edges_closed")
    insert = sql.SQL(
        "INSERT INTO valuation_recomputerun ({}) VALUES ('batch', 1, 1, 1, 0, 0) RETURNING *"
    ).format(columns)
    latest = "SELECT * FROM valuation_recomputerun ORDER BY id DESC LIMIT 1"
    stop, begun = Signal(), Signal()

    def write() -> list[int]:
        written = []
        with other_session() as session:
            session.execute("SET plan_cache_mode = force_generic_plan")
            while not stop.is_set():
                (row,) = session.execute(insert, prepare=True).fetchall()
                session.execute(latest, prepare=True).fetchall()
                session.commit()
                written.append(row[0])
                begun.set()
        return written

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write) for _ in range(2)]
        try:
            assert begun.wait(30)
            migrate()
        finally:
            stop.set()
        written = sorted(pk for writer in writers for pk in writer.result())
    assert kind(RecomputeRun) == "p"
    assert set(written) <= {*ids(RecomputeRun)}
    assert len(ids(RecomputeRun)) == len(written) + 2


def test_the_operation_says_what_it_does_and_changes_nothing_twice() -> None:
    operation = PartitionByTime("betting_linechange", "recorded_at")
    assert operation.describe() == "Partition betting_linechange by recorded_at"
    before = definition("betting_linechange")
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("betting", editor, ProjectState(), ProjectState())
    assert definition("betting_linechange") == before


@pytest.mark.usefixtures("whole")
def test_a_migration_that_was_killed_after_the_swap_makes_up_its_statistics(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill()
    rows_of_all = "SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(%(t)s)"
    whole_table = {"t": "betting_linechange"}

    def killed(_self: _Target) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_Target, "analyze", killed)
        with pytest.raises(KeyboardInterrupt):
            migrate()
    assert kind(LineChange) == "p"
    assert fetch_all(rows_of_all, whole_table) == [(-1,)]  # there are none
    migrate()
    assert fetch_all(rows_of_all, whole_table) == [(1,)]


@pytest.mark.usefixtures("whole")
def test_a_way_back_that_was_interrupted_is_gone_again() -> None:
    fill()
    before = [definition(model._meta.db_table) for model in MODELS]
    for model, column in ((LineChange, "recorded_at"), (RecomputeRun, "finished_at")):
        operation = PartitionByTime(model._meta.db_table, column)
        with connection.schema_editor(atomic=False) as editor:
            operation.database_backwards("betting", editor, ProjectState(), ProjectState())
    assert [definition(model._meta.db_table) for model in MODELS] == before
    assert [len(ids(model)) for model in MODELS] == [1, 1, 1]
