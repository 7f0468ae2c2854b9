"""Partitions of history and runs: rows go with them once they are old, and are in them until then.

The migration's partition of all that was there reaches some days ahead. Most of these tests begin
as an installation whose partition of it has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event as Signal

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from betting.config import RetentionConfig
from betting.db import partitions
from betting.db.advisory_locks import PARTITIONS
from betting.db.partitions import LINE_CHANGES, POLL_RUNS, RECOMPUTE_RUNS, TABLES, Partitioned
from betting.db.sql import execute, fetch_all
from betting.models import LineChange, Quote
from streaming.core.partitions import Span
from streaming.models import PollRun
from streaming.retention.prune import PartitionsMissingError, prune_old_rows
from tests.support import rows
from tests.support.time_partitions import DAY, begin, reset, today
from valuation.models import RecomputeRun

pytestmark = pytest.mark.django_db

WEEKLY = RetentionConfig(history_days=30, operations_days=30)
DAILY = RetentionConfig(history_days=7, operations_days=7)


def placed(table: Partitioned) -> dict[str, int]:
    """Partition → its rows, where it has any."""
    found = fetch_all(
        f"SELECT tableoid::regclass::text, count(*) FROM {table.name} GROUP BY 1",
        {},
    )
    return {str(name).removeprefix(f"{table.name}_"): count for name, count in found}


def names(table: Partitioned) -> set[str]:
    found = partitions.partitions(table).values()
    return {name.removeprefix(f"{table.name}_") for name in found}


def label(at: datetime) -> str:
    return f"p{at:%Y%m%d}"


@pytest.fixture(autouse=True)
def _just_migrated(db: None) -> None:  # noqa: ARG001 - asks for a fixture
    """Begin with the partitions of a migration, whatever other tests have left."""
    for table in TABLES:
        reset(table)


@pytest.fixture
def quote() -> Quote:
    market = rows.make_market(rows.make_event())
    quote = rows.make_quote(rows.make_outcome(market, "Over"), rows.make_feed(rows.make_provider()))
    # Or no table that refers to the provider can be altered.
    execute("SET CONSTRAINTS ALL IMMEDIATE", {})
    return quote


def test_each_model_is_partitioned_by_the_time_that_its_retention_goes_by() -> None:
    models = {LINE_CHANGES: LineChange, POLL_RUNS: PollRun, RECOMPUTE_RUNS: RecomputeRun}
    for table in TABLES:
        assert models[table]._meta.db_table == table.name
        assert names(table) == {"before"}
        prune_old_rows(DAILY)
        ((key,),) = fetch_all(
            "SELECT pg_get_partkeydef(to_regclass(%(table)s))", {"table": table.name}
        )
        assert key == f"RANGE ({table.column})"


def test_new_rows_come_into_partitions_and_are_read_in_order_across_them(quote: Quote) -> None:
    begin(LINE_CHANGES, today() - 2 * DAY)
    old = [rows.make_change(quote, recorded_at=today() - n * DAY).pk for n in (9, 3)]
    prune_old_rows(WEEKLY)
    new = [rows.make_change(quote, recorded_at=today() + n * DAY).pk for n in (0, 1, 7)]
    new.append(rows.make_change(quote).pk)

    assert placed(LINE_CHANGES)["before"] == 2
    assert sum(placed(LINE_CHANGES).values()) == 6
    assert "default" not in placed(LINE_CHANGES)
    assert list(LineChange.objects.values_list("pk", flat=True)) == old + new
    assert LineChange.objects.latest("pk").pk == new[-1]
    by_time = LineChange.objects.order_by("-recorded_at", "-id").values_list("pk", flat=True)
    assert list(by_time)[-2:] == [old[1], old[0]]


def test_a_partition_goes_when_it_is_past_its_retention_as_a_whole_and_none_else() -> None:
    for table in TABLES:
        begin(table, today() - 40 * DAY)
    provider = rows.make_provider()
    execute("SET CONSTRAINTS ALL IMMEDIATE", {})
    for n in (10, 9, 8, 7, 6):
        for table in TABLES:
            partitions.make(table, Span(today() - n * DAY, today() - (n - 1) * DAY))
    kept_poll = rows.make_poll_run(provider, started_at=today() - 7 * DAY).pk
    rows.make_poll_run(provider, started_at=today() - 7 * DAY - timedelta(microseconds=1))
    execute("SET CONSTRAINTS ALL IMMEDIATE", {})
    kept_run = rows.make_recompute_run(finished_at=today() - 6 * DAY - DAY).pk
    rows.make_recompute_run(finished_at=today() - 10 * DAY)

    prune_old_rows(DAILY)

    for table in TABLES:
        there = {label(today() - n * DAY) for n in (7, 6)}
        assert {name for name in names(table) if name < label(today() - 5 * DAY)} == there
        assert label(today()) in names(table)
    assert [run.pk for run in PollRun.objects.all()] == [kept_poll]
    assert [run.pk for run in RecomputeRun.objects.all()] == [kept_run]


def test_a_retention_that_becomes_shorter_acts_at_once(quote: Quote) -> None:
    begin(LINE_CHANGES, today() - 60 * DAY)
    partitions.make(LINE_CHANGES, Span(today() - 60 * DAY, today() - 30 * DAY))
    partitions.make(LINE_CHANGES, Span(today() - 30 * DAY, today() + DAY))
    for n in (50, 20, 3):
        rows.make_change(quote, recorded_at=today() - n * DAY)

    prune_old_rows(RetentionConfig(history_days=365))
    assert LineChange.objects.count() == 3

    prune_old_rows(DAILY)
    kept = today() - 3 * DAY
    assert list(LineChange.objects.values_list("recorded_at", flat=True)) == [kept]
    assert label(today() - 60 * DAY) not in names(LINE_CHANGES)


def test_rows_of_a_gap_are_kept_and_few_of_them_move_into_the_partition(quote: Quote) -> None:
    begin(LINE_CHANGES, today() - 30 * DAY)
    made = [rows.make_change(quote, recorded_at=today() - n * DAY) for n in (20, 1)]
    made += [rows.make_change(quote), rows.make_change(quote, recorded_at=today() + 900 * DAY)]
    assert placed(LINE_CHANGES) == {"default": 4}

    prune_old_rows(DAILY)

    assert placed(LINE_CHANGES) == {"default": 2, label(today()): 1}
    assert [change.pk for change in LineChange.objects.all()] == [row.pk for row in made[1:]]
    # What has no partition is deleted row by row, once it is past its retention.
    prune_old_rows(RetentionConfig(history_days=1))
    assert placed(LINE_CHANGES) == {"default": 1, label(today()): 1}


def test_many_rows_of_a_gap_stay_where_they_are_and_the_partition_begins_after_them(
    quote: Quote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "MOVED_AT_MOST", 1)
    begin(LINE_CHANGES, today() - 30 * DAY)
    for _ in range(2):
        rows.make_change(quote)

    prune_old_rows(DAILY)
    assert placed(LINE_CHANGES) == {"default": 2}
    assert label(today()) not in names(LINE_CHANGES)
    assert label(today() + DAY) in names(LINE_CHANGES)

    prune_old_rows(WEEKLY)  # a wider one, beside those that are there
    rows.make_change(quote)
    assert placed(LINE_CHANGES) == {"default": 3}


def test_a_month_of_which_a_part_is_in_the_default_partition_goes_on_the_next_day(
    quote: Quote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "MOVED_AT_MOST", 1)
    begin(LINE_CHANGES, today() - 90 * DAY)
    since = today() - 5 * DAY
    for n in (5, 4, 3):
        rows.make_change(quote, recorded_at=today() - n * DAY)

    name = partitions.make(LINE_CHANGES, Span(since, today() + 5 * DAY))
    assert name == f"{LINE_CHANGES.name}_{label(today() - 2 * DAY)}"
    assert partitions.make(LINE_CHANGES, Span(since, today() - 2 * DAY)) is None
    assert LineChange.objects.count() == 3


def test_a_second_run_and_a_partition_that_is_there_change_nothing() -> None:
    begin(LINE_CHANGES, today())
    prune_old_rows(DAILY)
    before = {table: partitions.partitions(table) for table in TABLES}
    prune_old_rows(DAILY)
    assert {table: partitions.partitions(table) for table in TABLES} == before
    assert partitions.make(LINE_CHANGES, Span(today(), today() + DAY)) is None
    assert partitions.drop(LINE_CHANGES, f"{LINE_CHANGES.name}_p19700101") is None


def test_history_stays_append_only_and_its_rules_hold_in_new_partitions(quote: Quote) -> None:
    begin(LINE_CHANGES, today())
    prune_old_rows(DAILY)
    change = rows.make_change(quote)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        LineChange.objects.filter(pk=change.pk).update(new_price=3.0)
    with pytest.raises(IntegrityError, match="line_change_kind_known"), transaction.atomic():
        rows.make_change(quote, kind="rumour")
    with pytest.raises(IntegrityError, match="line changes refer to a quote"), transaction.atomic():
        execute("DELETE FROM betting_quote", {})


def test_a_run_of_a_provider_that_is_gone_is_refused_in_new_partitions() -> None:
    begin(POLL_RUNS, today())
    prune_old_rows(DAILY)
    run = rows.make_poll_run(rows.make_provider())
    execute("SET CONSTRAINTS ALL IMMEDIATE", {})
    assert placed(POLL_RUNS) == {label(today()): 1}
    with pytest.raises(IntegrityError, match="foreign key"), transaction.atomic():
        execute("DELETE FROM betting_provider", {})
    with pytest.raises(IntegrityError, match="foreign key"), transaction.atomic():
        rows.make_poll_run(run.provider, provider_id=run.provider_id + 1)


#: As the release before has it, whose retention may run after the migration.
OLD_PRUNE = """
    DELETE FROM betting_linechange WHERE ctid IN (
        SELECT ctid FROM betting_linechange
        WHERE recorded_at < now() - %(days)s * interval '1 day'
        LIMIT %(rows)s
    )
