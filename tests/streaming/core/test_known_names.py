"""The shipped names: facts that merge games, so none may be wrong."""

from __future__ import annotations

from itertools import combinations

import pytest

from streaming.core.known_names import known_aliases
from streaming.core.matching import Contest, Doubtful, MatchPolicy, Same, match
from streaming.core.participants import Pair, canonical, canonical_pair, normalise
from tests.streaming.core.test_matching import NOON

FAMILIES = ("americanfootball", "baseball", "basketball", "icehockey", "soccer")

#: One side of a game as two providers write it: the same where the names are shipped.
PAIRS = [
    ("basketball_nba", "LA Clippers", "Los Angeles Clippers"),
    ("baseball_mlb", "NY Yankees", "New York Yankees"),
    ("baseball_mlb", "KC Royals", "Kansas City Royals"),
    ("soccer_epl", "Man Utd", "Manchester United"),
    ("soccer_france_ligue_one", "PSG", "Paris Saint Germain"),
    ("soccer_efl_champ", "QPR", "Queens Park Rangers"),
    ("soccer_epl", "Wolves", "Wolverhampton Wanderers"),
    ("basketball_ncaab", "UConn Huskies", "Connecticut Huskies"),
    ("americanfootball_ncaaf", "Ole Miss Rebels", "Mississippi Rebels"),
    ("soccer_epl", "Nottm Forest", "Nottingham Forest"),
    ("soccer_germany_bundesliga", "Borussia M'gladbach", "Borussia Monchengladbach"),
    ("soccer_portugal_primeira_liga", "Sporting CP", "Sporting Lisbon"),
    ("soccer_spain_la_liga", "Athletic Club", "Athletic Bilbao"),
    ("soccer_epl", "Spurs", "Tottenham Hotspur"),
    ("soccer_usa_mls", "DC United", "D.C. United"),
    ("soccer_usa_mls", "LA Galaxy", "Los Angeles Galaxy"),
]


def contest(sport: str, side: str) -> Contest:
    aliases = known_aliases(sport.partition("_")[0])
    return Contest(canonical_pair(Pair(side, "Opponents Known"), aliases), NOON, sport)


@pytest.mark.parametrize(("sport", "one", "other"), PAIRS)
def test_names_that_are_shipped_are_the_same_team(sport: str, one: str, other: str) -> None:
    assert match({7: contest(sport, one)}, contest(sport, other), MatchPolicy()) == Same(7)


def test_names_that_nobody_knows_are_at_least_doubtful_beside_an_equal_side() -> None:
    verdict = match({7: contest("x_y", "Seagulls")}, contest("x_y", "The Birds"), MatchPolicy())
    assert isinstance(verdict, Doubtful)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_two_teams_become_one(family: str) -> None:
    aliases = known_aliases(family)
    for one, other in combinations(set(aliases.values()), 2):
        assert canonical(one, aliases) != canonical(other, aliases)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_name_stands_for_one_team_which_stands_for_itself(family: str) -> None:
    for name, team in known_aliases(family).items():
        assert normalise(name) == name
        assert canonical(team, known_aliases(family)) == team
