"""Kalshi's tickers: the series of each league and market, and the parts of a game's ticker.

A league has one series for each kind of market (``KXMLBGAME``, ``KXMLBSPREAD``, ``KXMLBTOTAL``).
A game is one event in each of them, under tickers that differ in the series alone:
``KXMLBGAME-26AUG072145TBSEA``, ``KXMLBTOTAL-26AUG072145TBSEA``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from types import MappingProxyType
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streaming.core.failures import DataFailure
from streaming.core.texts import one_line

EASTERN = ZoneInfo("America/New_York")
"""The time zone of the dates and times in tickers."""


class League(NamedTuple):
    """A competition whose games Kalshi lists.

    Attributes:
        sport: our sport key. Kalshi files a league's preseason under the league itself.
        title: its name.
        stem: the beginning of its series' tickers.
        outrights: the series that ask who wins a title or an award.
        is_home_first: "A vs B" is A at home.
    """

    sport: str
    title: str
    stem: str
    outrights: tuple[str, ...]
    is_home_first: bool = False


# Away first is how the leagues of North America write a fixture; soccer writes the home side
# first. The start times agree: 21:45 Eastern for "Tampa Bay vs Seattle" and 22:30 for
# "Vancouver vs Houston" are evenings in Seattle and Vancouver, not in Tampa Bay and Houston.
LEAGUES = (
    League("americanfootball_cfl", "CFL", "KXCFL", ()),
    League("americanfootball_ncaaf", "NCAAF", "KXNCAAF", ("KXNCAAF",)),
    League("americanfootball_nfl", "NFL", "KXNFL", ("KXSB", "KXNFLMVP")),
    League("baseball_mlb", "MLB", "KXMLB", ("KXMLB",)),
    League("basketball_nba", "NBA", "KXNBA", ("KXNBA",)),
    League("basketball_ncaab", "NCAAB", "KXNCAAMB", ("KXMARMAD",)),
    League("basketball_wnba", "WNBA", "KXWNBA", ("KXWNBA",)),
    League("icehockey_nhl", "NHL", "KXNHL", ("KXNHL",)),
    League("soccer_epl", "EPL", "KXEPL", ("KXPREMIERLEAGUE",), is_home_first=True),
    League("soccer_usa_mls", "MLS", "KXMLS", ("KXMLSCUP",), is_home_first=True),
)
MARKETS: Mapping[str, str] = MappingProxyType(
    {"h2h": "GAME", "spreads": "SPREAD", "totals": "TOTAL"}
)
"""Market kind → the end of its series' tickers."""

OUTRIGHTS = "outrights"


class Series(NamedTuple):
    """A series, which lists one kind of market of one league."""

    ticker: str
    league: League
    kind: str


def series_of(league: League, kind: str) -> list[Series]:
    """Return the series with a league's markets of one kind.

    >>> [series.ticker for series in series_of(LEAGUES[2], "outrights")]
    ['KXSB', 'KXNFLMVP']
    """
    if kind == OUTRIGHTS:
        return [Series(ticker, league, kind) for ticker in league.outrights]
    return [Series(f"{league.stem}{MARKETS[kind]}", league, kind)]


SERIES: Mapping[str, Series] = MappingProxyType(
    {
        series.ticker: series
        for league in LEAGUES
        for kind in (*MARKETS, OUTRIGHTS)
        for series in series_of(league, kind)
    }
)

_EVENT = re.compile(r"(?P<date>[0-9]{2}[A-Z]{3}[0-9]{2})(?P<time>[0-9]{4})?(?P<teams>[A-Z0-9]+)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class GameTicker:
    """The parts of a game's ticker.

    Attributes:
        external_id: the same in all series of the league. The part after the series is not unique
            by itself: ``26JAN10DALMIN`` is a game of the NBA and, some days, of the NHL as well.
        day: the game's date, Eastern.
        start: when it starts; None where the ticker has a date alone.
        teams: the codes of both teams, first and second, without a separator.
    """

    external_id: str
    day: date
    start: datetime | None
    teams: str

    def pair(self, code: str) -> tuple[str, str]:
        """Return both teams' codes, first and second, given one of them.

        Raises:
            DataFailure: the code is of neither, or might be of either.

        >>> parse_game("KXMLBGAME-26AUG072140LADAZ", LEAGUES[3]).pair("AZ")
        ('LAD', 'AZ')
        """
        pairs = set()
        if self.teams.startswith(code):
            pairs.add((code, self.teams.removeprefix(code)))
        if self.teams.endswith(code):
            pairs.add((self.teams.removesuffix(code), code))
        if len(pairs) != 1 or "" in (pair := pairs.pop()):
            words = f"{one_line(code)!r} is no team of {one_line(self.teams)!r}."
            raise DataFailure("unknown_team", words, "ticker")
        return pair


def parse_game(ticker: str, league: League) -> GameTicker:
    """Parse an event ticker of one of the league's game series.

    Raises:
        DataFailure: the text is no such ticker.

    >>> game = parse_game("KXMLBTOTAL-26AUG072145TBSEA", LEAGUES[3])
    >>> game.external_id, game.start.isoformat(), game.teams
    ('KXMLB-26AUG072145TBSEA', '2026-08-08T01:45:00+00:00', 'TBSEA')
    """
    _, _, rest = ticker.partition("-")
    match = _EVENT.fullmatch(rest)
    when = _when(match["date"], match["time"]) if match else None
    if match is None or when is None:
        raise DataFailure("bad_ticker", f"{one_line(ticker)!r} names no game.", "event_ticker")
    return GameTicker(f"{league.stem}-{rest}", *when, match["teams"])


def _when(day_text: str, time_text: str | None) -> tuple[date, datetime | None] | None:
    try:
        month = _MONTHS.index(day_text[2:5]) + 1
        day = date(2000 + int(day_text[:2]), month, int(day_text[5:]))
        if time_text is None:
            return day, None
        clock = time(int(time_text[:2]), int(time_text[2:]), tzinfo=EASTERN)
    except ValueError:  # no such month, day or hour
        return None
    return day, datetime.combine(day, clock).astimezone(UTC)
