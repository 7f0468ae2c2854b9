"""Other names of teams of large leagues: facts of common usage, no provider's list.

What operators enter (`ParticipantAlias`) overrides them. Only names that belong to a single team of
a family are here: a wrong one would merge two games.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from streaming.core.participants import normalise

#: Family → a city in full → its short forms, each of which goes before any of its teams' names.
_CITIES: Mapping[str, Mapping[str, str]] = {
    "americanfootball": {
        "Green Bay": "GB",
        "Kansas City": "KC",
        "Las Vegas": "LV",
        "Los Angeles": "LA",
        "New England": "NE",
        "New York": "NY",
        "San Francisco": "SF",
        "Tampa Bay": "TB",
    },
    "baseball": {
        "Kansas City": "KC",
        "Los Angeles": "LA",
        "New York": "NY",
        "San Diego": "SD",
        "San Francisco": "SF",
        "St. Louis": "STL, Saint Louis",
        "Tampa Bay": "TB",
    },
    "basketball": {
        "Golden State": "GS",
        "Los Angeles": "LA",
        "New York": "NY",
        "Oklahoma City": "OKC",
        "Las Vegas": "LV",
    },
    "icehockey": {
        "Los Angeles": "LA",
        "New Jersey": "NJ",
        "New York": "NY",
        "St. Louis": "STL, Saint Louis",
        "San Jose": "SJ",
        "Tampa Bay": "TB",
        "Vegas": "Las Vegas",
    },
    "soccer": {"Los Angeles": "LA", "New York": "NY", "Kansas City": "KC"},
}

#: Family → the teams of those cities, by city.
_TEAMS: Mapping[str, Mapping[str, str]] = {
    "americanfootball": {
        "Green Bay": "Packers",
        "Kansas City": "Chiefs",
        "Las Vegas": "Raiders",
        "Los Angeles": "Chargers, Rams",
        "New England": "Patriots",
        "New York": "Giants, Jets",
        "San Francisco": "49ers",
        "Tampa Bay": "Buccaneers",
    },
    "baseball": {
        "Kansas City": "Royals",
        "Los Angeles": "Angels, Dodgers",
        "New York": "Mets, Yankees",
        "San Diego": "Padres",
        "San Francisco": "Giants",
        "St. Louis": "Cardinals",
        "Tampa Bay": "Rays",
    },
    "basketball": {
        "Golden State": "Warriors, Valkyries",
        "Los Angeles": "Clippers, Lakers, Sparks",
        "New York": "Knicks, Liberty",
        "Oklahoma City": "Thunder",
        "Las Vegas": "Aces",
    },
    "icehockey": {
        "Los Angeles": "Kings",
        "New Jersey": "Devils",
        "New York": "Islanders, Rangers",
        "St. Louis": "Blues",
        "San Jose": "Sharks",
        "Tampa Bay": "Lightning",
        "Vegas": "Golden Knights",
    },
    "soccer": {
        "Los Angeles": "Galaxy",
        "New York": "City, Red Bulls",
        "Kansas City": "Current",
    },
}

#: Family → a team → what else it is called.
_OTHERS: Mapping[str, Mapping[str, str]] = {
    "americanfootball": {
        "Connecticut Huskies": "UConn Huskies, UConn",
        "Mississippi Rebels": "Ole Miss Rebels, Ole Miss",
    },
    "baseball": {"Arizona Diamondbacks": "Arizona D-backs", "Athletics": "Oakland Athletics"},
    "basketball": {
        "Connecticut Huskies": "UConn Huskies, UConn",
        "Mississippi Rebels": "Ole Miss Rebels, Ole Miss",
        "Philadelphia 76ers": "Philadelphia Sixers",
    },
    "icehockey": {"Montreal Canadiens": "Montréal Canadiens"},
    "soccer": {
        # England
        "Brighton and Hove Albion": "Brighton, Brighton & Hove Albion",
        "Ipswich Town": "Ipswich",
        "Leeds United": "Leeds, Leeds Utd",
        "Leicester City": "Leicester",
        "Luton Town": "Luton",
        "Manchester City": "Man City",
        "Manchester United": "Man Utd, Man United, Manchester Utd",
        "Newcastle United": "Newcastle, Newcastle Utd",
        "Norwich City": "Norwich",
        "Nottingham Forest": "Nottm Forest, Nott'm Forest",
        "Queens Park Rangers": "QPR",
        "Sheffield United": "Sheffield Utd, Sheff Utd",
        "Sheffield Wednesday": "Sheffield Wed, Sheff Wed",
        "Tottenham Hotspur": "Tottenham, Spurs",
        "West Bromwich Albion": "West Brom, WBA",
        "West Ham United": "West Ham, West Ham Utd",
        "Wolverhampton Wanderers": "Wolves, Wolverhampton",
        # Germany
        "Bayer Leverkusen": "Leverkusen, Bayer 04 Leverkusen",
        "Bayern Munich": "Bayern München, FC Bayern, Bayern Muenchen",
        "Borussia Dortmund": "Dortmund, BVB",
        "Borussia Monchengladbach": "Borussia M'gladbach, M'gladbach, Gladbach, "
        "Borussia Moenchengladbach",
        "Eintracht Frankfurt": "Frankfurt, E. Frankfurt",
        "FSV Mainz 05": "Mainz, Mainz 05, 1. FSV Mainz 05",
        "RB Leipzig": "Leipzig, RasenBallsport Leipzig",
        # Spain
        "Athletic Bilbao": "Athletic Club, Athletic Club Bilbao",
        "Atletico Madrid": "Atlético de Madrid, Atletico de Madrid, Atl. Madrid",
        "Real Betis": "Betis, Real Betis Balompie",
        "Real Sociedad": "Sociedad",
        # Italy
        "AC Milan": "A.C. Milan",
        "Inter Milan": "Internazionale, Inter Milano, FC Internazionale",
        "Juventus": "Juventus Turin",
        # France
        "Olympique Lyonnais": "Lyon, Olympique Lyon",
        "Olympique Marseille": "Marseille, Olympique de Marseille",
        "Paris Saint Germain": "PSG, Paris SG, Paris St Germain, Paris Saint-Germain",
        # Portugal
        "Sporting Lisbon": "Sporting CP, Sporting Clube de Portugal",
        "Benfica": "SL Benfica",
        "Porto": "FC Porto",
        # North America
        "D.C. United": "DC Utd",
        "Los Angeles Galaxy": "L.A. Galaxy",
    },
}


def known_aliases(family: str) -> Mapping[str, str]:
    """Return the aliases of a family of sports: normalised name → normalised name.

    >>> known_aliases("basketball")["la clippers"], known_aliases("soccer")["man utd"]
    ('los angeles clippers', 'manchester united')
    >>> known_aliases("tennis")
    mappingproxy({})
    """
    return _ALIASES.get(family, _NONE)


def _pairs(family: str) -> Iterator[tuple[str, str]]:
    for city, shorts in _CITIES.get(family, {}).items():
        for team in _listed(_TEAMS[family][city]):
            for short in _listed(shorts):
                yield f"{short} {team}", f"{city} {team}"
    for team, names in _OTHERS.get(family, {}).items():
        for name in _listed(names):
            yield name, team


def _listed(text: str) -> list[str]:
    return [each.strip() for each in text.split(",")]


def _aliases(family: str) -> Mapping[str, str]:
    pairs = ((normalise(name), normalise(team)) for name, team in _pairs(family))
    return MappingProxyType({name: team for name, team in pairs if name != team})


_NONE: Mapping[str, str] = MappingProxyType({})
_ALIASES: Mapping[str, Mapping[str, str]] = {
    family: _aliases(family) for family in {*_CITIES, *_OTHERS}
}
