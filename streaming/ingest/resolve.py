"""Resolving the names in a snapshot to the ids of rows, making the rows that are new.

Ids are cached in bounded memory of the process, so that a poll of known events resolves without a
statement; an answer full of new names takes one statement each for its sport, bookmakers, markets
and outcomes, and a few for its events. Each commits by itself and can be repeated: a crash in
between leaves an event without quotes, never a quote without its event.

Cached ids can become wrong: an operator merges two events, an event is renamed, rows are deleted.
The database counts such changes (migration 0006). Ingest compares that epoch with the one of the
caches under the lock that covers its writes; `forget` empties them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from betting.bookmaker_terms import terms_of
from betting.db.market_versions import raising
from betting.db.sql import fetch_all
from streaming.core.bounded_cache import BoundedCache
from streaming.core.matching import MatchPolicy
from streaming.core.participants import Spelling
from streaming.core.snapshot import Snapshot, SnapshotEvent, SnapshotQuote
from streaming.ingest.columns import (
    Listed,
    QuoteColumns,
    columns_of,
    joined,
    outcome_key,
    unstamped,
)
from streaming.ingest.event_matching import KnownEvent, OutcomeKey, Source, find_or_make
from streaming.ingest.locks import lock_family, lock_shared

MAX_EVENTS = 20_000
MAX_BOOKMAKERS = 10_000
MAX_QUOTES = 200_000
"""The most quotes of events that are remembered in ids: some 10 MB."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A snapshot in ids.

    Attributes:
        source: the provider of the snapshot, and its sport.
        epoch: the epoch of names that the caches were filled in: see the module.
        events: its events, in the snapshot's order.
        columns: its quotes.
    """

    source: Source
    epoch: int
    events: list[KnownEvent]
    columns: QuoteColumns


EventKey = tuple[int, str, str, str]
"""Provider, its id of the event, its names of the two: under other names it is resolved again."""


@dataclass(slots=True)
class _Caches:
    epoch: int
    sports: dict[str, int] = field(default_factory=dict)
    bookmakers: OrderedDict[str, int] = field(default_factory=OrderedDict)
    events: OrderedDict[EventKey, KnownEvent] = field(default_factory=OrderedDict)
    listed: BoundedCache[tuple[int, str, str], Listed] = field(
        default_factory=lambda: BoundedCache(MAX_QUOTES)
    )


_remembered: list[_Caches] = []
"""The caches, or nothing. They are replaced as a whole: a call under way keeps filling its own."""


def forget() -> None:
    """Empty the caches."""
    _remembered.clear()


def _caches() -> _Caches:
    for caches in _remembered:
        return caches
    # Read the epoch first: what is read then may be newer than it says, never older.
    caches = _Caches(_epoch())
    _remembered[:] = [caches]
    return caches


def _epoch() -> int:
    ((epoch,),) = fetch_all(_EPOCH, {})
    return int(epoch)


def resolve(provider_id: int, snapshot: Snapshot, policy: MatchPolicy) -> Resolved:
    """Return the ids of everything that a snapshot names."""
    return _resolve(_caches(), provider_id, snapshot, policy)


def resolve_uncached(provider_id: int, snapshot: Snapshot, policy: MatchPolicy) -> Resolved:
    """Return the same from the database alone, for a transaction that holds the family's lock.

    The result is not cached: the transaction may be rolled back.
    """
    return _resolve(_Caches(_epoch()), provider_id, snapshot, policy)


def _resolve(
    caches: _Caches, provider_id: int, snapshot: Snapshot, policy: MatchPolicy
) -> Resolved:
    sport_id = _sport_id(caches, snapshot)
    source = Source(provider_id, sport_id, snapshot.sport_key)
    bookmakers = _bookmaker_ids(caches, snapshot.bookmakers)
    events = _known_events(caches, source, snapshot.events, policy)
    columns = _columns_of_events(caches, source, snapshot, events, bookmakers)
    return Resolved(source, caches.epoch, events, columns)


def _make(statement: str, parameters: Mapping[str, object], family: str | None) -> list[int]:
    """Return the ids of named rows, in the order given; rows that are missing are made.

    The lock lets the second of two workers that list a new name find the first's row.

    Args:
        statement: one of those below.
        parameters: its names.
        family: the family that the rows belong to; None for rows that belong to no sport.
    """
    with transaction.atomic():
        if family is None:
            lock_shared()
        else:
            lock_family(family)
        return [row_id for (row_id,) in fetch_all(statement, parameters)]


def _sport_id(caches: _Caches, snapshot: Snapshot) -> int:
    """Return the sport's id; 0 when the snapshot is about none."""
    key, sports = snapshot.sport_key, caches.sports
    if not key:
        return 0
    if key not in sports:
        title = next((event.sport_title for event in snapshot.events), key)
        (sports[key],) = _make(_SPORTS, {"keys": [key], "titles": [title]}, None)
    return sports[key]


