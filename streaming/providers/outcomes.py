"""Names of outcomes that are the same for every event, however a provider writes them."""

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
    """The name of an outcome as all providers' rows have it; its own where it is not a fixed one.

    Names of teams and players are no business of this: the caller asks about none of the event's
    own teams.

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
        return _NONE  # teams and players alone
    return _DRAWS if _is_of_results(kind) else _SIDES


def _is_of_results(kind: str) -> bool:
    """Whether the market's outcomes are the results of a match."""
    return kind.startswith(("h2h", "match_odds", "half_time", "draw_no_bet", "moneyline"))
