"""Snapshots: whether a row is still as an earlier statement found it.

A row's own time of change cannot tell: it is written before its transaction commits, and another
statement may look in between. PostgreSQL knows which transactions a statement saw, and which one
wrote a row.

A snapshot names no subtransactions. A table that is read so is written without savepoints.
"""

from __future__ import annotations

import re
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    BigIntegerField,
    BooleanField,
    ExpressionWrapper,
    F,
    Func,
    Model,
    Q,
    QuerySet,
    TextField,
)
from django.db.models import Value as Fixed
from django.db.models.lookups import LessThan

from betting.db.freshness import IsOneOf

SNAPSHOT = re.compile(r"[0-9]{1,19}:(?P<end>[0-9]{1,19}):(?P<open>([0-9]{1,19}(,[0-9]{1,19})*)?)")
"""A snapshot as PostgreSQL writes it: the oldest open transaction, the first that had not begun,
and the open ones between them."""

_NUMBERS = 2**32
"""Rows store the number of their transaction modulo this; half of them lie in the past."""


class Snapshot(Func):
    """The snapshot of the statement itself, as a text that `with_unchanged` accepts."""

    template = "pg_current_snapshot()::text"
    arity = 0
    output_field = TextField()


def with_unchanged(rows: QuerySet[Any], snapshot: str) -> QuerySet[Any]:
    """Return the rows with the alias `is_unchanged`: as they were when a statement looked.

    Args:
        rows: of a table that is not joined to itself.
        snapshot: what that statement saw: a text that `SNAPSHOT` matches.
    """
    seen = SNAPSHOT.fullmatch(snapshot)
    assert seen is not None, snapshot
    numbers = filter(None, seen["open"].split(","))
    still_open = Fixed(
        [int(number) % _NUMBERS for number in numbers], ArrayField(BigIntegerField())
    )
    # Less than half of all numbers if the row's transaction began before the end, else more.
    behind = (int(seen["end"]) % _NUMBERS - F("writer") - 1 + _NUMBERS) % _NUMBERS
    had_begun, was_open = LessThan(F("behind"), _NUMBERS // 2), IsOneOf(F("writer"), still_open)
    aliased: QuerySet[Any] = rows.alias(writer=_writer(rows.model)).alias(behind=behind)
    is_unchanged = ExpressionWrapper(Q(had_begun) & ~Q(was_open), BooleanField())
    found: QuerySet[Any] = aliased.alias(is_unchanged=is_unchanged)
    return found


def _writer(model: type[Model]) -> Func:
    """Return an expression of the number of the transaction that wrote a row."""
    table = model._meta.db_table  # noqa: SLF001 - Django's documented name for a model's options
    return Func(template=f'"{table}".xmin::text::bigint', arity=0, output_field=BigIntegerField())
