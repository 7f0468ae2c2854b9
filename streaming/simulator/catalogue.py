"""The sports, teams, players and bookmakers of the simulated market.

Bookmaker keys and regions are those The Odds API documents; teams and players are invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

Ladder = Literal["decimal", "american", "exchange"]

FEATURED_MARKETS = ("h2h", "h2h_lay", "spreads", "totals")
ALTERNATE_MARKETS = ("alternate_spreads", "alternate_totals")
REGIONS = ("us", "us2", "us_dfs", "us_ex", "uk", "eu", "fr", "se", "au")


@dataclass(frozen=True, slots=True)
class Bookmaker:
    """One bookmaker and its pricing.

    Attributes:
        key: as The Odds API names it.
        title: as shown to people.
        region: the API region that lists it.
        overround: margin on a two-way main line, e.g. 0.045.
        lag_seconds: mean time to follow a move.
        noise: spread of its opinion, in standard deviations of the final margin.
        refresh_seconds: how often `last_update` moves although nothing else did.
        skew: part of the margin laid equally on every outcome rather than in proportion to its
            probability: the favourite–longshot bias.
        ladder: the prices it can show.
        lists_suspended: while off the board it shows prices of 1.0 rather than nothing.
    """

    key: str
    title: str
    region: str
    overround: float
    lag_seconds: float
    noise: float
    refresh_seconds: float
    skew: float = 0.3
    ladder: Ladder = "decimal"
    lists_suspended: bool = False

    @property
    def is_exchange(self) -> bool:
        """Return True if its customers bet against each other, so prices can also be laid."""
        return self.ladder == "exchange"

    @property
    def offers_props(self) -> bool:
        """Return True if it prices players, which mainly American bookmakers do."""
        return self.region.startswith("us") or self.key == "pinnacle"


@dataclass(frozen=True, slots=True)
class Sport:
    """One sport's scoring, in its own points.

    Attributes:
        key, group, title, description: as the API's list of sports has them.
        teams: invented names.
        home_edge: expected margin of the home side between equals.
        strength_sd: standard deviation of the expected margin between events.
        margin_sd, total_sd: standard deviations of the final margin and the total at the start.
        total_mean: expected total.
        scores_per_event, score: how often an event in play jumps, and by how many points.
        min_spread: the smallest handicap offered.
        has_draw: whether the moneyline is three-way.
        prop: the player market's key; empty where the sport has none.
        prop_range: lowest and highest expected player total.
        has_doubleheaders: whether the same pair may meet twice on one day.
    """

    key: str
    group: str
    title: str
    description: str
    teams: tuple[str, ...]
    home_edge: float
    strength_sd: float
    margin_sd: float
    total_mean: float
    total_sd: float
    scores_per_event: float
    score: float
    min_spread: float
    has_draw: bool = False
    prop: str = ""
    prop_range: tuple[float, float] = (0.0, 0.0)
    has_doubleheaders: bool = False

    @property
    def event_markets(self) -> tuple[str, ...]:
        """Markets of the event endpoint: the featured ones, alternate lines and player totals."""
        props = (self.prop,) if self.prop else ()
        return FEATURED_MARKETS + ALTERNATE_MARKETS + props


BOOKMAKERS = (
    Bookmaker("pinnacle", "Pinnacle", "eu", 0.024, 0.8, 0.010, 8, skew=0.15),
    Bookmaker("betfair_ex_eu", "Betfair", "eu", 0.016, 0.6, 0.008, 5, 0.0, "exchange"),
    Bookmaker("marathonbet", "Marathon Bet", "eu", 0.040, 3.0, 0.020, 30, lists_suspended=True),
    Bookmaker("sport888", "888sport", "eu", 0.065, 7.0, 0.035, 45, skew=0.5),
    Bookmaker("paddypower", "Paddy Power", "uk", 0.060, 4.0, 0.030, 25, skew=0.5),
    Bookmaker("williamhill", "William Hill", "uk", 0.058, 5.0, 0.030, 40, skew=0.45),
    Bookmaker("skybet", "Sky Bet", "uk", 0.070, 6.0, 0.035, 50, skew=0.6),
    Bookmaker("draftkings", "DraftKings", "us", 0.046, 1.5, 0.018, 35, ladder="american"),
    Bookmaker("fanduel", "FanDuel", "us", 0.045, 1.5, 0.016, 12, ladder="american"),
    Bookmaker("betmgm", "BetMGM", "us", 0.050, 3.0, 0.025, 20, ladder="american"),
    Bookmaker("williamhill_us", "Caesars", "us", 0.048, 4.0, 0.025, 25, ladder="american"),
    Bookmaker("betrivers", "BetRivers", "us", 0.055, 4.0, 0.030, 15, skew=0.4),
    Bookmaker("bovada", "Bovada", "us", 0.047, 6.0, 0.035, 90, ladder="american"),
    Bookmaker("hardrockbet", "Hard Rock Bet", "us2", 0.050, 4.0, 0.030, 30, ladder="american"),
    Bookmaker("ballybet", "Bally Bet", "us2", 0.060, 6.0, 0.035, 60, ladder="american"),
)

SPORTS = (
    Sport(
        key="basketball_nba",
        group="Basketball",
        title="NBA",
        description="US Basketball",
        teams=(
            "Albany Monarchs", "Boise Timberjacks", "Charleston Gulls", "Des Moines Comets",
            "El Paso Roadrunners", "Fresno Condors", "Georgetown Anchors", "Hartford Foxes",
            "Ithaca Glaciers", "Juneau Auroras", "Knoxville Smokies", "Lincoln Stags",
            "Mobile Mariners", "Norfolk Harriers", "Omaha Thunderbirds", "Portland Pines",
            "Quincy Quarrymen", "Reno Silvers", "Savannah Herons", "Tulsa Drillers",
            "Utica Yetis", "Vermont Owls", "Wichita Wheatmen", "Yonkers Yaks",
            "Akron Anvils", "Bangor Bears", "Camden Corsairs", "Dayton Flyers",
        ),
        home_edge=2.5, strength_sd=6.0, margin_sd=12.0, total_mean=226.0, total_sd=17.0,
        scores_per_event=16.0, score=2.5, min_spread=1.0,
        prop="player_points", prop_range=(8.0, 30.0),
    ),
    Sport(
        key="baseball_mlb",
        group="Baseball",
        title="MLB",
        description="Major League Baseball",
        teams=(
            "Amarillo Dusters", "Buffalo Lakers", "Cheyenne Mustangs", "Duluth Freighters",
            "Eugene Emeralds", "Flint Firebirds", "Galveston Pelicans", "Helena Prospectors",
            "Indio Palms", "Jackson Rivermen", "Key West Conchs", "Laredo Longhorns",
            "Macon Peaches", "Nashua Millers", "Ogden Raptors", "Peoria Bluffs",
            "Racine Rockets", "Salem Witches", "Topeka Twisters", "Ukiah Redwoods",
            "Valdosta Vipers", "Waco Wranglers", "Yuma Suns", "Zanesville Potters",
            "Bend Lavas", "Casper Ghosts", "Dover Clippers", "Erie Sailors",
        ),
        home_edge=0.15, strength_sd=0.9, margin_sd=4.2, total_mean=8.7, total_sd=4.2,
        scores_per_event=9.0, score=1.0, min_spread=1.5,
        prop="pitcher_strikeouts", prop_range=(3.5, 8.5), has_doubleheaders=True,
    ),
    Sport(
        key="americanfootball_nfl",
        group="American Football",
        title="NFL",
        description="US Football",
        teams=(
            "Anchorage Icebreakers", "Birmingham Forge", "Columbia Cougars", "Durango Miners",
            "Evansville Ironclads", "Fargo Bison", "Gary Steelmen", "Honolulu Breakers",
            "Irvine Outlaws", "Joplin Stampede", "Kalamazoo Kings", "Lubbock Lancers",
            "Memphis Catfish", "Natchez Gamblers", "Orem Sentinels", "Pueblo Pumas",
            "Roanoke Rangers", "Spokane Sasquatch", "Toledo Tempest", "Urbana Unicorns",
            "Vallejo Vikings", "Wheeling Wolves", "York Yellowjackets", "Zion Zephyrs",
            "Biloxi Barracudas", "Canton Bulldogs", "Dubuque Dukes", "Elmira Eagles",
        ),
        home_edge=1.5, strength_sd=5.5, margin_sd=13.0, total_mean=44.5, total_sd=13.0,
        scores_per_event=9.0, score=3.5, min_spread=1.0,
        prop="player_pass_yds", prop_range=(190.0, 290.0),
    ),
    Sport(
        key="soccer_epl",
        group="Soccer",
        title="EPL",
        description="English Premier League",
        teams=(
            "Ashford Athletic", "Barnstaple Town", "Canterbury Rovers", "Dorchester United",
            "Ely City", "Falmouth Albion", "Guildford Rangers", "Harrogate Wanderers",
            "Ilkley Villa", "Jarrow Hotspur", "Kendal County", "Lancaster Forest",
            "Margate Palace", "Newquay Argyle", "Oakham Orient", "Penrith Vale",
            "Ripon Wednesday", "Stafford North End", "Taunton Alexandra", "Whitby Harbour",
            "Yeovil Castle", "Truro Tinners", "Skipton Dales", "Matlock Mills",
            "Ludlow Lions", "Hexham Abbey", "Buxton Spa", "Alnwick Knights",
        ),
        home_edge=0.3, strength_sd=0.7, margin_sd=1.65, total_mean=2.8, total_sd=1.65,
        scores_per_event=2.8, score=0.9, min_spread=0.5, has_draw=True,
    ),
)  # fmt: skip

_FIRST_NAMES = (
    "Aldous", "Bram", "Cato", "Dorian", "Ezra", "Fenwick", "Gideon", "Hollis", "Ivor", "Jasper",
    "Kelso", "Lucan", "Magnus", "Nico", "Orson", "Percival", "Quill", "Rufus", "Silas", "Thaddeus",
)  # fmt: skip
_LAST_NAMES = (
    "Abernoth", "Brackwater", "Calloway-Finch", "Drummore", "Eastmere", "Fairweather", "Grimstead",
    "Hallorane", "Inglethorpe", "Juniper", "Kestrelmann", "Larkspur", "Merriwold", "Northgate",
    "Oakhollow", "Pemberwick", "Quarrington", "Ravensdell", "Stonebridge", "Thistlewood",
)  # fmt: skip


def players_of(team: str, count: int = 3) -> tuple[str, ...]:
    """Return a team's players; always the same ones.

    >>> players_of("Reno Silvers") == players_of("Reno Silvers")
    True
    """
    rng = Random(team)  # noqa: S311 - a stable choice of names, not a secret
    first, last = rng.sample(_FIRST_NAMES, count), rng.sample(_LAST_NAMES, count)
    return tuple(f"{a} {b}" for a, b in zip(first, last, strict=True))
