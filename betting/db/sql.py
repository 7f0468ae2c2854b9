"""Server-side bound SQL for the hot paths.

Django's cursors bind on the client, which turns an array of 50,000 prices into text. These
statements bind on the server, where NumPy columns arrive in PostgreSQL's binary array format and,
unless a statement is prepared, are planned with their real length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import psycopg
from django.db import connection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format

from betting.db.sessions import is_pooled
from betting.logs import spans


class Bigints(list[int]):
    """Values sent as `bigint[]`, from a list or a NumPy column."""


class Floats(list[float]):
    """Values sent as `float8[]`, NaN as NaN, from a list or a NumPy column."""


class Booleans(list[bool]):
    """Values sent as `boolean[]`, from a list or a NumPy column."""


class _ColumnDumper(Dumper):
    """A dumper of a column in PostgreSQL's binary array format, all elements at once.

    Source: `array_recv` in PostgreSQL's utils/adt/arrayfuncs.c.
    """

    format = Format.BINARY
    element_oid: int
    element: str

    def dump(self, obj: Any) -> bytes:
        """Return a header (dimensions, nulls, element type, length, lower bound) and elements."""
        values = np.asarray(obj, dtype=self.element)
        cells = np.empty(len(values), dtype=[("size", ">i4"), ("value", self.element)])
        cells["size"] = values.itemsize
        cells["value"] = values
        dimensions = (
            (1, 0, self.element_oid, len(values), 1)
            if len(values)
            else (
                0,
                0,
                self.element_oid,
            )
        )
        return np.array(dimensions, dtype=">i4").tobytes() + cells.tobytes()


class _BigintsDumper(_ColumnDumper):
    oid = psycopg.postgres.types["int8"].array_oid
    element_oid = psycopg.postgres.types["int8"].oid
    element = ">i8"


class _FloatsDumper(_ColumnDumper):
    oid = psycopg.postgres.types["float8"].array_oid
    element_oid = psycopg.postgres.types["float8"].oid
    element = ">f8"


class _BooleansDumper(_ColumnDumper):
    oid = psycopg.postgres.types["bool"].array_oid
    element_oid = psycopg.postgres.types["bool"].oid
    element = "?"


psycopg.adapters.register_dumper(Bigints, _BigintsDumper)
psycopg.adapters.register_dumper(Floats, _FloatsDumper)
psycopg.adapters.register_dumper(Booleans, _BooleansDumper)


class _ColumnLoader(Loader):
    """A loader of an array in PostgreSQL's binary format, without nulls, as a NumPy column."""

    format = Format.BINARY
    oid: int
    element: str

    def load(self, data: Buffer) -> npt.NDArray[Any]:
        """Return all elements at once; see `_ColumnDumper`."""
        cells = np.dtype([("size", ">i4"), ("value", self.element)])
        (dimensions,) = struct.unpack_from("!i", data)
        offset = _HEADER_BYTES if dimensions else len(data)
        values = np.frombuffer(data, cells, offset=offset)["value"]
        return values.astype(values.dtype.newbyteorder("="))


class _BigintsLoader(_ColumnLoader):
    oid = _BigintsDumper.oid
    element = ">i8"


class _FloatsLoader(_ColumnLoader):
    oid = _FloatsDumper.oid
    element = ">f8"


class _BooleansLoader(_ColumnLoader):
    oid = _BooleansDumper.oid
    element = "?"


_HEADER_BYTES = 20


@contextmanager
def server_cursor(*, is_prepared: bool = False) -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
    """Yield a psycopg cursor on Django's connection and transaction; it raises Django's errors.

    Args:
        is_prepared: whether what it executes may be prepared; over a pooler it is not.
    """
    # As Django's own cursors do, replace a connection that was lost while it was idle.
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    raw = cast("psycopg.Connection[tuple[Any, ...]]", connection.connection)
    # Set only while the cursor is used: psycopg would otherwise cache the text of every statement
    # on the connection, including Django's with all their values.
    raw.prepare_threshold = 0 if is_prepared and not is_pooled() else None
    try:
        with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
            yield cursor
    finally:
        raw.prepare_threshold = None


def fetch_all(
    statement: str, parameters: Mapping[str, object], *, is_prepared: bool = False
) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows.

    Args:
        statement: with named parameters.
        parameters: their values.
        is_prepared: whether it is prepared. After five runs PostgreSQL may keep one plan, which
            assumes arrays of about ten elements, even if they are longer.
    """
    with spans.statement(statement), server_cursor(is_prepared=is_prepared) as cursor:
        cursor.execute(statement.encode(), parameters, prepare=is_prepared, binary=True)
        return cursor.fetchall()


def execute(statement: str, parameters: Mapping[str, object]) -> int:
    """Run one statement that returns no rows and return how many it wrote."""
    with spans.statement(statement), server_cursor() as cursor:
        cursor.execute(statement.encode(), parameters, prepare=False)
        return cursor.rowcount


def fetch_columns(
    statement: str, parameters: Mapping[str, object], *, is_prepared: bool = False
) -> tuple[Any, ...]:
    """Run one statement that returns one row; return that row, its number arrays as columns.

    The arrays of bigint, float8 and boolean hold no nulls. The arguments are those of `fetch_all`.
    """
    with spans.statement(statement), server_cursor(is_prepared=is_prepared) as cursor:
        for loader in (_BigintsLoader, _FloatsLoader, _BooleansLoader):
            cursor.adapters.register_loader(loader.oid, loader)
        cursor.execute(statement.encode(), parameters, prepare=is_prepared, binary=True)
        (row,) = cursor.fetchall()
        return row