"""


def test_the_release_before_deletes_what_is_old_in_the_days_after_the_migration(
    quote: Quote,
) -> None:
    kept = [rows.make_change(quote).pk for _ in range(3)]
    rows.make_change(quote, recorded_at=today() - 20 * DAY)
    assert execute(OLD_PRUNE, {"days": 7, "rows": 10_000}) == 1
    assert [change.pk for change in LineChange.objects.all()] == kept


def test_the_release_before_deletes_nothing_once_a_place_is_in_two_partitions(
    quote: Quote,
) -> None:
    begin(LINE_CHANGES, today())
    prune_old_rows(RetentionConfig())
    rows.make_change(quote, recorded_at=today() - 20 * DAY)
    for _ in range(50):
        rows.make_change(quote)
    at_one_place = "SELECT count(*) FROM betting_linechange GROUP BY ctid HAVING count(*) > 1"
    assert fetch_all(at_one_place, {}) == [(2,)]  # its statement would delete both
    execute(
        "CREATE OR REPLACE TRIGGER betting_linechange_refuse_ctid BEFORE DELETE"
        " ON betting_linechange FOR EACH STATEMENT"
        f" EXECUTE FUNCTION betting_refuse_ctid('{today().isoformat()}')",
        {},
    )
    with pytest.raises(IntegrityError, match="has partitions"), transaction.atomic():
        execute(OLD_PRUNE, {"days": 7, "rows": 10_000})
    assert LineChange.objects.count() == 51
    LineChange.objects.all().delete()  # others may delete what they like


# --- beside others; their rows and partitions are committed ---


@pytest.fixture
def _left_as_found(transactional_db: None) -> Iterator[None]:  # noqa: ARG001 - asks for a fixture
    """Leave none of the partitions that a test has made."""
    yield
    for table in TABLES:
        reset(table)


def other_session() -> psycopg.Connection:
    settings = connection.get_connection_params()
    keys = ("host", "port", "dbname", "user", "password")
    return psycopg.connect(**{key: settings[key] for key in keys if settings.get(key)})


@pytest.mark.usefixtures("_left_as_found")
def test_a_table_in_use_is_left_to_the_next_run(caplog: pytest.LogCaptureFixture) -> None:
    begin(LINE_CHANGES, today() - 20 * DAY)
    partitions.make(LINE_CHANGES, Span(today() - 20 * DAY, today() - 19 * DAY))
    begun = names(LINE_CHANGES)
    with other_session() as reader, caplog.at_level(logging.WARNING, partitions.__name__):
        reader.execute("SELECT count(*) FROM betting_linechange")
        with pytest.raises(PartitionsMissingError, match="betting_linechange: no partition"):
            prune_old_rows(DAILY)
        assert begun <= names(LINE_CHANGES)
        assert "is in use" in caplog.text
    prune_old_rows(DAILY)
    assert label(today() - 20 * DAY) not in names(LINE_CHANGES)
    assert label(today()) in names(LINE_CHANGES)


@pytest.mark.usefixtures("_left_as_found")
def test_a_role_without_rights_on_the_tables_prunes_all_else_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for table in TABLES:
        begin(table, today() - 20 * DAY)
        partitions.make(table, Span(today() - 20 * DAY, today() - 19 * DAY))
    there = {table: partitions.partitions(table) for table in TABLES}
    execute("INSERT INTO django_session VALUES ('old', '', now() - interval '9 days')", {})
    execute("CREATE ROLE pruner", {})
    try:
        for right in ("ALL ON ALL TABLES", "USAGE ON ALL SEQUENCES"):
            execute(f"GRANT {right} IN SCHEMA public TO pruner", {})
        execute(f"REVOKE ALL ON {POLL_RUNS.default} FROM pruner", {})
        execute("SET ROLE pruner", {})
        with (
            caplog.at_level(logging.WARNING),
            pytest.raises(PartitionsMissingError) as missing,
        ):
            prune_old_rows(DAILY)
    finally:
        execute("RESET ROLE", {})
        execute("DROP OWNED BY pruner", {})
        execute("DROP ROLE pruner", {})

    assert {table: partitions.partitions(table) for table in TABLES} == there
    assert fetch_all("SELECT count(*) FROM django_session", {}) == [(0,)]
    for table in TABLES:
        assert table.name in str(missing.value)
        assert f"postpones a partition of {table.name}, for which this role" in caplog.text
        assert f"postpones {table.name}_{label(today() - 20 * DAY)}, for which" in caplog.text


@pytest.mark.usefixtures("_left_as_found")
def test_statistics_take_their_time_and_hold_up_no_other_table(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begin(POLL_RUNS, today())
    execute("INSERT INTO django_session VALUES ('old', '', now() - interval '9 days')", {})
    try:
        execute("SET statement_timeout = '1s'", {})
        execute("SET lock_timeout = '1500ms'", {})
        with other_session() as other, caplog.at_level(logging.WARNING, partitions.__name__):
            # As a vacuum does: rows come and go, partitions are made, and only ANALYZE waits.
            other.execute(f"LOCK TABLE {POLL_RUNS.before} IN SHARE UPDATE EXCLUSIVE MODE")
            prune_old_rows(DAILY)
    finally:
        execute("RESET statement_timeout", {})
        execute("RESET lock_timeout", {})
    # It waited for the lock for longer than another statement may take.
    assert "the statistics of streaming_pollrun, whose table is in use" in caplog.text
    assert label(today()) in names(POLL_RUNS)
    assert fetch_all("SELECT count(*) FROM django_session", {}) == [(0,)]


@pytest.mark.usefixtures("_left_as_found")
def test_a_partition_that_holds_others_off_for_long_is_left_to_the_next_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begin(RECOMPUTE_RUNS, today() - 2 * DAY)
    run = rows.make_recompute_run()
    span = Span(today(), today() + DAY)
    execute(
        "CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM pg_sleep(20); RETURN OLD; END'",
        {},
    )
    try:
        execute(
            f"CREATE TRIGGER take_long BEFORE DELETE ON {RECOMPUTE_RUNS.default} FOR EACH ROW"
            " EXECUTE FUNCTION take_long()",
            {},
        )
        monkeypatch.setattr(partitions, "STATEMENT_TIMEOUT", "300ms")
        with caplog.at_level(logging.WARNING, partitions.__name__):
            assert partitions.make(RECOMPUTE_RUNS, span) is None
        assert "which takes too long" in caplog.text
    finally:
        execute("DROP FUNCTION take_long CASCADE", {})
    monkeypatch.undo()
    assert fetch_all("SHOW statement_timeout", {}) == [("30s",)]  # that of others is as it was
    assert placed(RECOMPUTE_RUNS) == {"default": 1}
    assert partitions.make(RECOMPUTE_RUNS, span) is not None
    assert [found.pk for found in RecomputeRun.objects.all()] == [run.pk]


@pytest.mark.usefixtures("_left_as_found")
def test_of_two_runs_at_once_one_does_the_work() -> None:
    begin(LINE_CHANGES, today() + 3 * DAY)
    with other_session() as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITIONS])
        prune_old_rows(DAILY)
        assert names(LINE_CHANGES) == {"before"}
    prune_old_rows(DAILY)
    assert label(today() + 3 * DAY) in names(LINE_CHANGES)


@pytest.mark.usefixtures("_left_as_found")
def test_writers_lose_no_row_while_partitions_come_and_go() -> None:
    begin(RECOMPUTE_RUNS, today() - 30 * DAY)
    columns = "trigger, duration_ms, markets, valued, edges_opened, edges_closed, finished_at"
    insert = (
        f"INSERT INTO valuation_recomputerun ({columns}) SELECT 'batch', 1, 1, 1, 0, 0,"
        " now() - make_interval(days => n) FROM generate_series(0, 4) AS n RETURNING id"
    )
    stop, begun = Signal(), Signal()

    def write() -> list[int]:
        written = []
        with other_session() as session:
            while not stop.is_set():
                written += [row[0] for row in session.execute(insert).fetchall()]
                session.commit()
                begun.set()
        return written

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(write) for _ in range(2)]
        try:
            assert begun.wait(30)
            for n in range(12, 4, -1):
                span = Span(today() - n * DAY, today() - (n - 1) * DAY)
                while partitions.make(RECOMPUTE_RUNS, span) is None:
                    pass
            while label(today()) not in names(RECOMPUTE_RUNS) or label(today() - 9 * DAY) in names(
                RECOMPUTE_RUNS
            ):
                prune_old_rows(DAILY)
        finally:
            stop.set()
        written = sorted(pk for writer in writers for pk in writer.result())

    assert written
    assert list(RecomputeRun.objects.order_by("pk").values_list("pk", flat=True)) == written
    assert {label(today() - n * DAY) for n in range(12, 8, -1)}.isdisjoint(names(RECOMPUTE_RUNS))
