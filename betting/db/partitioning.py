"""The operation of a migration that partitions a table by time, with the rows that it has.

Nothing is rewritten. A constraint bounds the times of the table, which then becomes the one
partition of all times up to there; new partitions take what comes later. Workers of the release
before go on under the same name.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from betting.db.outages import is_locked
from betting.db.partitions import Partitioned

BOUND_DAYS = 8
"""All rows of this time go on into what was the whole table. So long may workers of the release
before work on: their retention finds rows by a place that is unique in one partition alone."""

ATTEMPTS, PAUSE_SECONDS = 20, 0.5
LOCK_TIMEOUT = "500ms"
"""So long each attempt keeps others waiting; shorter than PostgreSQL takes to look for deadlocks,
so that it is the migration that gives way."""

logger = logging.getLogger(__name__)


class PartitionByTime(Operation):
    """Partition a table by the time in a column; its rows become the first partition.

    The migration has to have `atomic = False`. One that was interrupted can be run again.

    Args:
        table: the table's name.
        column: the column, which holds no NULL.
    """

    atomic = False
    reversible = True

    def __init__(self, table: str, column: str) -> None:
        self.table = table
        self.column = column

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change nothing: to Django it is the same table, with the same primary key."""

    def database_forwards(
        self,
        app_label: str,  # noqa: ARG002 - Django's
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,  # noqa: ARG002
        to_state: ProjectState,  # noqa: ARG002
    ) -> None:
        """Bound the table, index it, and put it below a partitioned one of its name."""
        target = _Target(schema_editor.connection, Partitioned(self.table, self.column))
        if not target.is_partitioned():
            try:
                with target.unhurried():
                    target.bound_times()
                    target.index_key()
                _repeated(target.put_below)
            except BaseException:
                target.unbound()
                raise
        with target.unhurried():
            target.analyze()

    def database_backwards(
        self,
        app_label: str,  # noqa: ARG002 - Django's
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,  # noqa: ARG002
        to_state: ProjectState,  # noqa: ARG002
    ) -> None:
        """Copy all rows into one table, while nobody reads or writes any."""
        target = _Target(schema_editor.connection, Partitioned(self.table, self.column))
        if target.is_partitioned():
            with target.unhurried():
                target.join()

    def describe(self) -> str:
        """Return the operation in words."""
        return f"Partition {self.table} by {self.column}"


