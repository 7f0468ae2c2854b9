"""Kalshi's contracts as bets: what YES and NO stand for, and the odds in their prices.

A contract pays one dollar if its statement comes true. It is bought (YES) at the ask and sold at
the bid; selling YES is buying NO, so the two order books are two views of the same one: the ask of
either is one dollar minus the best bid for the other.

An ask of 0.40 pays 2.5 for 1: back odds are 1/ask, and lay odds are 1/bid, without fees.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec

from streaming.core.failures import DataFailure
from streaming.core.snapshot import Side, SnapshotQuote
from streaming.providers.outcomes import OVER, UNDER

BOOKMAKER, BOOKMAKER_TITLE = "kalshi", "Kalshi"

Dollars = Annotated[str, msgspec.Meta(pattern=r"^[01](\.[0-9]{1,6})?\Z")]
"""A price as Kalshi writes it, e.g. ``0.7300``."""

MICRO = 1_000_000
"""Prices are counted in millionths of a dollar: integers, so that 1 − 0.26 is 0.74."""


def micro(dollars: str) -> int:
    """Convert a price to millionths of a dollar.

    >>> micro("0.7300"), micro("1"), micro("0.000001")
    (730000, 1000000, 1)
    """
    whole, _, fraction = dollars.partition(".")
    return int(whole) * MICRO + int(f"{fraction:0<6}")


class Touch(NamedTuple):
    """The best prices of YES, in millionths of a dollar; None for a side without orders."""

    bid: int | None
    ask: int | None

    @classmethod
    def of(cls, bid: int | None, ask: int | None) -> Touch:
        """Build from the stated prices; for an empty side Kalshi states 0, 1 dollar or none.

        >>> Touch.of(0, 10_000), Touch.of(990_000, MICRO)
        (Touch(bid=None, ask=10000), Touch(bid=990000, ask=None))
        """
        return cls(
            bid if bid is not None and 0 < bid < MICRO else None,
            ask if ask is not None and 0 < ask < MICRO else None,
        )

    def turned(self) -> Touch:
        """Return the best prices of NO.

        >>> Touch(bid=730_000, ask=740_000).turned()
        Touch(bid=260000, ask=270000)
        """
        return Touch(
            None if self.ask is None else MICRO - self.ask,
            None if self.bid is None else MICRO - self.bid,
        )


class Bet(NamedTuple):
    """An outcome that can be backed and laid; the fields are those of `SnapshotQuote`."""

    kind: str
    name: str
    point: float | None = None
    line: float | None = None


class Contract(NamedTuple):
    """The bets of a contract's two sides; None where NO is no single outcome."""

    yes: Bet
    no: Bet | None = None


def moneyline(name: str) -> Contract:
    """Return the contract that the team (or the draw) wins."""
    return Contract(Bet("h2h", name))


def outright(name: str) -> Contract:
    """Return the contract that the team or the player wins the title."""
    return Contract(Bet("outrights", name))


def spread(team: str, opponent: str, strike: float, *, is_home: bool) -> Contract:
    """Return the contract that the team wins by more than the strike; NO is the opponent's bet.

    >>> spread("Gulls", "Owls", 20.5, is_home=False).no
    Bet(kind='spreads', name='Owls', point=20.5, line=20.5)
    """
    _check_strike(strike)
    line = -strike if is_home else strike
    return Contract(Bet("spreads", team, -strike, line), Bet("spreads", opponent, strike, line))


def total(strike: float) -> Contract:
    """Return the contract that more points are scored than the strike."""
    _check_strike(strike)
    return Contract(
        Bet("totals", OVER, strike, strike),
        Bet("totals", UNDER, strike, strike),
    )


def offers(contract: Contract, touch: Touch, source_at: datetime | None) -> Iterator[SnapshotQuote]:
    """Yield the contract's bets at its prices, always the same ones in the same order.

    Yields:
        Back and lay of each bet; the price is None where there is none.
    """
    for bet, prices in ((contract.yes, touch), (contract.no, touch.turned())):
        if bet is not None:
            yield _quote(bet, "back", prices.ask, source_at)
            yield _quote(bet, "lay", prices.bid, source_at)


def _quote(bet: Bet, side: Side, price: int | None, source_at: datetime | None) -> SnapshotQuote:
    return SnapshotQuote(
        bookmaker=BOOKMAKER,
        kind=bet.kind,
        period="full",
        participant="",
        name=bet.name,
        point=bet.point,
        line=bet.line,
        side=side,
        # One division of integers: equal prices give the same float.
        price=None if price is None else MICRO / price,
        source_at=source_at,
    )


def _check_strike(strike: float) -> None:
    # "Over 20" is lost at 20, where a bookmaker's 20 gives the stake back: not the same bet.
    if strike % 1 != 0.5:
        raise DataFailure("bad_strike", f"A strike of {strike:g} can be met exactly.", "strike")
