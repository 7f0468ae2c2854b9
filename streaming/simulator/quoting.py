"""The offers that a bookmaker shows for each market, from its opinion of the event."""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, erf, floor, sqrt
from typing import NamedTuple

from streaming.simulator.catalogue import Bookmaker, Sport
from streaming.simulator.prices import lay_price, shown_price, with_margin

MIN_PROBABILITY = 0.015
"""A line with an outcome less likely than this is not offered."""

# A market's margin, in margins of a two-way main line at the same bookmaker.
_MAIN_LINE, _ALTERNATE, _THREE_WAY, _PROP = 1.0, 1.2, 1.3, 1.5


class Offer(NamedTuple):
    """One outcome as shown: decimal odds, the point and the player where the market has them."""

    name: str
    price: float
    point: float | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """An opinion of an event: the truth, or a bookmaker's estimate of it.

    Attributes:
        margin: expected final margin, home minus away.
        margin_sd: its standard deviation, which shrinks as the event is played.
        total: expected final total.
        total_sd: its standard deviation.
        is_in_play: whether the event has started.
        props: expected totals of the players.
    """

    margin: float
    margin_sd: float
    total: float
    total_sd: float
    is_in_play: bool = False
    props: tuple[float, ...] = ()

    def distance(self, other: View) -> float:
        """Return the distance between two opinions, in standard deviations."""
        return max(
            abs(self.margin / self.margin_sd - other.margin / other.margin_sd),
            abs(self.total - other.total) / other.total_sd,
        )


@dataclass(frozen=True, slots=True)
class Fixture:
    """The sport and sides of an event; `players` are those that player markets are about."""

    sport: Sport
    home: str
    away: str
    players: tuple[str, ...]


class _Lines(NamedTuple):
    """The lines of one market: their distance from the main line, and their margin."""

    steps: tuple[float, ...]
    margins: float


_MAIN = _Lines((0.0,), _MAIN_LINE)
_ALTERNATES = _Lines((-1.5, -1.0, -0.5, 0.5, 1.0, 1.5), _ALTERNATE)
_SPREADS = {"spreads": _MAIN, "alternate_spreads": _ALTERNATES}
_TOTALS = {"totals": _MAIN, "alternate_totals": _ALTERNATES}


def normal_cdf(z: float) -> float:
    """Return the standard normal distribution function at `z`.

    >>> round(normal_cdf(1.96), 4)
    0.975
    """
    return 0.5 * (1.0 + erf(z / sqrt(2.0)))


def moneyline_probabilities(view: View, *, has_draw: bool) -> tuple[float, ...]:
    """Return win probabilities (home, away), with the draw last where there is one.

    A draw is a margin that rounds to 0.

    >>> level = View(0.0, 1.65, 2.8, 1.65)
    >>> [round(p, 3) for p in moneyline_probabilities(level, has_draw=True)]
    [0.381, 0.381, 0.238]
    """
    if not has_draw:
        home = normal_cdf(view.margin / view.margin_sd)
        return home, 1.0 - home
    home = normal_cdf((view.margin - 0.5) / view.margin_sd)
    away = normal_cdf((-view.margin - 0.5) / view.margin_sd)
    return home, away, 1.0 - home - away


def main_spread(view: View, sport: Sport) -> float:
    """Return the home side's handicap that makes the line closest to even, in steps of 0.5.

    >>> from streaming.simulator.catalogue import SPORTS
    >>> main_spread(View(4.3, 12.0, 226.0, 17.0), SPORTS[0])
    -4.5
    """
    point = round(-2.0 * view.margin) / 2.0
    if abs(point) < sport.min_spread:
        return copysign(sport.min_spread, -view.margin)
    return point


def quote(kind: str, fixture: Fixture, view: View, book: Bookmaker) -> list[Offer]:
    """Return the offers of `book` in the market `kind`; empty if it offers nothing."""
    if book.is_exchange and not kind.startswith("h2h"):
        return []
    if kind in _SPREADS:
        return _spreads(_SPREADS[kind], fixture, view, book)
    if kind in _TOTALS:
        return _totals(_TOTALS[kind], view, book)
    if kind == "h2h":
        return _moneyline(fixture, view, book)
    if kind == "h2h_lay":
        return _moneyline_lay(fixture, view, book)
    return _props(fixture, view, book)


def _prices(probabilities: tuple[float, ...], margins: float, book: Bookmaker) -> list[float]:
    if min(probabilities) < MIN_PROBABILITY:
        return []
    implied = with_margin(probabilities, book.overround * margins, book.skew)
    return [shown_price(r, book) for r in implied]


def _moneyline(fixture: Fixture, view: View, book: Bookmaker) -> list[Offer]:
    has_draw = fixture.sport.has_draw
    probabilities = moneyline_probabilities(view, has_draw=has_draw)
    margins = _THREE_WAY if has_draw and not book.is_exchange else _MAIN_LINE
    names = (fixture.home, fixture.away, "Draw")
    prices = _prices(probabilities, margins, book)
    return [Offer(name, price) for name, price in zip(names, prices, strict=False)]


def _moneyline_lay(fixture: Fixture, view: View, book: Bookmaker) -> list[Offer]:
    if not book.is_exchange:
        return []
    probabilities = moneyline_probabilities(view, has_draw=fixture.sport.has_draw)
    asked = [p * (1.0 - book.overround / 2.0) for p in probabilities]
    backs = _moneyline(fixture, view, book)
    return [
        Offer(back.name, lay_price(r, back.price)) for back, r in zip(backs, asked, strict=False)
    ]


def _spreads(lines: _Lines, fixture: Fixture, view: View, book: Bookmaker) -> list[Offer]:
    offers = []
    for step in lines.steps:
        point = main_spread(view, fixture.sport) + step
        covers = normal_cdf((view.margin + point) / view.margin_sd)
        prices = _prices((covers, 1.0 - covers), lines.margins, book)
        sides = ((fixture.home, point), (fixture.away, -point))
        offers += [Offer(side, price, at) for (side, at), price in zip(sides, prices, strict=False)]
    return offers


def _totals(lines: _Lines, view: View, book: Bookmaker) -> list[Offer]:
    offers = []
    for step in lines.steps:
        point = max(0.5, round(2.0 * view.total) / 2.0) + step
        if point > 0.0:
            offers += _over_under(view.total, view.total_sd, point, lines.margins, book)
    return offers


def _props(fixture: Fixture, view: View, book: Bookmaker) -> list[Offer]:
    if view.is_in_play or not book.offers_props:
        return []
    return [
        offer._replace(description=player)
        for player, mean in zip(fixture.players, view.props, strict=False)
        for offer in _over_under(mean, max(1.0, 0.35 * mean), floor(mean) + 0.5, _PROP, book)
    ]


def _over_under(
    mean: float, sd: float, point: float, margins: float, book: Bookmaker
) -> list[Offer]:
    over = normal_cdf((mean - point) / sd)
    prices = _prices((over, 1.0 - over), margins, book)
    names = ("Over", "Under")
    return [Offer(name, price, point) for name, price in zip(names, prices, strict=False)]
