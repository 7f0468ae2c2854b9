"""Importing what contracts of an exchange have paid: each settles its outcomes, without a score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import nan

from django.db import transaction

from betting.db.querysets import participant_aliases
from betting.db.sql import Bigints, Floats, fetch_all
from betting.models import Event, EventAlias, Outcome
from streaming.core.participants import canonical, sport_family
from streaming.providers.kalshi.contracts import BOOKMAKER, Bet
from streaming.providers.kalshi.settled import OPPONENT, SettledContract

ADAPTERS = ("kalshi", "kalshi_stream")

Key = tuple[int, str, str, float | None]
"""The event, and the outcome's kind, name and point."""


@dataclass(frozen=True, slots=True)
class ImportedSettlements:
    """The result of an import.

    Attributes:
        changed: outcomes whose settlement was not known, or known otherwise.
        unchanged: outcomes whose settlement was known.
        unknown: contracts on no outcome that is known.
    """

    changed: int = 0
    unchanged: int = 0
    unknown: int = 0


def import_settled(contracts: Iterable[SettledContract]) -> ImportedSettlements:
    """Write what contracts have paid, all or none; idempotent by `settlement_outcome`."""
    listed = list(contracts)
    if not listed:
        return ImportedSettlements()
    events = _events(listed)
    outcomes = _outcomes(events.values())
    aliases = {
        family: participant_aliases(family)
        for family in {sport_family(each.sport_key) for each in listed}
    }
    values: dict[int, float | None] = {}
    unknown = 0
    for each in listed:
        event = events.get(each.external_id)
        found = () if event is None else _paid(each, event, aliases[sport_family(each.sport_key)])
        known = {outcomes[key]: value for key, value in found if key in outcomes}
        values.update(known)
        unknown += not known
    with transaction.atomic():
        changed = len(_write(values))
    return ImportedSettlements(changed, len(values) - changed, unknown)


def _events(contracts: Iterable[SettledContract]) -> dict[str, Event]:
    ids = {each.external_id for each in contracts}
    rows = EventAlias.objects.filter(provider__adapter__in=ADAPTERS, external_id__in=ids)
    return {each.external_id: each.event for each in rows.select_related("event")}


def _outcomes(events: Iterable[Event]) -> dict[Key, int]:
    rows = Outcome.objects.filter(
        market__event__in={event.pk for event in events},
        market__period="full",
        market__participant="",
    ).values_list("market__event", "market__kind", "name", "point", "pk")
    return {(event, kind, name, point): pk for event, kind, name, point, pk in rows}


def _paid(
    settled: SettledContract, event: Event, aliases: Mapping[str, str]
) -> Iterator[tuple[Key, float | None]]:
    """Yield the outcomes of YES and of NO in the event's words, with what each has paid."""
    yes, no = settled.contract
    team = _name(yes.name, event, aliases)
    yield (event.pk, yes.kind, team, yes.point), settled.value
    if no is not None and (name := _other(no, team, event)):
        value = None if settled.value is None else 1 - settled.value
        yield (event.pk, no.kind, name, no.point), value


def _name(name: str, event: Event, aliases: Mapping[str, str]) -> str:
    """Return the event's name of a participant; another name stays as it is."""
    known = {canonical(own, aliases): own for own in (event.home, event.away)}
    return known.get(canonical(name, aliases), name)


def _other(no: Bet, team: str, event: Event) -> str:
    """Return the name of NO's outcome: the opponent is the side that YES is not about."""
    if no.name != OPPONENT:
        return no.name
    return {event.home: event.away, event.away: event.home}.get(team, "")


def _write(values: Mapping[int, float | None]) -> list[int]:
    outcomes = sorted(values)
    parameters = {
        "outcomes": Bigints(outcomes),
        "values": Floats(nan if (of := values[pk]) is None else of for pk in outcomes),
        "source": BOOKMAKER,
    }
    return [pk for (pk,) in fetch_all(_WRITE, parameters)] if outcomes else []


_WRITE = """
INSERT INTO valuation_settlement AS s (outcome_id, value, source)
SELECT outcome_id, NULLIF(value, 'NaN'), %(source)s
FROM unnest(%(outcomes)s::bigint[], %(values)s::float8[]) AS u (outcome_id, value)
ORDER BY outcome_id
ON CONFLICT (outcome_id) DO UPDATE
SET value = excluded.value, source = excluded.source, version = s.version + 1,
    recorded_at = statement_timestamp()
WHERE s.value IS DISTINCT FROM excluded.value
RETURNING outcome_id
"""
