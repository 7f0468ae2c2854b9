"""Small snapshots for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from betting.models import Clock, Provider
from streaming.core.snapshot import Side, Snapshot, SnapshotEvent, SnapshotQuote

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOME, AWAY = "Harbour Gulls", "Mill Otters"
SPORT = "harbour_ball"
NEXT_CENTURY = 36_500 * 86_400.0  # a start, in seconds, that no clock has reached


def at(seconds: float) -> datetime:
    """A moment after the tests' beginning of time."""
    return START + timedelta(seconds=seconds)


def make_provider(key: str = "odds", **fields: object) -> Provider:
    """A provider row whose recorded quotes never grow old by the wall clock."""
    defaults: dict[str, object] = {
        "adapter": "the_odds_api",
        "base_url": "http://127.0.0.1:9",
        "clock": Clock.RECORDED,
    }
    return Provider.objects.create(key=key, **{**defaults, **fields})


def quote(
    bookmaker: str,
    name: str,
    price: float | None,
    *,
    kind: str = "h2h",
    point: float | None = None,
    side: Side = "back",
    participant: str = "",
) -> SnapshotQuote:
    """A quote; the line follows from the point as the adapter would have it."""
    line = -point if point is not None and kind.endswith("spreads") and name == AWAY else point
    return SnapshotQuote(
        bookmaker=bookmaker,
        kind=kind,
        period="full",
        participant=participant,
        name=name,
        point=point,
        line=line,
        side=side,
        price=price,
        source_at=START,
    )


def event(
    quotes: Iterable[SnapshotQuote],
    external_id: str = "e1",
    starts: float = 86_400.0,
    *,
    home: str = HOME,
    away: str = AWAY,
) -> SnapshotEvent:
    """An event with its quotes; by default it starts a day after the beginning of time."""
    return SnapshotEvent(
        external_id=external_id,
        sport_key=SPORT,
        sport_title="Harbour Ball",
        home=home,
        away=away,
        commence_time=at(starts),
        quotes=list(quotes),
    )


def snapshot(
    events: Iterable[SnapshotEvent],
    seconds: float = 0.0,
    *,
    feed: str = "/odds",
    is_list: bool = True,
    is_complete: bool = True,
    sport_key: str = SPORT,
) -> Snapshot:
    """A complete list of events, received some seconds after the beginning of time."""
    listed = list(events)
    quotes = [each for one in listed for each in one.quotes]
    return Snapshot(
        feed=feed,
        sport_key=sport_key,
        is_list=is_list,
        is_complete=is_complete,
        received_at=at(seconds),
        events=listed,
        bookmakers={each.bookmaker: each.bookmaker.title() for each in quotes},
        quotes_seen=len(quotes),
    )