def _bookmaker_ids(caches: _Caches, titles: dict[str, str]) -> dict[str, int]:
    ids = {key: caches.bookmakers[key] for key in titles if key in caches.bookmakers}
    missing = [key for key in titles if key not in ids]
    if missing:
        terms = [terms_of(key) for key in missing]
        parameters = {
            "keys": missing,
            "titles": [titles[key] for key in missing],
            "kinds": [each.kind for each in terms],
            "commissions": [each.commission for each in terms],
            "fee_models": [each.fee_model for each in terms],
            "venues": [each.is_venue for each in terms],
            "weights": [each.weight for each in terms],
        }
        ids.update(zip(missing, _make(_BOOKMAKERS, parameters, None), strict=True))
        caches.bookmakers.update(ids)
        _bound(caches.bookmakers, MAX_BOOKMAKERS)
    return ids


def _known_events(
    caches: _Caches, source: Source, events: list[SnapshotEvent], policy: MatchPolicy
) -> list[KnownEvent]:
    """Return one entry per event, in order; a new list, as the cache may drop entries meanwhile."""
    keys = [(source.provider_id, each.external_id, each.home, each.away) for each in events]
    cached = [caches.events.get(key) for key in keys]
    missing = [event for event, known in zip(events, cached, strict=True) if known is None]
    if not missing:
        return [known for known in cached if known is not None]
    made = iter(find_or_make(source, missing, policy))
    found = [known or next(made) for known in cached]
    caches.events.update(zip(keys, found, strict=True))
    _bound(caches.events, MAX_EVENTS)
    return found


def _own_outcome(quote: SnapshotQuote, spelling: Spelling) -> tuple[OutcomeKey, float | None]:
    """Return the outcome's key and line as the event spells its names and orders its sides."""
    names = spelling.names
    line = quote.line
    if spelling.is_swapped and line is not None and quote.name in names:
        line = 0.0 - line  # a handicap, as the other side sees it
    name, participant = (names.get(name, name) for name in (quote.name, quote.participant))
    return (quote.kind, quote.period, participant, name, quote.point), line


def _learn_outcomes(
    family: str, events: list[SnapshotEvent], known_events: list[KnownEvent]
) -> None:
    """Fetch the markets and outcomes that the caches do not hold yet, making those that are new."""
    unseen: list[tuple[KnownEvent, OutcomeKey, OutcomeKey]] = []
    lines: dict[tuple[int, OutcomeKey], float | None] = {}
    for event, known in zip(events, known_events, strict=True):
        if known.spelling is None:
            continue
        for quote in unstamped(event.quotes):
            key = outcome_key(quote)
            if key not in known.outcomes:
                own, line = _own_outcome(quote, known.spelling)
                unseen.append((known, key, own))
                lines[known.id, own] = line
    if lines:
        ids = _outcome_ids(family, lines)
        for known, key, own in unseen:
            known.outcomes[key] = ids[known.id, own]


