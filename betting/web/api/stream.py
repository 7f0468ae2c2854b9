"""Notifications for the API's stream, read from the database: it can be followed and resumed.

A notification of the stream is a row: an edge that opened or closed, a major move of a line, or a
change of a price. Rows are read by the time written on them. Transactions do not commit in the
order of those times, so a row may become visible after newer rows. Each look therefore goes back
over an overlap that is longer than a transaction can take, and skips by its key what has been sent.
Nothing is lost, and nothing is sent twice within one connection. A client that resumes is sent
again what happened in the overlap before the last notification that it received; keys are stable,
so it can recognise repetitions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from betting.db.bets import OF_QUOTE, QUOTE
from betting.db.freshness import with_disputes, with_freshness
from betting.db.sql import fetch_all
from betting.models import LineChange, Quote
from betting.web.api.serializers.odds import LineChangeSerializer, QuoteSerializer
from betting.web.api.serializers.valuation import EdgeSerializer
from valuation.vouching import edges

PAGE = 500
"""The most notifications that one look returns."""

EDGE_OPENED, EDGE_CLOSED, LINE_MAJOR = "edge.opened", "edge.closed", "line.major"
PRICE_CHANGED = "price.changed"

CHANNELS = {
    "edges": (EDGE_OPENED, EDGE_CLOSED),
    "moves": (LINE_MAJOR,),
    "prices": (PRICE_CHANGED,),
}
"""The kinds of notifications by the channels that clients choose."""

DEFAULT_CHANNELS = ("edges", "moves")

PRICE_REPLAY = timedelta(seconds=120)
"""Who resumes is sent changes of prices from no further back: of a price its current value counts,
which the lists and the comparison have."""


@dataclass(frozen=True, slots=True, order=True)
class StreamNotification:
    """A notification of the stream.

    Attributes:
        at: the time written on its row.
        kind: one of `CHANNELS`.
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
        events: those whose changes of prices are read.
        prices_since: no older changes of prices are read; None if they are as old as others. It
            stands still: what happens while a slow client reads is not lost to it.
        settled: who has had what was returned has missed nothing if it goes on from this time,
            less the overlap; None before the first look.
    """

    since: datetime
    overlap: timedelta
    events: Collection[int] = ()
    prices_since: datetime | None = None
    settled: datetime | None = None
    _returned: set[StreamNotification] = field(default_factory=set)

    def look(self) -> list[StreamNotification]:
        """Return the notifications that it has not returned yet, oldest first, at most `PAGE`."""
        # All of those returned before may come first: read a full page beyond them.
        limit = PAGE + len(self._returned)
        now, found = _notifications_since(self.since, limit, self.events, self.prices_since)
        fresh = [one for one in found if one not in self._returned][:PAGE]
        # A full page may leave out newer notifications: the next look starts from its last one.
        self.settled = fresh[-1].at if len(fresh) == PAGE else now
        self.since = max(self.since, self.settled - self.overlap)
        self._returned = {one for one in (*self._returned, *fresh) if one.at >= self.since}
        return fresh

    def has_left(self, one: StreamNotification) -> bool:
        """Return True of a notification that a later look may return."""
        return one.at >= self.since and one not in self._returned


def with_rows(
    notifications: Iterable[StreamNotification],
) -> Iterator[tuple[StreamNotification, dict[str, Any]]]:
    """Yield each notification with its row as it is now, judged; skip deleted rows.

    The row of a changed price is its quote. There is one statement for each kind of row.
    """
    by_kind: dict[str, list[int]] = {}
    notifications = list(notifications)
    for one in notifications:
        by_kind.setdefault(one.kind, []).append(one.row_id)
    changed = _by_id(
        edges().select_related(*OF_QUOTE.related),
        EdgeSerializer,
        [*by_kind.get(EDGE_OPENED, ()), *by_kind.get(EDGE_CLOSED, ())],
    )
    moves = _by_id(
        LineChange.objects.select_related(*OF_QUOTE.related),
        LineChangeSerializer,
        by_kind.get(LINE_MAJOR, ()),
    )
    rows = {
        EDGE_OPENED: changed,
        EDGE_CLOSED: changed,
        LINE_MAJOR: moves,
        PRICE_CHANGED: _quotes_of(by_kind.get(PRICE_CHANGED, ())),
    }
    for one in notifications:
        if one.row_id in rows[one.kind]:
            yield one, rows[one.kind][one.row_id]


def database_time() -> datetime:
    """Return the database's time, by whose clock rows are stamped."""
    ((now,),) = fetch_all("SELECT statement_timestamp()", {})
    moment: datetime = now
    return moment


def _by_id(rows: QuerySet[Any], serializer: Any, ids: Collection[int]) -> Mapping[int, Any]:
    found = rows.in_bulk(ids) if ids else {}
    return {pk: serializer(row).data for pk, row in found.items()}


def _quotes_of(change_ids: Collection[int]) -> Mapping[int, Any]:
    """Return the quotes that some line changes were of, by the changes' ids."""
    if not change_ids:
        return {}
    changes = LineChange.objects.filter(pk__in=change_ids).values_list("pk", "quote_id")
    quote_of = dict(changes)
    quotes = with_disputes(with_freshness(Quote.objects.all()))
    found = _by_id(
        quotes.select_related(*QUOTE.related, "feed__provider"),
        QuoteSerializer,
        set(quote_of.values()),
    )
    return {pk: found[quote] for pk, quote in quote_of.items() if quote in found}


def _notifications_since(
    since: datetime, limit: int, events: Collection[int], prices_since: datetime | None
) -> tuple[datetime, list[StreamNotification]]:
    """Return the database's time, and the notifications since a time."""
    prices = {"events": list(events), "prices_since": max(since, prices_since or since)}
    (row,) = fetch_all(_HAPPENED, {"since": since, "limit": limit, **prices})
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
    UNION ALL
    (SELECT recorded_at, 'price.changed', id FROM betting_linechange
     WHERE %(events)s::bigint[] <> '{}'
       AND recorded_at >= %(prices_since)s
       AND market_id = ANY (ARRAY(
           SELECT id FROM betting_market WHERE event_id = ANY (%(events)s::bigint[])))
     ORDER BY recorded_at, id LIMIT %(limit)s)
),
oldest AS (SELECT * FROM happened ORDER BY at, kind, id LIMIT %(limit)s)
SELECT statement_timestamp(),
       COALESCE(array_agg(at ORDER BY at, kind, id), '{}'),
       COALESCE(array_agg(kind ORDER BY at, kind, id), '{}'),
       COALESCE(array_agg(id ORDER BY at, kind, id), '{}')
FROM oldest
"""
