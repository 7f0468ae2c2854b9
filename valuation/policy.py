"""The valuation rules that an operator can set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class ValuationPolicy:
    """How quotes become fair prices and edges.

    Attributes:
        method: de-vig method applied to each bookmaker's line.
        min_books: bookmakers a consensus needs, per line.
        min_booksum: a booksum (sum of 1/price) below it is a data fault, left out.
        max_booksum: a booksum above it is a data fault, left out.
        outlier_mads: a bookmaker whose log-odds lie further from the median than this many
            median absolute deviations is left out of the consensus.
        outlier_floor: the least deviation, in log-odds, that can count as an outlier.
        max_exchange_width: the widest back/lay gap, in log-odds, of which the midpoint is taken.
        min_edge_ev: the smallest expected value per unit staked that opens an edge.
        kelly_fraction: the part of the full Kelly stake that is advised.
        kelly_cap: the largest advised stake, as a fraction of the bankroll.
        suspicious_ev: an edge above it is rather a mistake, of the bookmaker or of ours: it is
            marked, out of the default list, and nothing is advised.
        in_play_seconds: a quote confirmed longer ago than this is no edge once its event has
            started.
        in_play_advice: whether a stake is advised on edges of events that have started.
    """

    method: Method = "power"
    min_books: int = 3
    min_booksum: float = 0.98
    max_booksum: float = 1.35
    outlier_mads: float = 6.0
    outlier_floor: float = 0.25
    max_exchange_width: float = 0.35
    min_edge_ev: float = 0.01
    kelly_fraction: float = 0.25
    kelly_cap: float = 0.02
    suspicious_ev: float = 0.15
    in_play_seconds: float = 60.0
    in_play_advice: bool = False
