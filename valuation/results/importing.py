"""Importing results: each joins the event that it is about, by the rules of matching."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from django.db import transaction

from betting.db.querysets import participant_aliases
from betting.db.sql import Bigints, execute, fetch_all
from betting.models import Event, EventAlias
from streaming.core.matching import Contest, Doubtful, MatchPolicy, Same, match_all
from streaming.core.participants import Pair, canonical_pair, spelling, sport_family
from streaming.core.results import Reported

MAX_SOURCE = 32
"""Characters of a source's name that are kept."""


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import.

    Attributes:
        changed: results that were not known, or known otherwise.
        unchanged: results that were known.
        doubtful: those that may be of an event; nothing was written of them.
        unknown: how many are of no event that is known.
    """

    changed: int
    unchanged: int
    doubtful: Sequence[Reported]
    unknown: int


def import_results(
    reported: Iterable[Reported], policy: MatchPolicy, *, replaces_others: bool = True
) -> Imported:
    """Write results of known events, all or none; idempotent by `result_event`.

    A result that differs from the one known replaces it and raises its version.

    Args:
        reported: results.
        policy: the rules by which they join events.
        replaces_others: whether they replace those of another source: a person's word, or a file
            that a person chose, stands against what comes by itself.
    """
    by_family = sorted(reported, key=lambda each: (sport_family(each.sport_key), each.source))
    found: dict[int, Reported] = {}
    doubtful: list[Reported] = []
    unknown = 0
    for (family, _), group in groupby(
        by_family, key=lambda each: (sport_family(each.sport_key), each.source)
    ):
        results = list(group)
        for each, event_id in zip(results, _events_of(family, results, policy), strict=True):
            if isinstance(event_id, int):
                found[event_id] = each
            elif event_id is None:
                unknown += 1
            else:
                doubtful.append(each)
    with transaction.atomic():
        scores = _as_the_events_have_it(found)
        changed = len(_write(scores, found, replaces_others=replaces_others))
    doubtful += [each for event, each in found.items() if event not in scores]
    return Imported(changed, len(scores) - changed, doubtful, unknown)


def void_result(event: Event, source: str) -> None:
    """Write that an event was cancelled or abandoned; idempotent by `result_event`."""
    with transaction.atomic():
        fetch_all(_VOID, {"event": event.pk, "source": source[:MAX_SOURCE]})


def _events_of(
    family: str, results: Sequence[Reported], policy: MatchPolicy
) -> list[int | Doubtful | None]:
    """Return the event of each result, why there is none for sure, or None."""
    by_id = dict(
        EventAlias.objects.filter(
            provider__adapter=results[0].source,
            external_id__in=[each.external_id for each in results if each.external_id],
        ).values_list("external_id", "event_id")
    )
    others = [each for each in results if each.external_id not in by_id]
    aliases = participant_aliases(family)
    contests = {
        event.pk: Contest(
            canonical_pair(Pair(event.home, event.away), aliases),
            event.commence_time,
            event.sport.key,
        )
        for event in _candidates(family, others, policy)
        if event.pk not in by_id.values()
    }
    incoming = [
        Contest(canonical_pair(Pair(each.home, each.away), aliases), each.start, each.sport_key)
        for each in others
    ]
    verdicts = iter(match_all(contests, incoming, policy))
    found: list[int | Doubtful | None] = []
    for each in results:
        if each.external_id in by_id:
            found.append(by_id[each.external_id])
            continue
        verdict = next(verdicts)
        if isinstance(verdict, Same):
            found.append(verdict.event_id)
        else:
            found.append(verdict if isinstance(verdict, Doubtful) else None)
    return found


def _candidates(family: str, results: Sequence[Reported], policy: MatchPolicy) -> Iterable[Event]:
    if not results:
        return ()
    reach = timedelta(hours=policy.doubtful_start_hours)
    starts = [each.start for each in results]
    return (
        event
        for event in Event.objects.select_related("sport").filter(
            commence_time__range=(min(starts) - reach, max(starts) + reach)
        )
        if sport_family(event.sport.key) == family
    )


def _write(
    scores: Mapping[int, tuple[int, int]],
    results: Mapping[int, Reported],
    *,
    replaces_others: bool,
) -> list[int]:
    """Write results by their events; return the events whose result has changed."""
    events = sorted(scores)
    parameters = {
        "events": Bigints(events),
        "homes": Bigints(scores[event][0] for event in events),
        "aways": Bigints(scores[event][1] for event in events),
        "sources": [results[event].source for event in events],
        "replaces_others": replaces_others,
    }
    if not events:
        return []
    changed = [event_id for (event_id,) in fetch_all(_WRITE, parameters)]
    if replaces_others:
        # What is confirmed stands from now on, too, against answers of the source that said it.
        execute(_TAKE_OVER, parameters)
    return changed


def _as_the_events_have_it(results: Mapping[int, Reported]) -> dict[int, tuple[int, int]]:
    """Return the scores with home and away as the events have them, not as the source does.

    An event that the source's id stands for, and that has other participants by now, is left out.
    """
    scores = {}
    events = Event.objects.select_related("sport").in_bulk(results)
    families = {key: sport_family(event.sport.key) for key, event in events.items()}
    aliases = {family: participant_aliases(family) for family in set(families.values())}
    for key, event in events.items():
        each, own = results[key], Pair(event.home, event.away)
        words = spelling(own, Pair(each.home, each.away), aliases[families[key]])
        if words is not None:
            pair = (each.home_score, each.away_score)
            scores[key] = pair[::-1] if words.is_swapped else pair
    return scores


_WRITE = """
INSERT INTO valuation_result AS r (event_id, status, home_score, away_score, source)
SELECT event_id, 'final', home_score, away_score, source
FROM unnest(
    %(events)s::bigint[], %(homes)s::bigint[], %(aways)s::bigint[], %(sources)s::text[]
) AS u (event_id, home_score, away_score, source)
ORDER BY event_id
ON CONFLICT (event_id) DO UPDATE
SET status = excluded.status, home_score = excluded.home_score, away_score = excluded.away_score,
    source = excluded.source, version = r.version + 1, recorded_at = statement_timestamp()
WHERE (r.status, r.home_score, r.away_score)
    IS DISTINCT FROM (excluded.status, excluded.home_score, excluded.away_score)
  AND (%(replaces_others)s OR r.source = excluded.source)
RETURNING event_id
"""

# Of a result that is the same, so that its version stays: nothing is graded again.
_TAKE_OVER = """
UPDATE valuation_result r SET source = u.source
FROM unnest(%(events)s::bigint[], %(sources)s::text[]) AS u (event_id, source)
WHERE r.event_id = u.event_id AND r.source <> u.source
"""

_VOID = """
INSERT INTO valuation_result AS r (event_id, status, source) VALUES (%(event)s, 'void', %(source)s)
ON CONFLICT (event_id) DO UPDATE
SET status = 'void', home_score = NULL, away_score = NULL, source = excluded.source,
    version = r.version + 1, recorded_at = statement_timestamp()
WHERE r.status <> 'void'
RETURNING event_id
"""
