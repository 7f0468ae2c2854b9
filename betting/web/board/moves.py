"""The newest major moves of lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from betting.db.bets import OF_QUOTE
from betting.models import ChangeKind, LineChange, MoveClass
from betting.web.board.filters import Choices
from betting.words import (
    MINUS,
    bet_title,
    event_title,
    odds,
    point_title,
    signed_percent,
)

MAX_ROWS = 100


@dataclass(frozen=True, slots=True)
class Move:
    """A major move in words."""

    id: int
    at: datetime
    event_id: int
    market_id: int
    event: str
    league: str
    starts_at: datetime
    bet: str
    book: str
    before: str
    after: str
    change: str
    is_up: bool


def newest_moves(choices: Choices) -> list[Move]:
    """Return the newest major moves of prices, newest first, that fit the sport and books."""
    found = (
        choices.narrow_changes(LineChange.objects.all())
        .filter(classification=MoveClass.MAJOR, kind__in=[ChangeKind.PRICE, ChangeKind.POINT])
        .select_related(*OF_QUOTE.related)
        .order_by("-recorded_at", "-id")[:MAX_ROWS]
    )
    return [_move(change, choices) for change in found]


def _move(change: Any, choices: Choices) -> Move:
    market, quote = change.market, change.quote
    sport = market.event.sport
    style = choices.odds_format
    is_point = change.kind == ChangeKind.POINT
    if is_point:
        moved = change.new_point - change.old_point
        before, after = (
            point_title(quote.outcome, at) for at in (change.old_point, change.new_point)
        )
        shown = f"{moved:+g}".replace("-", MINUS)
    else:
        moved = (change.new_price - change.old_price) / change.old_price
        before, after = (odds(at, style) for at in (change.old_price, change.new_price))
        shown = signed_percent(moved, 1)
    return Move(
        id=change.pk,
        at=change.received_at,
        event_id=market.event_id,
        market_id=market.pk,
        event=event_title(market.event),
        league=sport.title,
        starts_at=market.event.commence_time,
        bet=bet_title(market, quote.outcome, quote.side, sport.key),
        book=quote.bookmaker.title,
        before=before,
        after=after,
        change=shown,
        is_up=moved > 0,
    )
