"""Reading the stored history for backtests: events with closing prices, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from betting.db.price_groups import GROUP
from betting.db.sql import Bigints, fetch_all, fetch_columns
from valuation.backtest.sample import Bookmakers, Sample
from valuation.backtest.stored_rows import (
    ClosedEvent,
    StoredBookmakers,
    StoredOutcomes,
    StoredQuotes,
    sample_of,
)
from valuation.closes.take import read
from valuation.results.grading import Score
from valuation.unvalued import ROLE

EVENTS = 20
"""Events that are read and played together."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the stored history.

    Attributes:
        since: events that started from then on.
        until: events that started before; None for all.
    """

    since: datetime | None = None
    until: datetime | None = None


def count_events(of: Stretch) -> int:
    """Return how many events of a stretch have had their closing prices taken."""
    ((count,),) = fetch_all(_COUNT, asdict(of))
    return int(count)


def read_bookmakers() -> StoredBookmakers:
    """Return all bookmakers, with the terms that are in force."""
    key, *columns = fetch_columns(_BOOKMAKERS, {})
    number, group, rate, is_contract, is_venue = columns
    terms = Bookmakers(tuple(key), group, rate, is_contract, is_venue)
    # PostgreSQL may order texts otherwise than Python.
    order = np.array(sorted(range(len(key)), key=terms.keys.__getitem__), dtype=np.int64)
    _, group = np.unique(group[order], return_inverse=True)
    return StoredBookmakers(
        number[order],
        Bookmakers(
            keys=tuple(sorted(key)),
            group=group.astype(np.int64),
            rate=rate[order],
            is_contract=is_contract[order],
            is_venue=is_venue[order],
        ),
    )


def chunks(of: Stretch, size: int = EVENTS) -> Iterator[list[ClosedEvent]]:
    """Yield the events of a stretch in the order of time, some at a time, in a statement each."""
    after: tuple[Any, int] = ("-infinity", 0)
    while True:
        rows = fetch_all(_EVENTS, {**asdict(of), "start": after[0], "id": after[1], "events": size})
        if rows:
            yield [_event(*row) for row in rows]
        if len(rows) < size:
            return
        after = rows[-1][1], rows[-1][0]


def read_sample(
    events: Sequence[ClosedEvent], seconds_before: float, bookmakers: StoredBookmakers
) -> Sample:
    """Read the prices of some events, in two statements.

    Args:
        events: in the order of time.
        seconds_before: how long before the start the early prices are taken.
        bookmakers: all of them.
    """
    ids = [event.id for event in events]
    early = read(ids, seconds_before)
    columns = fetch_columns(_QUOTES, {"events": Bigints(ids)})
    outcomes, quotes = StoredOutcomes(*columns[:10]), StoredQuotes(*columns[10:])
    return sample_of(events, early, outcomes, quotes, bookmakers)


def _event(
    number: int,
    start: datetime,
    home: str,
    away: str,
    status: str | None,
    home_score: int | None,
    away_score: int | None,
) -> ClosedEvent:
    score = None if status is None else Score(home, away, home_score, away_score)
    return ClosedEvent(number, start, score)


_IN_STRETCH = """
    e.closed_for = e.commence_time
    AND e.commence_time >= COALESCE(%(since)s::timestamptz, '-infinity')
    AND e.commence_time < COALESCE(%(until)s::timestamptz, 'infinity')
"""

_COUNT = f"SELECT count(*) FROM betting_event e WHERE {_IN_STRETCH}"  # noqa: S608

_BOOKMAKERS = f"""
SELECT COALESCE(array_agg(b.key::text ORDER BY b.id), '{{}}'),
       COALESCE(array_agg(b.id ORDER BY b.id), '{{}}'),
       COALESCE(array_agg({GROUP} ORDER BY b.id), '{{}}'),
       COALESCE(array_agg(COALESCE(b.commission, 'NaN') ORDER BY b.id), '{{}}'),
       COALESCE(array_agg(b.fee_model = 'contract' ORDER BY b.id), '{{}}'),
       COALESCE(array_agg(b.is_venue ORDER BY b.id), '{{}}')
FROM betting_bookmaker b
"""  # noqa: S608 - the text of `betting.db.price_groups`

_EVENTS = f"""
SELECT e.id, e.commence_time, e.home, e.away, r.status, r.home_score, r.away_score
FROM betting_event e
LEFT JOIN valuation_result r ON r.event_id = e.id
WHERE {_IN_STRETCH} AND (e.commence_time, e.id) > (%(start)s::timestamptz, %(id)s)
ORDER BY e.commence_time, e.id LIMIT %(events)s
"""  # noqa: S608 - the condition above

_QUOTES = f"""
WITH outcome AS MATERIALIZED (
    SELECT o.id, m.event_id, o.market_id, COALESCE(o.line, 'NaN') AS line, {ROLE} AS role,
           COALESCE(o.point, 'NaN') AS point, m.kind::text AS kind, m.period::text AS period,
           m.participant::text AS participant, o.name::text AS name
    FROM (
        SELECT m.id, m.event_id, m.kind, m.period, m.participant, e.home, e.away
        FROM betting_event e JOIN betting_market m ON m.event_id = e.id
        WHERE e.id = ANY (%(events)s::bigint[])
    ) AS m
    JOIN betting_outcome o ON o.market_id = m.id
),
quote AS MATERIALIZED (
    SELECT q.id, q.outcome_id, q.bookmaker_id, q.side = 'lay' AS is_lay,
           COALESCE(c.price, 'NaN') AS close
    FROM outcome
    JOIN betting_quote q ON q.outcome_id = outcome.id
    LEFT JOIN valuation_closingquote c ON c.quote_id = q.id
)
SELECT o.*, q.*
FROM (
    SELECT COALESCE(array_agg(id ORDER BY id), '{{}}'),
           COALESCE(array_agg(event_id ORDER BY id), '{{}}'),
           COALESCE(array_agg(market_id ORDER BY id), '{{}}'),
           COALESCE(array_agg(line ORDER BY id), '{{}}'),
           COALESCE(array_agg(role ORDER BY id), '{{}}'),
           COALESCE(array_agg(point ORDER BY id), '{{}}'),
           COALESCE(array_agg(kind ORDER BY id), '{{}}'),
           COALESCE(array_agg(period ORDER BY id), '{{}}'),
           COALESCE(array_agg(participant ORDER BY id), '{{}}'),
           COALESCE(array_agg(name ORDER BY id), '{{}}')
    FROM outcome
) AS o, (
    SELECT COALESCE(array_agg(id ORDER BY id), '{{}}'),
           COALESCE(array_agg(outcome_id ORDER BY id), '{{}}'),
           COALESCE(array_agg(bookmaker_id ORDER BY id), '{{}}'),
           COALESCE(array_agg(is_lay ORDER BY id), '{{}}'),
           COALESCE(array_agg(close ORDER BY id), '{{}}')
    FROM quote
) AS q
"""  # noqa: S608 - the text of `valuation.unvalued`
