"""The reasons why there is no fair price."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class Reason(IntEnum):
    """The reason why an outcome has no fair price, or a bookmaker's line no part in it.

    From `TOO_FEW_BOOKS` to `OUTLIER` they stand in the order in which the rules are applied; of
    a line the first rule that leaves fewer than the minimum of bookmakers is the reason.
    """

    OK = 0
    TOO_FEW_BOOKS = 1
    STALE = 2
    INCOMPLETE = 3
    BOOKSUM_OUT_OF_RANGE = 4
    NO_PROBABILITY = 5
    OUTLIER = 6
    NO_TWO_SIDED_BOOK = 7

    @property
    def text(self) -> str:
        """One line for a person; empty for `OK`."""
        return REASON_TEXT[self]


REASON_TEXT: Final[Mapping[int, str]] = MappingProxyType(
    {
        Reason.OK: "",
        Reason.TOO_FEW_BOOKS: "too few bookmakers quote this line",
        Reason.STALE: "too few bookmakers have fresh quotes",
        Reason.INCOMPLETE: "too few bookmakers quote a complete line with this outcome",
        Reason.BOOKSUM_OUT_OF_RANGE: "too few bookmakers have a plausible booksum",
        Reason.NO_PROBABILITY: "too few bookmakers have prices the de-vig method can value",
        Reason.OUTLIER: "too few bookmakers agree with each other",
        Reason.NO_TWO_SIDED_BOOK: "no bookmaker of the consensus quotes two outcomes of this line",
    }
)
