"""The rows that a database shows at the moment.

Edges and opportunities are those that readers are shown (`valuation.vouching`): time passes between
the stream's valuation and the oracle's, and readers judge by the clock what is too old in play.
"""

from __future__ import annotations

from collections.abc import Iterable

from betting.db.sql import fetch_all
from betting.models import Event, QuoteStatus
from streaming.chaos.comparison import Rows, Value, Values
from valuation.models import IN_PLAY
from valuation.vouching import OPEN, edges, opportunities

TIMED = {IN_PLAY, "near_stale"}
"""Warnings that depend on when a market was valued, not on its prices alone."""


def read_rows() -> Rows:
    """Read everything that both sides must agree on."""
    quotes = _quotes()
    keys = {quote: key for quote, (key, _) in quotes.items()}
    return Rows(
        events=_events(),
        quotes=dict(quotes.values()),
        fair_prices=_fair_prices(),
        edges=_edges(keys),
        opportunities=_opportunities(keys),
        unvalued=_unvalued(),
    )


def _key(*parts: Value) -> str:
    return "|".join("" if part is None else str(part) for part in parts)


def _events() -> dict[str, Values]:
    offered = Event.objects.filter(markets__quotes__status=QuoteStatus.ACTIVE).distinct()
    rows = offered.order_by("id").values_list(
        "aliases__external_id", "home", "away", "commence_time"
    )
    return {
        key: {"home": home, "away": away, "starts": starts.isoformat()}
        for key, home, away, starts in rows
    }


def _quotes() -> dict[int, tuple[str, Values]]:
    """Return the active quotes by their ids, with their natural keys."""
    return {pk: (_key(*parts), {"price": price}) for pk, price, *parts in fetch_all(_ACTIVE, {})}


def _fair_prices() -> dict[str, Values]:
    return {
        _key(*parts): {
            "state": state,
            "reason": reason,
            "probability": probability,
            "method": method,
            "books": books,
        }
        for state, reason, probability, method, books, *parts in fetch_all(_FAIR, {})
    }


def _edges(quotes: dict[int, str]) -> dict[str, Values]:
    rows = (
        edges()
        .filter(OPEN)
        .values_list("quote_id", "price", "probability", "ev", "kelly", "hold", "books", "warnings")
    )
    return {
        quotes.get(quote, f"quote {quote}"): {
            "price": price,
            "probability": probability,
            "ev": ev,
            "kelly": kelly,
            "hold": hold,
            "books": books,
            "warnings": _warnings(warnings),
        }
        for quote, price, probability, ev, kelly, hold, books, warnings in rows
    }


def _warnings(warnings: Iterable[str]) -> str:
    return ",".join(sorted(set(warnings) - TIMED))


def _opportunities(quotes: dict[int, str]) -> dict[str, Values]:
    rows = (
        opportunities()
        .filter(OPEN)
        .values_list("kind", "quotes", "booksum", "profit", "worst", "best", "gap")
    )
    return {
        _key(kind, *sorted(quotes.get(leg, f"quote {leg}") for leg in legs)): {
            "booksum": booksum,
            "profit": profit,
            "worst": worst,
            "best": best,
            "gap": gap,
        }
        for kind, legs, booksum, profit, worst, best, gap in rows
    }


def _unvalued() -> dict[str, Values]:
    return {
        _key(market): {"version": version, "valued_version": valued, "oldest_fair_price": fair}
        for market, version, valued, fair in fetch_all(_UNVALUED, {})
    }


# Both providers have one id for an event, and it has one alias each.
_NAMES = """
(SELECT min(a.external_id) FROM betting_eventalias a WHERE a.event_id = m.event_id),
m.kind, m.period, m.participant, o.name, o.point
"""

_ACTIVE = f"""
SELECT q.id, q.price, {_NAMES}, b.key, q.side
FROM betting_quote q
JOIN betting_bookmaker b ON b.id = q.bookmaker_id
JOIN betting_outcome o ON o.id = q.outcome_id
JOIN betting_market m ON m.id = q.market_id
WHERE q.status = 'active'
"""  # noqa: S608 - a constant

_FAIR = f"""
SELECT COALESCE(p.state, 'none'), COALESCE(p.reason, 'none at all'), p.probability,
       COALESCE(p.method, ''), COALESCE(p.books, 0), {_NAMES}
FROM betting_outcome o
JOIN betting_market m ON m.id = o.market_id
LEFT JOIN valuation_fairprice p ON p.outcome_id = o.id
WHERE p.state = 'ok'
   OR EXISTS (SELECT FROM betting_quote q WHERE q.outcome_id = o.id AND q.status = 'active')
"""  # noqa: S608 - a constant

_UNVALUED = """
SELECT m.id, m.version, m.valued_version, min(p.version)
FROM betting_market m
LEFT JOIN valuation_fairprice p ON p.market_id = m.id
GROUP BY m.id
HAVING m.version <> m.valued_version OR min(p.version) <> m.valued_version
"""
