"""What every snapshot promises, checked."""

from __future__ import annotations

import math
from datetime import UTC, timedelta

from streaming.core.snapshot import Snapshot, SnapshotEvent
from streaming.providers.base import Request, Response


def assert_valid(snapshot: Snapshot, request: Request, response: Response) -> None:
    """Everything the snapshot types promise, and all that the database relies on."""
    assert snapshot.feed == request.feed
    assert snapshot.received_at == response.received_at
    assert snapshot.received_at.utcoffset() == timedelta(0)
    ids = [event.external_id for event in snapshot.events]
    assert len(ids) == len(set(ids))
    quotes = [quote for event in snapshot.events for quote in event.quotes]
    assert len(quotes) <= snapshot.quotes_seen
    assert {quote.bookmaker for quote in quotes} <= snapshot.bookmakers.keys()
    for key, title in snapshot.bookmakers.items():
        assert_storable(key, 64)
        assert_storable(title, 128)
    for event in snapshot.events:
        assert event.sport_key == snapshot.sport_key
        assert_valid_event(event, is_complete=snapshot.is_complete)


def assert_valid_event(event: SnapshotEvent, *, is_complete: bool) -> None:
    assert 2000 <= event.commence_time.astimezone(UTC).year <= 2101
    assert_storable(event.external_id, 128)
    for name in (event.home, event.away):
        assert_storable(name, 200, may_be_empty=True)
    keys = set()
    for quote in event.quotes:
        # Only an incremental message has to say what is no longer offered.
        assert quote.price is not None or not is_complete
        assert quote.price is None or 1 < quote.price < math.inf
        assert quote.side in {"back", "lay"}
        assert (quote.point is None) == (quote.line is None)
        if quote.point is not None and quote.line is not None:
            assert math.isfinite(quote.point)
            assert quote.line in {quote.point, -quote.point}
        assert quote.source_at is None or quote.source_at.tzinfo is not None
        assert_storable(quote.kind, 64)
        assert_storable(quote.period, 32)
        assert_storable(quote.name, 200)
        assert_storable(quote.participant, 200, may_be_empty=True)
        keys.add(
            (
                quote.bookmaker,
                quote.kind,
                quote.period,
                quote.participant,
                quote.name,
                quote.point,
                quote.side,
            )
        )
    assert len(keys) == len(event.quotes)


def assert_storable(text: str, max_chars: int, *, may_be_empty: bool = False) -> None:
    assert text or may_be_empty
    assert len(text) <= max_chars
    assert "\x00" not in text
    text.encode()
