"""The ticker of a market: the only description of it in Kalshi's order-book messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from streaming.core.failures import DataFailure
from streaming.core.texts import one_line
from streaming.providers.kalshi.contracts import Contract, moneyline, spread, total
from streaming.providers.kalshi.tickers import OUTRIGHTS, SERIES, GameTicker, League, parse_game
from streaming.providers.outcomes import DRAW

# "SEA" and "TIE" win; "SEA4" wins by 4 or more, over 3.5; "8" is 8 or more, over 7.5.
_OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "h2h": "(?P<code>[A-Z0-9]+)(?P<least>)",
        "spreads": "(?P<code>[A-Z0-9]*[A-Z])(?P<least>[1-9][0-9]{0,3})",
        "totals": "(?P<code>)(?P<least>[1-9][0-9]{0,3})",
    }
)


class Listed(NamedTuple):
    """The parts of a market's ticker.

    Attributes:
        league: the league of the game.
        game: the game.
        pair: the codes of home and away; None where the ticker names neither.
        contract: the bets of YES and NO.
    """

    league: League
    game: GameTicker
    pair: tuple[str, str] | None
    contract: Contract


@lru_cache(maxsize=20_000)
def parse_ticker(ticker: str) -> Listed | None:
    """Parse a market's ticker; return None if it is about no game of a known league.

    Raises:
        DataFailure: the series is known, but the rest cannot be parsed.

    >>> parse_ticker("KXMLBSPREAD-26AUG072145TBSEA-SEA4").contract.yes
    Bet(kind='spreads', name='SEA', point=-3.5, line=-3.5)
    >>> parse_ticker("KXBTCD-26FEB07-T98000") is None
    True
    """
    event_ticker, _, outcome = ticker.rpartition("-")
    series = SERIES.get(event_ticker.partition("-")[0])
    if series is None or series.kind == OUTRIGHTS:
        return None
    game = parse_game(event_ticker, series.league)
    match = re.fullmatch(_OUTCOMES[series.kind], outcome)
    if match is None:
        raise DataFailure("bad_ticker", f"{one_line(ticker)!r} names no outcome.", "market_ticker")
    code, least = match["code"], match["least"]
    if series.kind == "totals":
        return Listed(series.league, game, None, total(int(least) - 0.5))
    if series.kind == "h2h" and code == "TIE":
        return Listed(series.league, game, None, moneyline(DRAW))
    first, second = game.pair(code)
    home, away = (first, second) if series.league.is_home_first else (second, first)
    contract = moneyline(code)
    if series.kind == "spreads":
        opponent = away if code == home else home
        contract = spread(code, opponent, int(least) - 0.5, is_home=code == home)
    return Listed(series.league, game, (home, away), contract)
