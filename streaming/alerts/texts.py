"""The words of alerts: short, and those of the board."""

from __future__ import annotations

from datetime import datetime

from betting import words
from betting.admin_base import formatting
from streaming.core.durations import spoken
from valuation.models import Edge

SENT_IN_SECONDS = 120.0
"""A start that is nearer than this is given in seconds; others to the minute."""


def headline(edge: Edge) -> str:
    """Return an edge in a few words: "+3.4 % Over 2.5 goals at Pinnacle 2.10".

    Args:
        edge: with its market, event, sport, outcome and bookmaker.
    """
    return f"{words.signed_percent(edge.ev, 1)} {_bet(edge)}"


def details(edge: Edge, now: datetime, *, is_in_play: bool, advised: float) -> str:
    """Return what else there is to know of an open edge.

    Args:
        edge: as in `headline`.
        now: the time.
        is_in_play: whether its event has started.
        advised: the stake that is advised now, fraction of the bankroll.
    """
    stake = f"stake {formatting.percent(advised, 1)} of the bankroll" if advised else "no stake"
    starts = "in play" if is_in_play else f"starts in {_until(edge, now)}"
    return f"{_where(edge)}, {starts}. Fair {words.odds(round(1 / edge.probability, 2))}, {stake}."


def gone(edge: Edge) -> str:
    """Return that an edge has gone, and why."""
    return f"Gone: {_bet(edge)} — {_where(edge)}: {edge.get_close_reason_display()}."


def check_changed(name: str, status: str, since: datetime, output: str) -> str:
    """Return a change of a health check.

    >>> from datetime import UTC
    >>> check_changed("redis", "fail", datetime(2026, 1, 1, 14, 2, tzinfo=UTC), "no answer")
    'Health: redis fails since 14:02 UTC: no answer'
    """
    verb = {"pass": "passes", "warn": "warns", "fail": "fails"}.get(status, status)
    text = f"Health: {name.replace('_', ' ')} {verb} since {since:%H:%M} UTC"
    return f"{text}: {output}" if output else text


def letters_added(sentence: str, happened: str, *, is_first: bool) -> str:
    """Return a cause of dead letters, new or once more.

    >>> letters_added("streaming.prune: ran beyond its time limit", "Once", is_first=True)
    'New dead letters: streaming.prune: ran beyond its time limit'
    """
    return f"New dead letters: {sentence}" if is_first else f"{happened} by now: {sentence}"


def _bet(edge: Edge) -> str:
    quote, event = edge.quote, edge.market.event
    bet = words.bet_title(edge.market, quote.outcome, quote.side, event.sport.key)
    return f"{bet} at {quote.bookmaker.title or quote.bookmaker.key} {words.odds(edge.price)}"


def _where(edge: Edge) -> str:
    event = edge.market.event
    return f"{words.event_title(event)}, {event.sport.title or event.sport.key}"


def _until(edge: Edge, now: datetime) -> str:
    seconds = (edge.market.event.commence_time - now).total_seconds()
    return spoken(seconds if seconds < SENT_IN_SECONDS else seconds // 60 * 60)
