"""Matching a provider's event ids to events: those it knows, those only others know, and new ones.

A new id is compared with the open events of the sport's family that this provider does not know by
another id. It joins the event that it agrees with, or makes an event of its own, with a
`DoubtfulMatch` for each that it nearly agrees with. The rules are in `streaming.core.matching`. All
new ids together take one or two statements, under the family's lock: of two providers that list a
game at the same time, the second finds the event of the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from betting.db.querysets import participant_aliases
from betting.db.sql import Bigints, fetch_all
from betting.logs import note
from streaming.core.matching import Contest, Doubtful, MatchPolicy, MatchVerdict, Same, match_all
from streaming.core.participants import (
    VERBATIM,
    Pair,
    Spelling,
    canonical_pair,
    spelling,
    sport_family,
)
from streaming.core.snapshot import SnapshotEvent
from streaming.ingest.locks import lock_family

OutcomeKey = tuple[str, str, str, str, float | None]
"""Kind, period, participant, name, point: an outcome's key within its event."""


@dataclass(frozen=True, slots=True)
class Source:
    """The provider that the ids belong to, and the sport that it lists them under."""

    provider_id: int
    sport_id: int
    sport_key: str

    @property
    def family(self) -> str:
        """The family that the sport belongs to."""
        return sport_family(self.sport_key)


@dataclass(slots=True)
class KnownEvent:
    """An event as one provider knows it.

    Attributes:
        id: the event.
        is_owned: whether this provider has known the event the longest: its answers then say what
            the event is called, when it starts and when it has ended.
        spelling: how the event writes this provider's names; None if these now name other
            participants, and this provider's quotes are left out.
        outcomes: key in the provider's words → (market id, outcome id).
    """

    id: int
    is_owned: bool = True
    spelling: Spelling | None = VERBATIM
    outcomes: dict[OutcomeKey, tuple[int, int]] = field(default_factory=dict)


def find_or_make(
    source: Source, events: Sequence[SnapshotEvent], policy: MatchPolicy
) -> list[KnownEvent]:
    """Return the events of a provider's ids, in order; make those that no provider knows."""
    with transaction.atomic():
        lock_family(source.family)
        found = _find(source, events)
        unknown = [event for event, known in zip(events, found, strict=True) if known is None]
        made = iter(_join_or_make(source, unknown, policy) if unknown else [])
        return [known or next(made) for known in found]


def _find(source: Source, events: Sequence[SnapshotEvent]) -> list[KnownEvent | None]:
    """Return the events of the ids, in order; None for each id that is not known."""
    external_ids = [event.external_id for event in events]
    rows = fetch_all(_FIND, {"provider": source.provider_id, "external_ids": external_ids})
    has_guest = any(is_owned is False for *_, is_owned in rows)
    aliases = participant_aliases(source.family) if has_guest else {}
    found: list[KnownEvent | None] = []
    for event, (event_id, home, away, is_owned) in zip(events, rows, strict=True):
        if event_id is None:
            found.append(None)
        elif is_owned:
            found.append(KnownEvent(event_id))
        else:
            words = spelling(Pair(home, away), _names(event), aliases)
            found.append(_guest(event_id, words))
            if words is None:
                _tell_misfit(source, event, f"event {event_id} is {home!r} v {away!r}")
    return found


def _tell_misfit(source: Source, event: SnapshotEvent, known: str) -> None:
    now = f"its id {event.external_id!r} is now {event.home!r} v {event.away!r}"
    note(
        "streaming",
        "match",
        f"an answer contradicts its event: {known}, but {now}; ingest leaves its quotes out",
        status="degraded",
        provider_id=source.provider_id,
    )


def _join_or_make(
    source: Source, events: Sequence[SnapshotEvent], policy: MatchPolicy
) -> list[KnownEvent]:
    """Return an entry for each event that is new to the provider: another's, or one of its own."""
    candidates = _candidates(source, events, policy)
    aliases = participant_aliases(source.family) if candidates else {}
    contests = {each.id: _contest(each, each.sport_key, aliases) for each in candidates}
    incoming = [_contest(event, source.sport_key, aliases) for event in events]
    verdicts = match_all(contests, incoming, policy)
    ids = _make(source, events, verdicts)
    names = {each.id: _names(each) for each in candidates}
    return [
        _guest(event_id, spelling(names[event_id], _names(event), aliases))
        if isinstance(verdict, Same)
        else KnownEvent(event_id)
        for event_id, event, verdict in zip(ids, events, verdicts, strict=True)
    ]


def _guest(event_id: int, words: Spelling | None) -> KnownEvent:
    return KnownEvent(event_id, is_owned=False, spelling=words)


