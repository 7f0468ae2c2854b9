"""The number of statements that a reading makes, by Django's cursors and by psycopg's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db import connection
from django.test.utils import CaptureQueriesContext

from betting.db import sql


def statements_of(read: Callable[[], object]) -> int:
    """Return how many statements a reading makes on Django's connection."""
    with CaptureQueriesContext(connection) as captured, bound_on_the_server() as others:
        read()
    return len(captured) + len(others)


@contextmanager
def bound_on_the_server() -> Iterator[list[None]]:
    """Yield a list that grows with each of psycopg's own cursors, which Django does not count."""
    opened = sql.server_cursor
    calls: list[None] = []

    @contextmanager
    def counting(**options: Any) -> Iterator[Any]:
        calls.append(None)
        with opened(**options) as cursor:
            yield cursor

    with patch.object(sql, "server_cursor", counting):
        yield calls
