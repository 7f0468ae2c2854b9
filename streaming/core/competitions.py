"""Rules on which sports' keys may be about one contest.

Providers differ in how finely they name what they list: one says `basketball`, another
`basketball_nba`. Two specific names that differ are two competitions, even if the same participants
appear in both: a university's men and women play under the same name on the same evening.
"""

from __future__ import annotations

import re

from streaming.core.participants import sport_family

TOGETHER: tuple[frozenset[str], ...] = (
    frozenset({"americanfootball_nfl", "americanfootball_nfl_preseason"}),
    frozenset({"baseball_mlb", "baseball_mlb_preseason"}),
    frozenset({"basketball_nba", "basketball_nba_preseason"}),
    frozenset({"icehockey_nhl", "icehockey_nhl_preseason"}),
    frozenset({"soccer_uefa_champs_league", "soccer_uefa_champs_league_qualification"}),
)
"""Keys of one competition: providers change from one to the other on different days."""

# Not the tours of tennis: nobody plays under the same name in both.
_DIVISIONS = re.compile(
    r"(?:^|_)(?P<women>wom[ae]ns?|female|ladies|wnba|wncaa[a-z]*|w)(?=_|$)"
    r"|(?:^|_)(?P<youth>u\d\d|youth|juniors?)(?=_|$)"
    r"|(?:^|_)(?P<reserves>reserves?)(?=_|$)"
    r"|(?:^|_)(?P<doubles>doubles)(?=_|$)"
)


def may_be_one(one: str, other: str) -> bool:
    """Return True if two sports' keys may be about the same competition. Symmetric.

    The family's own key may be any of its competitions, except those of a division (women, youth,
    reserves, doubles): a provider that names no competition means the senior men's singles.

    >>> may_be_one("basketball", "basketball_nba"), may_be_one("basketball", "basketball_wncaab")
    (True, False)
    >>> may_be_one("basketball_ncaab", "basketball_wncaab")
    False
    >>> may_be_one("americanfootball_nfl", "americanfootball_nfl_preseason")
    True
    """
    if one == other or any({one, other} <= keys for keys in TOGETHER):
        return True
    family = sport_family(one)
    return family in {one, other} and division(one) == division(other)


def division(sport_key: str) -> frozenset[str]:
    """Return what sets a competition apart from the senior men's singles.

    >>> sorted(division("soccer_uefa_u21_womens_euro")), division("soccer_epl")
    (['women', 'youth'], frozenset())
    """
    found = (match.lastgroup for match in _DIVISIONS.finditer(sport_key))
    return frozenset(filter(None, found))
