"""What happened, from the rows that say so: a source that can be followed and resumed.

An event is a row: an edge that opened or closed, or a major move of a line. Rows are read by the
time that is written on them. Transactions do not commit in the order of those times, so that a row
may come to be seen after rows that are newer: each look goes back over an overlap that is longer
than a transaction can take, and what has been told is left out by its key. Nothing is lost, and
within one connection nothing is told twice. A client that resumes is told once more what
happened in the overlap before the last event it had; keys are stable, so that it can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from betting.db.sql import fetch_all
from betting.models import LineChange
from betting.web.api.serializers.odds import ABOUT_QUOTE, LineChangeSerializer
from betting.web.api.serializers.valuation import EdgeSerializer
from valuation.vouching import edges

PAGE = 500
"""Events that are told at once."""

EDGE_OPENED, EDGE_CLOSED, LINE_MAJOR = "edge.opened", "edge.closed", "line.major"


@dataclass(frozen=True, slots=True, order=True)
class Happening:
    """That something happened.

    Attributes:
        at: the time written on its row.
        kind: one of the three.
        row_id: of an edge, or of a line change.
    """

    at: datetime
    kind: str
    row_id: int

    @property
    def key(self) -> str:
        """The event's name, the same whenever it is told."""
        return f"{self.kind}:{self.row_id}"


@dataclass(slots=True)
class Follower:
    """Reads what happens, once each.

    Attributes:
        since: from when on rows are looked at again.
        overlap: how much later than its time a row may come to be seen.
    """

    since: datetime
    overlap: timedelta
    _told: set[Happening] = field(default_factory=set)

    def look(self) -> list[Happening]:
        """What has not been told yet, oldest first, at most `PAGE`."""
        # Those told before may all come first: there is room for a page beyond them.
        now, found = _happenings(self.since, PAGE + len(self._told))
        fresh = [one for one in found if one not in self._told][:PAGE]
        # A full page may leave newer ones out: what is settled ends with it.
        settled = fresh[-1].at if len(fresh) == PAGE else now
        self.since = max(self.since, settled - self.overlap)
        self._told = {one for one in (*self._told, *fresh) if one.at >= self.since}
        return fresh


def described(happenings: Iterable[Happening]) -> Iterator[tuple[Happening, dict[str, Any]]]:
    """Each with what its row says now, in two statements; a row that is gone is left out."""
    happenings = list(happenings)
    changed = _by_id(edges(), EdgeSerializer, (one for one in happenings if one.kind != LINE_MAJOR))
    moves = _by_id(
        LineChange.objects.all(),
        LineChangeSerializer,
        (one for one in happenings if one.kind == LINE_MAJOR),
    )
    for one in happenings:
        rows = moves if one.kind == LINE_MAJOR else changed
        if one.row_id in rows:
            yield one, rows[one.row_id]


def database_time() -> datetime:
    """The time by which rows are stamped."""
    ((now,),) = fetch_all("SELECT statement_timestamp()", {})
    moment: datetime = now
    return moment


def _by_id(
    rows: QuerySet[Any], serializer: Any, happenings: Iterable[Happening]
) -> Mapping[int, Any]:
    ids = {one.row_id for one in happenings}
    found = rows.select_related(*ABOUT_QUOTE).in_bulk(ids) if ids else {}
    return {pk: serializer(row).data for pk, row in found.items()}


def _happenings(since: datetime, limit: int) -> tuple[datetime, list[Happening]]:
    """The database's time, and what happened from a moment on."""
    (row,) = fetch_all(_HAPPENED, {"since": since, "limit": limit})
    now, ats, kinds, ids = row
    return now, [Happening(*one) for one in zip(ats, kinds, ids, strict=True)]


_HAPPENED = """
WITH happened AS (
    (SELECT opened_at AS at, 'edge.opened' AS kind, id FROM valuation_edge
     WHERE opened_at >= %(since)s ORDER BY opened_at, id LIMIT %(limit)s)
    UNION ALL
    (SELECT closed_at, 'edge.closed', id FROM valuation_edge
     WHERE closed_at >= %(since)s ORDER BY closed_at, id LIMIT %(limit)s)
    UNION ALL
    (SELECT recorded_at, 'line.major', id FROM betting_linechange
     WHERE classification = 'major' AND recorded_at >= %(since)s
     ORDER BY recorded_at, id LIMIT %(limit)s)
),
oldest AS (SELECT * FROM happened ORDER BY at, kind, id LIMIT %(limit)s)
SELECT statement_timestamp(),
       COALESCE(array_agg(at ORDER BY at, kind, id), '{}'),
       COALESCE(array_agg(kind ORDER BY at, kind, id), '{}'),
       COALESCE(array_agg(id ORDER BY at, kind, id), '{}')
FROM oldest
"""
