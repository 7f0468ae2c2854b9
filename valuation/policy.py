"""The valuation rules. Those marked `Setting` are an operator's to set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta as Setting

Method = Literal[
    "multiplicative",
    "additive",
    "power",
    "shin",
    "odds_ratio",
    "goto",
    "probit",
    "worst_case",
]


LARGE_FIELD = 10
"""A line of more outcomes is a large field; its rules let no single odd runner decide."""

MAX_MARGIN_FACTOR = 3.0
"""The largest margin of any field, as a multiple of the margin of ten outcomes."""


@dataclass(frozen=True, slots=True)
class ValuationPolicy:
    """The rules by which quotes become fair prices and edges.

    Attributes:
        method: de-vig method applied to each bookmaker's line.
        min_books: bookmakers a consensus needs, per line.
        min_booksum: a booksum (sum of 1/price) below it is a data fault, left out.
        max_booksum: a booksum above it is a data fault, left out; of more than ten runners the
            margin may be larger, up to three times as large from thirty on.
        outlier_mads: a bookmaker whose log-odds lie further from the median than this many
            median absolute deviations is left out of the consensus.
        outlier_floor: the least deviation, in log-odds, that can count as an outlier.
        max_exchange_width: the widest back/lay gap, in log-odds, of which the midpoint is taken.
        min_edge_ev: the smallest expected value per unit staked that opens an edge.
        kelly_fraction: the part of the full Kelly stake that is advised.
        kelly_cap: the largest advised stake, as a fraction of the bankroll.
        suspicious_ev: an edge above it is probably a mistake, of the bookmaker or of ours: it is
            marked, left out of the default list, and no stake is advised.
        in_play_seconds: a quote confirmed longer ago than this is no edge once its event has
            started.
        in_play_advice: whether a stake is advised on edges of events that have started.
        max_low_hold: the highest hold, 1 − 1/booksum, of a cover that is kept as a low hold.
        max_middle_cost: a middle that may lose more than this part of both stakes is not kept.
        max_legs: a cover of more bets is not kept: nobody places so many before a price moves.
    """

    method: Annotated[Method, Setting(extra={"live": True})] = "power"
    min_books: Annotated[int, Setting(ge=1, le=1_000, extra={"live": True})] = 3
    min_booksum: float = 0.98
    max_booksum: float = 1.35
    outlier_mads: float = 6.0
    outlier_floor: float = 0.25
    max_exchange_width: float = 0.35
    min_edge_ev: Annotated[float, Setting(ge=-1, le=10, extra={"live": True})] = 0.01
    kelly_fraction: Annotated[float, Setting(ge=0, le=1, extra={"live": True})] = 0.25
    kelly_cap: Annotated[float, Setting(ge=0, le=1, extra={"live": True})] = 0.02
    suspicious_ev: Annotated[float, Setting(ge=0, le=10, extra={"live": True})] = 0.15
    in_play_seconds: float = 60.0
    in_play_advice: Annotated[bool, Setting(extra={"live": True})] = False
    max_low_hold: float = 0.02
    max_middle_cost: float = 0.05
    max_legs: int = 30

    def max_booksum_of(self, outcomes: int) -> float:
        """Return the booksum above which a large field of so many outcomes is a data fault.

        The margin, `max_booksum` − 1, grows in proportion to the outcomes from ten on, up to three
        times as much: bookmakers take their margin from each runner.

        >>> [round(ValuationPolicy().max_booksum_of(n), 3) for n in (2, 10, 12, 20, 30, 150)]
        [1.35, 1.35, 1.42, 1.7, 2.05, 2.05]
        """
        factor = min(max(outcomes / LARGE_FIELD, 1.0), MAX_MARGIN_FACTOR)
        return self.max_booksum + max(self.max_booksum - 1, 0.0) * (factor - 1)

    @property
    def sums_to_1(self) -> bool:
        """True if fair prices are a distribution; `worst_case` takes the lowest of each outcome."""
        return self.method != "worst_case"

    @property
    def needed_books(self) -> int:
        """Bookmakers that a consensus needs: at least one, even if the policy says 0."""
        return max(self.min_books, 1)
