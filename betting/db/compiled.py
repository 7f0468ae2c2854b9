"""Querysets whose SQL is written, and planned, once.

Django takes longer to write a statement of nested conditions than PostgreSQL to run it: 40 ms at
every use of `valuation.vouching.edges`. Where only the ids change, its text is kept, and each
connection prepares it: to plan it takes PostgreSQL another 5 to 10 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import BigIntegerField, BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models import F as Field
from django.db.models import Value as Fixed
from psycopg import sql

from betting.db.freshness import IsOneOf
from betting.db.sql import Bigints, fetch_all


class _Parameter:
    """The place of a value that each use of a statement gives."""


_IDS = _Parameter()


def is_among_ids(field: str) -> Q:
    """Return the condition that a field is one of the ids that each use of a statement gives."""
    ids = Fixed(_IDS, output_field=ArrayField(BigIntegerField()))
    return Q(ExpressionWrapper(IsOneOf(Field(field), ids), output_field=BooleanField()))


class Compiled:
    """A queryset of `values_list`, as a statement that is written once.

    Args:
        queryset: may hold `is_among_ids`. Its other values are those of every use.
    """

    def __init__(self, queryset: QuerySet[Any, Any]) -> None:
        text, values = queryset.query.sql_with_params()
        # Values within the text have the types that they have there, and can be planned with.
        self._sql = text.replace("%%", "%%%%") % tuple(map(_written, values))

    def rows(self, ids: Sequence[int] = ()) -> list[tuple[Any, ...]]:
        """Run it and return its rows, as the database driver reads them.

        Args:
            ids: the values of `is_among_ids`.
        """
        return fetch_all(self._sql, {"ids": Bigints(ids)}, is_prepared=True)


def _written(value: object) -> str:
    if value is _IDS:
        return "%(ids)s"
    return sql.Literal(value).as_string().replace("%", "%%")