class _Target:
    """A table on its way into partitions, or out of them."""

    def __init__(self, connection: BaseDatabaseWrapper, table: Partitioned) -> None:
        self._connection = connection
        self._table = table
        self._bound = f"{table.name}_bound"
        self._key = f"{table.before}_pkey"

    def is_partitioned(self) -> bool:
        kind = self._ask("SELECT relkind::text FROM pg_class WHERE oid = %s::regclass")
        return kind == [("p",)]

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Let statements take as long as they do: none of them keeps anybody from writing."""
        self._run("SET statement_timeout = 0")
        try:
            yield
        finally:
            self._run("RESET statement_timeout")

    def bound_times(self) -> None:
        """Check that no row's time is beyond a midnight to come, and that none will be."""
        name, column = self._table.name, self._table.column
        self._alter(f"DROP CONSTRAINT IF EXISTS {self._bound}")
        ((until,),) = self._ask(
            f"SELECT (date_trunc('day', greatest(statement_timestamp(), max({column})), 'UTC')"  # noqa: S608 - names of ours
            f" + interval '{BOUND_DAYS} days')::text FROM {name}",
            [],
        )
        self._alter(
            f"ADD CONSTRAINT {self._bound} CHECK ({column} < '{until}'::timestamptz) NOT VALID"
        )
        self._run(f"ALTER TABLE {name} VALIDATE CONSTRAINT {self._bound}")

    def unbound(self) -> None:
        """Take the bound away after a failure: from its midnight on it would refuse every row."""
        self._connection.close_if_unusable_or_obsolete()  # the failure may be that it was lost
        drop = f"DROP CONSTRAINT IF EXISTS {self._bound}"
        try:
            self._alter(drop)
        except Error as error:
            logger.error(  # noqa: TRY400 - the migration's own error is what is raised
                "migrate again within %d days, or run ALTER TABLE %s %s: afterwards the table"
                " takes no rows (%s)",
                BOUND_DAYS,
                self._table.name,
                drop,
                error,
            )

    def index_key(self) -> None:
        """Build the index of the primary key that it will have, without keeping anybody waiting."""
        self._run(f"DROP INDEX CONCURRENTLY IF EXISTS {self._key}")
        self._run(
            f"CREATE UNIQUE INDEX CONCURRENTLY {self._key}"
            f" ON {self._table.name} (id, {self._table.column})"
        )

    def put_below(self) -> None:
        """Make the partitioned table, with this one as its first partition."""
        name, column, before = self._table.name, self._table.column, self._table.before
        with transaction.atomic(using=self._connection.alias):
            self._run(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            self._lock()
            until = self._until()
            self._run(f"ALTER TABLE {name} DROP CONSTRAINT {name}_pkey")
            indexes, others, grants = self._indexes(), self._others(), self._grants()
            after = self._ask(f"SELECT last_value + is_called::int FROM {name}_id_seq", [])[0][0]  # noqa: S608 - as above
            self._run(f"ALTER TABLE {name} ALTER id DROP IDENTITY, ADD CONSTRAINT {self._key}"
                      f" PRIMARY KEY USING INDEX {self._key}")  # fmt: skip
            for index, _ in indexes:
                self._run(f"ALTER INDEX {index} RENAME TO {index}_before")
            self._run(f"ALTER TABLE {name} RENAME TO {before}")
            self._run(
                f"CREATE TABLE {name} (LIKE {before} INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
                f" CONSTRAINT {name}_pkey PRIMARY KEY (id, {column}))"
                f" PARTITION BY RANGE ({column})"
            )
            self._run(f"ALTER TABLE {name} DROP CONSTRAINT {self._bound}")
            # A sequence: an identity column of a partitioned table needs PostgreSQL 17.
            self._run(f"CREATE SEQUENCE {name}_id_seq START {after} OWNED BY {name}.id")
            self._run(f"ALTER TABLE {name} ALTER id SET DEFAULT nextval('{name}_id_seq')")
            for statement in (*(made for _, made in indexes), *others, *grants):
                self._run(statement)
            self._run(
                f"ALTER TABLE {name} ATTACH PARTITION {before}"
                f" FOR VALUES FROM (MINVALUE) TO ('{until}')"
            )
            self._run(f"ALTER TABLE {before} DROP CONSTRAINT {self._bound}")
            self._run(f"CREATE TABLE {self._table.default} PARTITION OF {name} DEFAULT")
            self._run(
                f"CREATE TRIGGER {name}_refuse_ctid BEFORE DELETE ON {name} FOR EACH STATEMENT"
                f" EXECUTE FUNCTION betting_refuse_ctid('{until}')"
            )

    def analyze(self) -> None:
        """Make the planner's statistics of the table as a whole."""
        self._run(f"ANALYZE {self._table.name}")

    def join(self) -> None:
        """Make one table of all partitions."""
        name, whole = self._table.name, f"{self._table.name}_whole"
        with transaction.atomic(using=self._connection.alias):
            self._lock()
            self._run(f"DROP TRIGGER {name}_refuse_ctid ON {name}")
            after = self._ask(f"SELECT last_value + is_called::int FROM {name}_id_seq", [])[0][0]  # noqa: S608 - as above
            indexes = [
                (index, made.replace(" ON ONLY ", " ON ")) for index, made in self._indexes()
            ]
            others, grants = self._others(), self._grants()
            self._run(
                f"CREATE TABLE {whole} (LIKE {name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
            )
            self._run(f"INSERT INTO {whole} SELECT * FROM {name}")  # noqa: S608 - as above
            self._run(f"ALTER TABLE {whole} ALTER id DROP DEFAULT")
            self._run(f"DROP TABLE {name}")
            self._run(f"ALTER TABLE {whole} RENAME TO {name}")
            self._run(
                f"ALTER TABLE {name} ADD CONSTRAINT {name}_pkey PRIMARY KEY (id), ALTER id ADD"
                f" GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME {name}_id_seq START {after})"
            )
            for statement in (*(made for _, made in indexes), *others, *grants):
                self._run(statement)

    def _alter(self, change: str) -> None:
        """Alter the table once its lock is to be had, and let nobody wait for long until then."""

        def attempt() -> None:
            with transaction.atomic(using=self._connection.alias):
                self._run(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                self._run(f"ALTER TABLE {self._table.name} {change}")

        _repeated(attempt)

    def _lock(self) -> None:
        """Take all locks at once: those of what it refers to first, as who writes a row does."""
        referred = self._ask(
            "SELECT DISTINCT confrelid::regclass::text FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype = 'f'"
        )
        for (other,) in referred:
            self._run(f"LOCK TABLE {other} IN SHARE ROW EXCLUSIVE MODE")
        self._run(f"LOCK TABLE {self._table.name} IN ACCESS EXCLUSIVE MODE")

    def _until(self) -> str:
        ((text,),) = self._ask(
            "SELECT substring(pg_get_constraintdef(oid) from '''([^'']+)''') FROM pg_constraint"  # noqa: S608 - a name of ours
            f" WHERE conrelid = %s::regclass AND conname = '{self._bound}'"
        )
        return str(text)

    def _indexes(self) -> list[tuple[str, str]]:
        """Return the indexes but those of the primary key: name and statement."""
        rows = self._ask(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"  # noqa: S608 - as above
            " WHERE indrelid = %s::regclass AND NOT indisprimary"
            f" AND indexrelid::regclass::text <> '{self._key}' ORDER BY 1"
        )
        return [(str(name), str(made)) for name, made in rows]

    def _others(self) -> list[str]:
        """Return the statements that make its foreign keys and its triggers."""
        references = self._ask(
            f"SELECT format('ALTER TABLE {self._table.name} ADD CONSTRAINT %%I %%s', conname,"  # noqa: S608 - as above
            " pg_get_constraintdef(oid)) FROM pg_constraint"
            " WHERE conrelid = %s::regclass AND contype = 'f' ORDER BY 1"
        )
        triggers = self._ask(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger"
            " WHERE tgrelid = %s::regclass AND NOT tgisinternal ORDER BY 1"
        )
        return [str(statement) for (statement,) in (*references, *triggers)]

    def _grants(self) -> list[str]:
        """Return the statements that grant what others than its owner may do with it.

        Who inserts rows takes ids from the sequence, to which an identity column asks no right.
        """
        name = self._table.name
        sequence = f"{name}_id_seq"
        rows = self._ask(
            "WITH granted AS ("  # noqa: S608 - names of ours
            " SELECT c.relkind = 'S' AS is_sequence, a.privilege_type AS kind,"
            " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee"
            " FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a"
            " WHERE c.oid IN (%s::regclass, %s::regclass) AND a.grantee <> c.relowner)"
            f" SELECT format('GRANT %%s ON {name} TO %%s', kind, grantee)"
            " FROM granted WHERE NOT is_sequence UNION"
            f" SELECT format('GRANT %%s ON SEQUENCE {sequence} TO %%s', kind, grantee)"
            " FROM granted WHERE is_sequence UNION"
            f" SELECT format('GRANT USAGE ON SEQUENCE {sequence} TO %%s', grantee)"
            " FROM granted WHERE NOT is_sequence AND kind = 'INSERT' ORDER BY 1",
            [name, sequence],
        )
        return [str(statement) for (statement,) in rows]

    def _ask(self, statement: str, parameters: list[str] | None = None) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, [self._table.name] if parameters is None else parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def _run(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)


def _repeated(step: Callable[[], None]) -> None:
    """Repeat a transaction until it gets its locks, and let others pass between two attempts."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            step()
        except OperationalError as error:
            if not is_locked(error) or attempt == ATTEMPTS:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return
