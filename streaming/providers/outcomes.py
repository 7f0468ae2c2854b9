"""Names of outcomes that are the same for every event, in one spelling for all providers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

OVER, UNDER, YES, NO, DRAW = "Over", "Under", "Yes", "No", "Draw"

_DRAWS: Mapping[str, str] = MappingProxyType(dict.fromkeys(("draw", "tie", "the draw"), DRAW))
_SIDES: Mapping[str, str] = MappingProxyType(
    {name.casefold(): name for name in (OVER, UNDER, YES, NO)}
)
_NONE: Mapping[str, str] = MappingProxyType({})


@lru_cache(maxsize=4096)
def fixed_name(kind: str, name: str) -> str:
    """Return the common spelling of an outcome's name; a name that is not fixed is unchanged.

    Names of teams and players are not handled here: the caller must not pass the event's own teams.

    Args:
        kind: the market's kind, e.g. ``h2h`` or ``totals``.
        name: as the provider writes it.

    >>> fixed_name("h2h", "The Draw"), fixed_name("totals", "OVER"), fixed_name("btts", "no")
    ('Draw', 'Over', 'No')
    >>> fixed_name("outrights", "Over"), fixed_name("h2h", "Over")
    ('Over', 'Over')
    """
    return _fixed_in(kind).get(" ".join(name.split()).casefold(), name)


def _fixed_in(kind: str) -> Mapping[str, str]:
    if kind.startswith(("outrights", "spreads", "alternate_spreads")):
        return _NONE  # names of teams and players only
    return _DRAWS if _is_of_results(kind) else _SIDES


def _is_of_results(kind: str) -> bool:
    """Return True if the market's outcomes are the results of a match."""
    return kind.startswith(("h2h", "match_odds", "half_time", "draw_no_bet", "moneyline"))
