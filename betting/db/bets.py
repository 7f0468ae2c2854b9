"""The bet that a row is about: its event, market, outcome and bookmaker, by their paths.

A quote is a bet; a line change, an edge, a fair price and a rival price are about one. The admin's
columns and searches, the API's joins and the export's columns are all made from this description.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

from django.db.models.expressions import Combinable

from betting.models import Bookmaker, Outcome


@dataclass(frozen=True, slots=True)
class BetOf:
    """Where rows of one kind have their bet. Every such row has a `market` of its own.

    Attributes:
        quote: the path to the quote with its dunder; empty where the row itself has the outcome.
        has_bookmaker: whether it is one bookmaker's; a fair price is nobody's.
    """

    quote: str = ""
    has_bookmaker: bool = True

    @property
    def related(self) -> tuple[str, ...]:
        """The relations to select with the rows, so that none is queried one by one."""
        bookmaker = (f"{self.quote}bookmaker",) if self.has_bookmaker else ()
        return ("market__event__sport", f"{self.quote}outcome", *bookmaker)

    @property
    def searched(self) -> tuple[str, ...]:
        """The admin's paths to search the rows by: bookmaker, outcome, market and event."""
        bookmaker = (f"={self.quote}bookmaker__key",) if self.has_bookmaker else ()
        return (
            *bookmaker,
            f"{self.quote}outcome__name",
            "market__participant",
            "=market__kind",
            "market__event__home",
            "market__event__away",
        )

    @property
    def columns(self) -> dict[str, str | Combinable]:
        """The columns of a flat table that name the outcome, and whose price it is."""
        names: dict[str, str | Combinable] = {
            "outcome": f"{self.quote}outcome__name",
            "point": f"{self.quote}outcome__point",
        }
        if self.has_bookmaker:
            names |= {
                "bookmaker": f"{self.quote}bookmaker__key",
                "side": f"{self.quote}side",
                "feed": f"{self.quote}feed__key",
                "provider": f"{self.quote}feed__provider__key",
            }
        return names

    def outcome_of(self, row: Any) -> Outcome:
        """Return the outcome that is bet on."""
        outcome: Outcome = self._of(row, f"{self.quote}outcome")
        return outcome

    def bookmaker_of(self, row: Any) -> Bookmaker:
        """Return the bookmaker whose price it is."""
        bookmaker: Bookmaker = self._of(row, f"{self.quote}bookmaker")
        return bookmaker

    @staticmethod
    def _of(row: Any, path: str) -> Any:
        return reduce(getattr, path.split("__"), row)


QUOTE, OF_QUOTE, FAIR_PRICE = BetOf(), BetOf("quote__"), BetOf(has_bookmaker=False)
"""The bets of quotes; of line changes, edges and rival prices; of fair prices."""

OF_EDGE = BetOf("edge__quote__")
"""The bet of what is said of an edge."""