class _Candidate(NamedTuple):
    id: int
    home: str
    away: str
    commence_time: datetime
    sport_key: str


def _candidates(
    source: Source, events: Sequence[SnapshotEvent], policy: MatchPolicy
) -> list[_Candidate]:
    """Return the family's open events that the provider does not know and that could match."""
    starts = [event.commence_time for event in events if event.home and event.away]
    if not starts:
        return []
    reach = timedelta(hours=policy.doubtful_start_hours)
    parameters = {
        "provider": source.provider_id,
        "family": source.family,
        "first": min(starts) - reach,
        "last": max(starts) + reach,
    }
    return [_Candidate(*row) for row in fetch_all(_CANDIDATES, parameters)]


def _names(event: SnapshotEvent | _Candidate) -> Pair:
    return Pair(event.home, event.away)


def _contest(
    event: SnapshotEvent | _Candidate, sport_key: str, aliases: Mapping[str, str]
) -> Contest:
    return Contest(canonical_pair(_names(event), aliases), event.commence_time, sport_key)


def _make(
    source: Source, events: Sequence[SnapshotEvent], verdicts: Sequence[MatchVerdict]
) -> list[int]:
    """Write the matches and the new events; return the ids of the events, in order."""
    doubts = [
        (place, candidate, reason)
        for place, verdict in enumerate(verdicts, 1)
        if isinstance(verdict, Doubtful)
        for candidate, reason in verdict.reasons.items()
    ]
    parameters = {
        "provider": source.provider_id,
        "sport": source.sport_id,
        "external_ids": [event.external_id for event in events],
        "homes": [event.home for event in events],
        "aways": [event.away for event in events],
        "commence_times": [event.commence_time for event in events],
        "joined": Bigints(each.event_id if isinstance(each, Same) else 0 for each in verdicts),
        "doubt_places": Bigints(place for place, _, _ in doubts),
        "doubt_candidates": Bigints(candidate for _, candidate, _ in doubts),
        "doubt_reasons": [reason.value for _, _, reason in doubts],
    }
    return [event_id for (event_id,) in fetch_all(_MAKE, parameters)]


# The statements take distinct external ids and return one row for each, in the same order.

_FIND = """
SELECT e.id, e.home, e.away,
       a.id = (SELECT min(oldest.id) FROM betting_eventalias oldest WHERE oldest.event_id = e.id)
FROM unnest(%(external_ids)s::text[]) WITH ORDINALITY AS given (external_id, place)
LEFT JOIN betting_eventalias a
  ON a.provider_id = %(provider)s AND a.external_id = given.external_id
LEFT JOIN betting_event e ON e.id = a.event_id
ORDER BY place
"""

_CANDIDATES = """
SELECT e.id, e.home, e.away, e.commence_time, s.key
FROM betting_event e JOIN betting_sport s ON s.id = e.sport_id
WHERE split_part(s.key, '_', 1) = %(family)s AND e.status <> 'ended'
  AND e.commence_time BETWEEN %(first)s AND %(last)s
  AND EXISTS (SELECT FROM betting_eventalias a WHERE a.event_id = e.id)
  AND NOT EXISTS (
      SELECT FROM betting_eventalias a
      WHERE a.event_id = e.id AND a.provider_id = %(provider)s
  )
"""

_MAKE = """
WITH given AS MATERIALIZED (
    SELECT COALESCE(
               NULLIF(joined, 0), nextval(pg_get_serial_sequence('betting_event', 'id'))
           ) AS id,
           joined = 0 AS is_new, external_id, home, away, commence_time, place
    FROM unnest(
        %(external_ids)s::text[], %(homes)s::text[], %(aways)s::text[],
        %(commence_times)s::timestamptz[], %(joined)s::bigint[]
    ) WITH ORDINALITY AS u (external_id, home, away, commence_time, joined, place)
),
made AS (
    INSERT INTO betting_event (id, sport_id, home, away, commence_time)
    SELECT id, %(sport)s, home, away, commence_time FROM given WHERE is_new
),
named AS (
    INSERT INTO betting_eventalias (event_id, provider_id, external_id)
    SELECT id, %(provider)s, external_id FROM given
),
doubted AS (
    INSERT INTO betting_doubtfulmatch (event_id, candidate_id, provider_id, reason)
    SELECT given.id, doubt.candidate_id, %(provider)s, doubt.reason
    FROM unnest(
        %(doubt_places)s::bigint[], %(doubt_candidates)s::bigint[], %(doubt_reasons)s::text[]
    ) AS doubt (place, candidate_id, reason) JOIN given USING (place)
)
SELECT id FROM given ORDER BY place
"""
