"""The words of bettors: what a bet is called, how odds and times are written."""

from __future__ import annotations

from betting.admin_base import formatting
from betting.models import Bookmaker, Event, Market, Outcome, Side
from streaming.core.odds_formats import OddsFormat, written
from streaming.core.participants import sport_family

MINUS = "\N{MINUS SIGN}"

_VISITOR_FIRST = {"americanfootball", "baseball", "basketball", "icehockey"}
"""The families of sports whose events are called "visitor @ home"."""

_H2H = {"soccer": "Match result", "tennis": "Match winner", "mma": "Fight winner"}
_SPREAD = {"baseball": "Run line", "icehockey": "Puck line", "soccer": "Handicap"}
_UNIT = {
    "americanfootball": "points",
    "baseball": "runs",
    "basketball": "points",
    "icehockey": "goals",
    "soccer": "goals",
    "tennis": "games",
}
_PERIODS = {
    "full": "",
    "h1": "1st half",
    "h2": "2nd half",
    "q1": "1st quarter",
    "q2": "2nd quarter",
    "q3": "3rd quarter",
    "q4": "4th quarter",
    "p1": "1st period",
    "p2": "2nd period",
    "p3": "3rd period",
}


def no_edge(bookmaker: Bookmaker) -> str:
    """Return why no price of a bookmaker is ever an edge; an empty text where one may be.

    >>> no_edge(Bookmaker(is_venue=False)), no_edge(Bookmaker())
    ('not a venue: its prices only inform fair prices', '')
    """
    if not bookmaker.is_venue:
        return "not a venue: its prices only inform fair prices"
    return "the commission of the exchange is not known" if bookmaker.commission is None else ""


def event_title(event: Event) -> str:
    """Return what an event is called: the visitors come first where the sport has it so.

    Args:
        event: with its sport.
    """
    if not event.away:
        return event.home
    if sport_family(event.sport.key) in _VISITOR_FIRST:
        return f"{event.away} @ {event.home}"
    return f"{event.home} v {event.away}"


def outcome_order(event: Event) -> list[str]:
    """Return the names of outcomes in the order of the event's title, a draw in the middle.

    Args:
        event: with its sport.
    """
    sides = [event.home, event.away]
    if sport_family(event.sport.key) in _VISITOR_FIRST:
        sides.reverse()
    return [sides[0], "Draw", sides[1], "Over", "Under"]


def market_title(market: Market, sport_key: str) -> str:
    """Return what a kind of market is called in a sport, with its period.

    >>> market_title(Market(kind="h2h"), "soccer_epl")
    'Match result'
    >>> market_title(Market(kind="totals", period="h1"), "basketball_nba")
    'Total points, 1st half'
    >>> market_title(Market(kind="player_pass_yds"), "americanfootball_nfl")
    'Player pass yds'
    """
    title = _kind_title(market.kind, sport_family(sport_key))
    period = _PERIODS.get(market.period, market.period)
    return f"{title}, {period}" if period else title


def _kind_title(kind: str, sport: str) -> str:
    if kind == "h2h":
        return _H2H.get(sport, "Money line")
    if kind == "spreads":
        return _SPREAD.get(sport, "Spread")
    if kind == "totals":
        return f"Total {_UNIT[sport]}" if sport in _UNIT else "Total"
    if kind == "outrights":
        return "Winner"
    return kind.replace("_", " ").capitalize()


def outcome_title(outcome: Outcome) -> str:
    """Return an outcome with its point: a handicap has a sign, a total has none.

    >>> outcome_title(Outcome(name="Over", point=2.5)), outcome_title(Outcome(name="Draw"))
    ('Over 2.5', 'Draw')
    >>> outcome_title(Outcome(name="Leeds United", point=-1.0))
    'Leeds United −1'
    """
    if outcome.point is None:
        return outcome.name
    return f"{outcome.name} {point_title(outcome, outcome.point)}"


def point_title(outcome: Outcome, point: float) -> str:
    """Return a point of an outcome: a handicap has a sign, a total has none.

    >>> point_title(Outcome(name="Over"), 2.5), point_title(Outcome(name="Leeds"), -1.0)
    ('2.5', '−1')
    """
    if outcome.name in {"Over", "Under"}:
        return f"{point:g}"
    return f"{point:+g}".replace("-", MINUS)


def bet_title(market: Market, outcome: Outcome, side: str, sport_key: str) -> str:
    """Return a bet in words, as one would say it at the counter.

    >>> h2h, total = Market(kind="h2h"), Market(kind="totals", participant="")
    >>> bet_title(h2h, Outcome(name="Leeds"), "back", "soccer_epl")
    'Leeds to win'
    >>> bet_title(h2h, Outcome(name="Draw"), "lay", "soccer_epl")
    'Against Draw'
    >>> bet_title(total, Outcome(name="Over", point=2.5), "back", "soccer_epl")
    'Over 2.5 goals'
    """
    words = outcome_title(outcome)
    unit = _UNIT.get(sport_family(sport_key), "")
    if market.kind == "totals" and unit:
        words = f"{words} {unit}"
    elif market.kind in {"h2h", "outrights"} and outcome.name != "Draw" and side == Side.BACK:
        words = f"{words} to win"
    elif market.kind not in {"h2h", "spreads", "totals", "outrights"}:
        words = f"{words} {_kind_title(market.kind, '').lower()}"
    if market.participant:
        words = f"{market.participant}: {words}"
    period = _PERIODS.get(market.period, market.period)
    words = f"{words}, {period}" if period else words
    return f"Against {words}" if side == Side.LAY else words


def odds(price: float | None, style: OddsFormat = "decimal") -> str:
    """Return decimal odds as the reader wants to see them; an en dash for None.

    >>> odds(1.909), odds(2.5), odds(None)
    ('1.909', '2.50', '–')
    >>> odds(2.5, "american"), odds(1.5, "american"), odds(2.0, "american")
    ('+150', '−200', '+100')
    >>> odds(2.5, "fractional"), odds(1.909, "fractional")
    ('3/2', '10/11')
    """
    return formatting.ABSENT if price is None else written(price, style).replace("-", MINUS)


def fair_odds(price: float | None, style: OddsFormat = "decimal") -> str:
    """Return odds that are computed, fair or net ones: decimal ones always to three places.

    >>> fair_odds(2.02), fair_odds(1.966), fair_odds(None), fair_odds(2.5, "american")
    ('2.020', '1.966', '–', '+150')
    """
    return odds(price, style) if price is None or style != "decimal" else f"{price:.3f}"


def signed_percent(value: float | None, digits: int = 2) -> str:
    """Return a fraction as a percentage with its sign.

    >>> signed_percent(0.0312), signed_percent(-0.0047)
    ('+3.12 %', '−0.47 %')
    """
    if value is None:
        return formatting.ABSENT
    return f"{value:+.{digits}%}".replace("%", " %").replace("-", MINUS)


def money(amount: float) -> str:
    """Return an amount of the reader's currency, always in hundredths: so stakes add up.

    >>> money(3.456), money(1234.5)
    ('3.46', '1,234.50')
    """
    return f"{amount:,.2f}"
