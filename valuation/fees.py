"""The fee that a bookmaker keeps of a bet at a price: for one row, and in SQL."""

from __future__ import annotations

import numpy as np
from django.db.models import Case, F, Value, When
from django.db.models.expressions import Combinable

from betting.models import Bookmaker, FeeModel, Quote, Side
from valuation.edges import effective_commission, net_price


def commission_of(bookmaker: Bookmaker, price: float, side: str) -> float | None:
    """Return the part of a bet's net winnings that a bookmaker keeps; None if it is not known.

    >>> kalshi = Bookmaker(commission=0.07, fee_model=FeeModel.CONTRACT)
    >>> round(commission_of(kalshi, 2.5, "back"), 5), commission_of(Bookmaker(), 2.5, "back")
    (0.06718, 0.0)
    """
    if bookmaker.commission is None:
        return None
    part = effective_commission(
        np.array(price),
        np.array(bookmaker.commission),
        np.array(side == Side.LAY),
        np.array(bookmaker.fee_model == FeeModel.CONTRACT),
    )
    return float(part)


def net_price_of(bookmaker: Bookmaker, price: float, side: str) -> float | None:
    """Return a price after the bookmaker's fee; None if that is not known.

    >>> round(net_price_of(Bookmaker(commission=0.07, fee_model=FeeModel.CONTRACT), 2.5, "lay"), 4)
    2.6096
    """
    if bookmaker.commission == 0:  # of most, and pages ask for the price of each
        return price
    return net_price(price, side, commission_of(bookmaker, price, side))


def payout_rank(quote: Quote, price: float | None = None) -> tuple[bool, float]:
    """Return what is the greater the more a bet pays after the bookmaker's fee.

    Where the fee is not known it is less than anywhere else: nobody can say what such a bet pays.

    Args:
        quote: with its bookmaker.
        price: at which the bet is made, if not at the quote's own.

    >>> exchange, book = Bookmaker(commission=0.05), Bookmaker(commission=0.0)
    >>> def rank(bookmaker, price, side):
    ...     return payout_rank(Quote(bookmaker=bookmaker, price=price, side=side))
    >>> rank(exchange, 1.68, "back") < rank(book, 1.67, "back")
    True
    >>> rank(exchange, 1.73, "lay") < rank(book, 1.73, "lay")
    True
    >>> rank(Bookmaker(commission=None), 9.0, "back") < rank(book, 1.67, "back")
    True
    """
    price = quote.price if price is None else price
    net = net_price_of(quote.bookmaker, price, quote.side)
    paid = price if net is None else net
    return net is not None, -paid if quote.side == Side.LAY else paid


def net_price_in_sql(bookmaker: str, price: str, side: str) -> Case:
    """Return `net_price_of` as an expression, null if the fee is not known.

    Args:
        bookmaker: the path to it.
        price: the path to the price.
        side: the path to the side that is bet on.
    """
    rate, implied = F(f"{bookmaker}__commission"), Value(1.0) / F(price)
    unspent = Case(When(**{side: Side.LAY}, then=implied), default=Value(1.0) - implied)
    kept: Combinable = Case(
        When(**{f"{bookmaker}__fee_model": FeeModel.CONTRACT}, then=rate / (1.0 + rate * unspent)),
        default=rate,
    )
    return Case(
        When(**{side: Side.LAY}, then=(F(price) - kept) / (1.0 - kept)),
        default=1.0 + (F(price) - 1.0) * (1.0 - kept),
    )
