"""Notifications of the major moves that an ingest committed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

from betting.models import Market, Provider
from streaming.core.notifications import LineMajor
from streaming.ingest.ingest import MarketChange


def major_moves(changes: Iterable[MarketChange]) -> list[LineMajor]:
    """Return a notification for each major move, built by two statements however many there are.

    A market or provider that has been deleted since is left out.
    """
    major = [change for change in changes if change.is_major]
    if not major:
        return []
    now = datetime.now(UTC)
    markets = Market.objects.select_related("event__sport").in_bulk(
        [change.market_id for change in major]
    )
    providers = Provider.objects.in_bulk({change.provider_id for change in major})
    return [
        _major_move(change, markets[change.market_id], providers[change.provider_id], now)
        for change in major
        if change.market_id in markets and change.provider_id in providers
    ]


def _major_move(
    change: MarketChange, market: Market, provider: Provider, now: datetime
) -> LineMajor:
    event = market.event
    return LineMajor(
        id=uuid4(),
        occurred_at=now,
        sport=event.sport.key,
        event_id=event.pk,
        home=event.home,
        away=event.away,
        commence_time=event.commence_time,
        market_id=market.pk,
        market=market.key,
        participant=market.participant,
        version=change.version,
        provider=provider.key,
        changes=change.changes,
        price_change=change.price_change,
    )
