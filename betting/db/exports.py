"""Quotes and line history as flat tables.

All tables with a market have the same first columns: `event_id` is Hardline's id, by which tables
can be joined; `event` is the provider's id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import (
    Case,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat

from betting.db.bets import OF_QUOTE, QUOTE
from betting.db.freshness import disputed_by, with_freshness
from betting.db.sessions import sessions_alias
from betting.models import EventAlias, LineChange, Quote, QuoteStatus

ROWS_PER_FETCH = 5_000


@dataclass(frozen=True, slots=True)
class Table:
    """A table that can be exported.

    Attributes:
        name: its name on the command line.
        rows: returns all rows, in their order, as they are judged when it is called.
        columns: column name → the expression, or field path, of its value.
        statuses: status → the condition a row has to meet.
    """

    name: str
    rows: Callable[[], QuerySet[Any]]
    columns: Mapping[str, str | Combinable]
    statuses: Mapping[str, Q] = field(default_factory=dict)

    def fetch(self, status: str | None) -> Iterator[tuple[Any, ...]]:
        """Yield the rows lazily, in constant memory.

        Outside a transaction the cursor is declared WITH HOLD: the server stores the result, so
        that a slow reader keeps no transaction open, which would hold back vacuum.

        Args:
            status: a key of `statuses`; None for all rows.
        """
        rows = self.rows().using(sessions_alias())
        if status is not None:
            rows = rows.filter(self.statuses[status])
        return rows.values_list(*self.columns.values()).iterator(chunk_size=ROWS_PER_FETCH)


class Utc(Func):
    """A time as text, e.g. ``2026-03-01T12:00:00.250000Z``.

    The server formats it: reading a million times into Python takes longer than all the rest.
    """

    template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    output_field = TextField()


def market_columns(market: str, event_alias: Combinable) -> dict[str, str | Combinable]:
    """Return the first columns of every table with a market.

    Args:
        market: the path to the row's market.
        event_alias: the provider's id of its event.
    """
    event = f"{market}__event"
    return {
        "event_id": f"{event}_id",
        "event": event_alias,
        "sport": f"{event}__sport__key",
        "home": f"{event}__home",
        "away": f"{event}__away",
        "commence_time": Utc(f"{event}__commence_time"),
        "market": market_key(market),
        "participant": f"{market}__participant",
    }


def market_key(market: str) -> Combinable:
    """Return the SQL expression of `Market.key`."""
    kind, period = F(f"{market}__kind"), f"{market}__period"
    return Case(When(**{period: "full"}, then=kind), default=Concat(kind, Value("_"), F(period)))


def alias_of_provider(market: str, provider: str) -> Combinable:
    """Return the provider's id of the market's event; `market` and `provider` are paths."""
    known = EventAlias.objects.filter(event=OuterRef(f"{market}__event"))
    return Subquery(known.filter(provider=OuterRef(provider)).values("external_id"))


_DISPUTED_BY = disputed_by(
    Concat(
        F("feed__provider__key"),
        Value(" @ "),
        Cast("price", TextField()),
        output_field=TextField(),
    )
)

QUOTES = Table(
    name="quotes",
    rows=lambda: with_freshness(Quote.objects.order_by("id")),
    columns={
        **market_columns("market", alias_of_provider("market", "feed__provider")),
        **QUOTE.columns,
        "price": "price",
        "status": "status",
        "source_at": Utc("source_at"),
        "changed_at": Utc("changed_at"),
        # Every answer of its feed confirms an active quote; any other quote was last observed when
        # it stopped being active.
        "observed_at": Case(
            When(status=QuoteStatus.ACTIVE, then=Utc("feed__observed_at")),
            default=Utc("changed_at"),
        ),
        "confirmed_at": Utc("confirmed_at"),
        "is_stale": "is_stale",
        "disputed_by": _DISPUTED_BY,
    },
    statuses={status.value: Q(status=status) for status in QuoteStatus},
)

LINE_CHANGES = Table(
    name="line_changes",
    rows=lambda: LineChange.objects.order_by("id"),
    columns={
        "id": "id",
        "quote_id": "quote_id",
        **market_columns("market", alias_of_provider("market", "quote__feed__provider")),
        **OF_QUOTE.columns,
        "kind": "kind",
        "old_price": "old_price",
        "new_price": "new_price",
        "old_point": "old_point",
        "new_point": "new_point",
        "movement": "movement",
        "classification": "classification",
        "source_at": Utc("source_at"),
        "received_at": Utc("received_at"),
        "recorded_at": Utc("recorded_at"),
    },
)
