"""Notifications for the API's stream, read from the database: it can be followed and resumed.

A notification of the stream is a row: an edge that opened or closed, or a major move of a line.
Rows are read by the time written on them. Transactions do not commit in the order of those times,
so a row may become visible after newer rows. Each look therefore goes back over an overlap that is
longer than a transaction can take, and skips by its key what has been sent. Nothing is lost, and
nothing is sent twice within one connection. A client that resumes is sent again what happened in
the overlap before the last notification that it received; keys are stable, so it can recognise
repetitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from betting.db.bets import OF_QUOTE
from betting.db.sql import fetch_all
from betting.models import LineChange
from betting.web.api.serializers.odds import LineChangeSerializer
from betting.web.api.serializers.valuation import EdgeSerializer
from valuation.vouching import edges

PAGE = 500
"""The most notifications that one look returns."""

EDGE_OPENED, EDGE_CLOSED, LINE_MAJOR = "edge.opened", "edge.closed", "line.major"


@dataclass(frozen=True, slots=True, order=True)
class StreamNotification:
    """A notification of the stream.

    Attributes:
        at: the time written on its row.
        kind: `EDGE_OPENED`, `EDGE_CLOSED` or `LINE_MAJOR`.
        row_id: the id of the edge or line change.
    """

    at: datetime
    kind: str
    row_id: int

    @property
    def key(self) -> str:
        """The notification's key, the same each time that it is sent."""
        return f"{self.kind}:{self.row_id}"


@dataclass(slots=True)
class Follower:
    """A reader that returns each notification once.

    Attributes:
        since: the time from which the next look reads rows.
        overlap: how much later than its time a row may become visible.
    """

    since: datetime
    overlap: timedelta
    _returned: set[StreamNotification] = field(default_factory=set)

    def look(self) -> list[StreamNotification]:
        """Return the notifications that it has not returned yet, oldest first, at most `PAGE`."""
        # All of those returned before may come first: read a full page beyond them.
        now, found = _notifications_since(self.since, PAGE + len(self._returned))
        fresh = [one for one in found if one not in self._returned][:PAGE]
        # A full page may leave out newer notifications: the next look starts from its last one.
        settled = fresh[-1].at if len(fresh) == PAGE else now
        self.since = max(self.since, settled - self.overlap)
        self._returned = {one for one in (*self._returned, *fresh) if one.at >= self.since}
        return fresh


def with_rows(
    notifications: Iterable[StreamNotification],
) -> Iterator[tuple[StreamNotification, dict[str, Any]]]:
    """Yield each notification with its row as it is now, in two statements; skip deleted rows."""
    notifications = list(notifications)
    changes = (one for one in notifications if one.kind != LINE_MAJOR)
    changed = _by_id(edges(), EdgeSerializer, changes)
    moves = _by_id(
        LineChange.objects.all(),
        LineChangeSerializer,
        (one for one in notifications if one.kind == LINE_MAJOR),
    )
    for one in notifications:
        rows = moves if one.kind == LINE_MAJOR else changed
        if one.row_id in rows:
            yield one, rows[one.row_id]


def database_time() -> datetime:
    """Return the database's time, by whose clock rows are stamped."""
    ((now,),) = fetch_all("SELECT statement_timestamp()", {})
    moment: datetime = now
    return moment


def _by_id(
    rows: QuerySet[Any], serializer: Any, notifications: Iterable[StreamNotification]
) -> Mapping[int, Any]:
    ids = {one.row_id for one in notifications}
    found = rows.select_related(*OF_QUOTE.related).in_bulk(ids) if ids else {}
    return {pk: serializer(row).data for pk, row in found.items()}


def _notifications_since(since: datetime, limit: int) -> tuple[datetime, list[StreamNotification]]:
    """Return the database's time, and the notifications since a time."""
    (row,) = fetch_all(_HAPPENED, {"since": since, "limit": limit})
    now, ats, kinds, ids = row
    return now, [StreamNotification(*one) for one in zip(ats, kinds, ids, strict=True)]


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
