"""The closing line value of each bookmaker's edges, as the board shows it beside them.

Computed from all edges of the past months, so a process keeps it for a minute: it changes when
events start, and every reader's page asks for it every two seconds.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from betting.admin_base import formatting
from betting.db.clock import database_now
from betting.words import signed_percent
from valuation.closes.statistics import ENOUGH, Choice, ClvSummary, summaries

DAYS = 90
KEPT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class BookmakerClv:
    """The worth of a bookmaker's edges at the close, in words.

    Attributes:
        mean: the mean CLV.
        note: its standard error, and of how many edges.
        is_losing: whether it is below zero by two standard errors.
    """

    mean: str
    note: str
    is_losing: bool


_kept: tuple[float, Mapping[str, BookmakerClv]] = (float("-inf"), {})


def clv_by_bookmaker() -> Mapping[str, BookmakerClv]:
    """Return it by the key of each bookmaker of which enough edges have a close."""
    global _kept  # noqa: PLW0603 - one value a process, replaced as a whole
    at, found = _kept
    if time.monotonic() - at >= KEPT_SECONDS:
        since = database_now() - timedelta(days=DAYS)
        found = {
            each.key: _in_words(each)
            for each in summaries(Choice(since=since), "bookmaker")
            if each.count >= ENOUGH
        }
        _kept = (time.monotonic(), found)
    return found


def _in_words(summary: ClvSummary) -> BookmakerClv:
    error = formatting.percent(summary.standard_error)
    note = f"±{error} standard error, {summary.count:,} edges of the past {DAYS} days"
    return BookmakerClv(signed_percent(summary.mean, 1), note, summary.is_losing)