def _outcome_ids(
    family: str, lines: dict[tuple[int, OutcomeKey], float | None]
) -> dict[tuple[int, OutcomeKey], tuple[int, int]]:
    """Return, by event and outcome key, the market id and outcome id of all that `lines` names."""
    series = sorted({(event_id, *key[:3]) for event_id, key in lines})
    market_ids = dict(zip(series, _make(_MARKETS, _columns(_SERIES, series), family), strict=True))
    wanted = [
        (market_ids[event_id, *key[:3]], *key[3:], line) for (event_id, key), line in lines.items()
    ]
    outcome_ids = _make(_OUTCOMES, _columns(_OUTCOME, wanted), family)
    return {
        outcome: (market_id, outcome_id)
        for outcome, (market_id, *_), outcome_id in zip(lines, wanted, outcome_ids, strict=True)
    }


_SERIES = ("events", "kinds", "periods", "participants")
_OUTCOME = ("markets", "names", "points", "lines")


def _columns(names: tuple[str, ...], rows: list[Any]) -> dict[str, object]:
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def _columns_of_events(
    caches: _Caches,
    source: Source,
    snapshot: Snapshot,
    known_events: list[KnownEvent],
    bookmakers: dict[str, int],
) -> QuoteColumns:
    """Return the quotes of an answer in ids; those of an event that lists the same are known."""
    keys = [(source.provider_id, snapshot.feed, each.external_id) for each in snapshot.events]
    columns: list[QuoteColumns | None] = []
    for key, known, event in zip(keys, known_events, snapshot.events, strict=True):
        listed = caches.listed.get(key)
        columns.append(None if listed is None else listed.again(known, event.quotes))
    new = [place for place, each in enumerate(columns) if each is None]
    _learn_outcomes(
        source.family,
        [snapshot.events[place] for place in new],
        [known_events[place] for place in new],
    )
    for place in new:
        known, quotes = known_events[place], snapshot.events[place].quotes
        columns[place], listed = columns_of(known, quotes, bookmakers)
        if listed is not None:
            caches.listed.put(keys[place], listed, len(quotes))
    return joined(each for each in columns if each is not None)


def _bound(cache: OrderedDict[Any, Any], limit: int) -> None:
    while len(cache) > limit:
        cache.popitem(last=False)


_EPOCH = "SELECT value FROM betting_names_epoch"

# Each statement takes the names of rows, none of them twice. It finds the ids of existing rows,
# draws ids for the others, inserts those, and returns all ids in the order given. Joining the
# inserted rows back by name instead would make the planner guess their number, and it guesses
# badly.

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

_BOOKMAKERS = """
WITH found AS MATERIALIZED (
    SELECT COALESCE(t.id, nextval(pg_get_serial_sequence('betting_bookmaker', 'id'))) AS id,
           t.id IS NULL AS is_new, given.*
    FROM unnest(
        %(keys)s::text[], %(titles)s::text[], %(kinds)s::text[], %(commissions)s::float8[],
        %(fee_models)s::text[], %(venues)s::boolean[], %(weights)s::float8[]
    ) WITH ORDINALITY
        AS given (key, title, kind, commission, fee_model, is_venue, weight, place)
    LEFT JOIN betting_bookmaker t USING (key)
),
made AS (
    INSERT INTO betting_bookmaker
        (id, key, title, kind, commission, fee_model, is_venue, weight)
    SELECT id, key, title, kind, commission, fee_model, is_venue, weight FROM found WHERE is_new
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

# A line follows the sides of its event. If a provider corrects who is at home, outcomes made before
# keep their points and get new lines here, and their markets are valued again.
_OUTCOMES = raising(
    """
WITH found AS MATERIALIZED (
    SELECT COALESCE(o.id, nextval(pg_get_serial_sequence('betting_outcome', 'id'))) AS id,
           o.id IS NULL AS is_new, o.line AS known_line, given.*
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
),
touched AS (
    UPDATE betting_outcome o SET line = found.line
    FROM found WHERE o.id = found.id AND NOT found.is_new AND found.known_line <> found.line
    RETURNING o.market_id
)""",
    "SELECT id FROM found ORDER BY place",
)
