"""From the names in a snapshot to the ids of rows, making the rows that are new.

Ids are remembered in bounded in-process caches, so that a poll of known events resolves without
a statement; an answer full of news takes one statement each for its sport, bookmakers, events,
markets and outcomes. Each commits by itself and can be repeated: a crash in between leaves an
event without quotes, never a quote without its event.

The caches trust that rows are not deleted under a running worker. `forget` empties them; ingest
does so when a reference turns out to be gone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import nan
from typing import Any

from django.db import transaction

from betting.sql import Bigints, Booleans, Floats, fetch_all
from streaming.core.snapshot import Snapshot, SnapshotEvent, SnapshotQuote

OutcomeKey = tuple[str, str, str, str, float | None]
"""Kind, period, participant, name, point: an outcome's key within its event."""

MAX_EVENTS = 20_000
MAX_BOOKMAKERS = 10_000


@dataclass(slots=True)
class KnownEvent:
    """An event's id and the (market id, outcome id) of its outcomes."""

    id: int
    outcomes: dict[OutcomeKey, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class QuoteColumns:
    """Quotes as columns of equal length, ready for `unnest`."""

    outcome_ids: Bigints = field(default_factory=Bigints)
    market_ids: Bigints = field(default_factory=Bigints)
    bookmaker_ids: Bigints = field(default_factory=Bigints)
    lays: Booleans = field(default_factory=Booleans)
    prices: Floats = field(default_factory=Floats)
    """Decimal odds; NaN for what is no longer offered."""
    source_seconds: Floats = field(default_factory=Floats)
    """The provider's stamps, in seconds since 1970; NaN where there is none."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A snapshot in ids: its sport, its events in the snapshot's order, and its quotes."""

    sport_id: int
    event_ids: list[int]
    columns: QuoteColumns


_sports: dict[str, int] = {}
_bookmakers: OrderedDict[str, int] = OrderedDict()
_events: OrderedDict[tuple[int, str], KnownEvent] = OrderedDict()


def forget() -> None:
    """Empty the caches."""
    _sports.clear()
    _bookmakers.clear()
    _events.clear()


def resolve(provider_id: int, snapshot: Snapshot) -> Resolved:
    """The ids of everything a snapshot names."""
    sport_id = _sport_id(snapshot)
    bookmakers = _bookmaker_ids(snapshot.bookmakers)
    events = _known_events(provider_id, sport_id, snapshot.events)
    _learn_outcomes(sport_id, snapshot.events, events)
    columns = QuoteColumns()
    for event, known in zip(snapshot.events, events, strict=True):
        _append(columns, event.quotes, known.outcomes, bookmakers)
    return Resolved(sport_id, [known.id for known in events], columns)


def lock_sport(sport_id: int) -> None:
    """Wait for, then hold until the transaction ends, the right to write what belongs to a sport.

    Answers of one sport are ingested one after the other: two feeds that share an event can
    neither deadlock nor diff against a state that the other is about to change. The wait is
    bounded by the connection's `lock_timeout`.

    Args:
        sport_id: the sport; 0 for what belongs to no sport (sports themselves, bookmakers).
    """
    fetch_all("SELECT pg_advisory_xact_lock(%(class)s, %(sport)s)", {**_LOCK, "sport": sport_id})


_LOCK = {"class": 0x48415244}  # spells HARD: our own class of advisory locks


def _make(statement: str, parameters: Mapping[str, object], sport_id: int) -> list[int]:
    """The ids of named rows, in the order given; rows that are missing are made.

    Under the lock, so that of two workers that meet a new name the second finds the first's row.
    """
    with transaction.atomic():
        lock_sport(sport_id)
        return [row_id for (row_id,) in fetch_all(statement, parameters)]


def _sport_id(snapshot: Snapshot) -> int:
    """The sport's id; 0 when the snapshot is about none."""
    key = snapshot.sport_key
    if not key:
        return 0
    if key not in _sports:
        title = next((event.sport_title for event in snapshot.events), key)
        (_sports[key],) = _make(_SPORTS, {"keys": [key], "titles": [title]}, 0)
    return _sports[key]


def _bookmaker_ids(titles: dict[str, str]) -> dict[str, int]:
    ids = {key: _bookmakers[key] for key in titles if key in _bookmakers}
    missing = [key for key in titles if key not in ids]
    if missing:
        parameters = {"keys": missing, "titles": [titles[key] for key in missing]}
        ids.update(zip(missing, _make(_BOOKMAKERS, parameters, 0), strict=True))
        _bookmakers.update(ids)
        _bound(_bookmakers, MAX_BOOKMAKERS)
    return ids


def _known_events(provider_id: int, sport_id: int, events: list[SnapshotEvent]) -> list[KnownEvent]:
    """One entry an event, in order. A list of our own: the cache may drop entries meanwhile."""
    cached = [_events.get((provider_id, event.external_id)) for event in events]
    missing = [event for event, known in zip(events, cached, strict=True) if known is None]
    if not missing:
        return [known for known in cached if known is not None]
    parameters = {
        "provider": provider_id,
        "sport": sport_id,
        "external_ids": [event.external_id for event in missing],
        "homes": [event.home for event in missing],
        "aways": [event.away for event in missing],
        "commence_times": [event.commence_time for event in missing],
    }
    made = iter([KnownEvent(event_id) for event_id in _make(_EVENTS, parameters, sport_id)])
    found = [known or next(made) for known in cached]
    for event, known in zip(events, found, strict=True):
        _events[provider_id, event.external_id] = known
    _bound(_events, MAX_EVENTS)
    return found


def _outcome_key(quote: SnapshotQuote) -> OutcomeKey:
    return (quote.kind, quote.period, quote.participant, quote.name, quote.point)


def _learn_outcomes(
    sport_id: int, events: list[SnapshotEvent], known_events: list[KnownEvent]
) -> None:
    """Fetch, or make, the markets and outcomes that the caches do not hold yet."""
    unseen: dict[tuple[int, OutcomeKey], tuple[KnownEvent, float | None]] = {}
    for event, known in zip(events, known_events, strict=True):
        for quote in event.quotes:
            key = _outcome_key(quote)
            if key not in known.outcomes:
                unseen[known.id, key] = (known, quote.line)
    if not unseen:
        return
    series = sorted({(event_id, *key[:3]) for event_id, key in unseen})
    market_ids = dict(
        zip(series, _make(_MARKETS, _columns(_SERIES, series), sport_id), strict=True)
    )
    wanted = [
        (market_ids[event_id, *key[:3]], *key[3:], line)
        for (event_id, key), (_, line) in unseen.items()
    ]
    outcome_ids = _make(_OUTCOMES, _columns(_OUTCOME, wanted), sport_id)
    for ((_, key), (known, _)), (market_id, *_), outcome_id in zip(
        unseen.items(), wanted, outcome_ids, strict=True
    ):
        known.outcomes[key] = (market_id, outcome_id)


_SERIES = ("events", "kinds", "periods", "participants")
_OUTCOME = ("markets", "names", "points", "lines")


def _columns(names: tuple[str, ...], rows: list[Any]) -> dict[str, object]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _append(
    columns: QuoteColumns,
    quotes: Iterable[SnapshotQuote],
    outcomes: dict[OutcomeKey, tuple[int, int]],
    bookmakers: dict[str, int],
) -> None:
    for quote in quotes:
        market_id, outcome_id = outcomes[_outcome_key(quote)]
        columns.outcome_ids.append(outcome_id)
        columns.market_ids.append(market_id)
        columns.bookmaker_ids.append(bookmakers[quote.bookmaker])
        columns.lays.append(quote.side == "lay")
        columns.prices.append(nan if quote.price is None else quote.price)
        columns.source_seconds.append(quote.source_at.timestamp() if quote.source_at else nan)


def _bound(cache: OrderedDict[Any, Any], limit: int) -> None:
    while len(cache) > limit:
        cache.popitem(last=False)


# Each statement is given the names of rows, none of them twice. It finds the ids of the rows
# there are, draws ids for the rest, inserts those, and returns all ids in the order given. To
# join the inserted rows back by name instead would make the planner guess, and it guesses badly.

_SPORTS = """
WITH found AS MATERIALIZED (
    SELECT COALESCE(t.id, nextval(pg_get_serial_sequence('betting_sport', 'id'))) AS id,
           t.id IS NULL AS is_new, given.*
    FROM unnest(%(keys)s::text[], %(titles)s::text[]) WITH ORDINALITY AS given (key, title, place)
    LEFT JOIN betting_sport t USING (key)
),
made AS (
    INSERT INTO betting_sport (id, key, title) SELECT id, key, title FROM found WHERE is_new
)
SELECT id FROM found ORDER BY place
"""

_BOOKMAKERS = _SPORTS.replace("betting_sport", "betting_bookmaker")

_EVENTS = """
WITH found AS MATERIALIZED (
    SELECT COALESCE(
               alias.event_id, nextval(pg_get_serial_sequence('betting_event', 'id'))
           ) AS id,
           alias.id IS NULL AS is_new, given.*
    FROM unnest(
        %(external_ids)s::text[], %(homes)s::text[], %(aways)s::text[],
        %(commence_times)s::timestamptz[]
    ) WITH ORDINALITY AS given (external_id, home, away, commence_time, place)
    LEFT JOIN betting_eventalias alias
      ON alias.provider_id = %(provider)s AND alias.external_id = given.external_id
),
made AS (
    INSERT INTO betting_event (id, sport_id, home, away, commence_time)
    SELECT id, %(sport)s, home, away, commence_time FROM found WHERE is_new
),
named AS (
    INSERT INTO betting_eventalias (event_id, provider_id, external_id)
    SELECT id, %(provider)s, external_id FROM found WHERE is_new
)
SELECT id FROM found ORDER BY place
"""

_MARKETS = """
WITH found AS MATERIALIZED (
    SELECT COALESCE(m.id, nextval(pg_get_serial_sequence('betting_market', 'id'))) AS id,
           m.id IS NULL AS is_new, given.*
    FROM unnest(
        %(events)s::bigint[], %(kinds)s::text[], %(periods)s::text[], %(participants)s::text[]
    ) WITH ORDINALITY AS given (event_id, kind, period, participant, place)
    LEFT JOIN betting_market m USING (event_id, kind, period, participant)
),
made AS (
    INSERT INTO betting_market (id, event_id, kind, period, participant)
    SELECT id, event_id, kind, period, participant FROM found WHERE is_new
)
SELECT id FROM found ORDER BY place
"""

_OUTCOMES = """
WITH found AS MATERIALIZED (
    SELECT COALESCE(o.id, nextval(pg_get_serial_sequence('betting_outcome', 'id'))) AS id,
           o.id IS NULL AS is_new, given.*
    FROM unnest(
        %(markets)s::bigint[], %(names)s::text[], %(points)s::float8[], %(lines)s::float8[]
    ) WITH ORDINALITY AS given (market_id, name, point, line, place)
    LEFT JOIN betting_outcome o
      ON o.market_id = given.market_id AND o.name = given.name
     AND o.point IS NOT DISTINCT FROM given.point
),
made AS (
    INSERT INTO betting_outcome (id, market_id, name, point, line)
    SELECT id, market_id, name, point, line FROM found WHERE is_new
)
SELECT id FROM found ORDER BY place
"""
