"""Files of football-data.co.uk: matches with their results and many bookmakers' prices.

A bookmaker's columns begin with its abbreviation: `B365H`, `B365D` and `B365A` are its prices
before the match, `B365CH`, `B365CD` and `B365CA` its closing prices.
Source: football-data.co.uk/notes.txt.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from streaming.core.results import score_of

OUTCOMES = "HDA"
"""Home, draw and away, as the names of columns end."""

BOOKMAKERS: Mapping[str, str] = MappingProxyType(
    {
        "1XB": "onexbet",
        "B365": "bet365",
        "BF": "betfair_sb_uk",
        "BFD": "betfred_uk",
        "BFE": "betfair_ex_uk",
        "BMGM": "betmgm",
        "BV": "betvictor",
        "BW": "bwin",
        "CL": "coral",
        "IW": "interwetten",
        "LB": "ladbrokes_uk",
        "PS": "pinnacle",
        "VC": "betvictor",
        "WH": "williamhill",
    }
)
"""Abbreviation → the bookmaker's key; of others it is the abbreviation in small letters."""

_NO_BOOKMAKERS = {"Max", "Avg"}
"""Columns that say the highest and the mean price of all."""

_ZONE = ZoneInfo("Europe/London")
_NEEDED = ("Date", "HomeTeam", "AwayTeam", "FTHG", "FTAG")

Prices = tuple[float, ...]


class ResultsFileError(ValueError):
    """A file that holds no results that can be read."""


@dataclass(frozen=True, slots=True)
class Match:
    """A match that was played.

    Attributes:
        start: when it began; at midnight if the file does not say at what time.
        home: the home team, as the file calls it.
        away: the away team.
        home_goals: after the full time.
        away_goals: after the full time.
        early: bookmaker → prices of home, draw and away, some time before the match.
        close: bookmaker → its last prices before the match.
    """

    start: datetime
    home: str
    away: str
    home_goals: int
    away_goals: int
    early: Mapping[str, Prices]
    close: Mapping[str, Prices]

    @property
    def result(self) -> int:
        """The outcome's place in `OUTCOMES`."""
        goals = self.home_goals - self.away_goals
        return 0 if goals > 0 else 1 if goals == 0 else 2

    @property
    def season(self) -> str:
        """The season, by its first year; one begins in July.

        >>> at = datetime(2022, 5, 22, tzinfo=UTC)
        >>> Match(at, "Arsenal", "Everton", 5, 1, {}, {}).season
        '2021/22'
        """
        first = self.start.year - (self.start.month < 7)
        return f"{first}/{(first + 1) % 100:02}"


def read_matches(path: Path) -> list[Match]:
    """Read the matches of a file, compressed if its name ends with `.gz`.

    Matches without a result, as postponed ones are, are left out.

    Raises:
        ResultsFileError: the file cannot be read, or lacks a column; the message names it.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            text = file.read().decode("utf-8-sig", errors="replace")
        reader = csv.DictReader(text.splitlines())
        columns, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise ResultsFileError(f"{path} cannot be read: {error}") from error
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        raise ResultsFileError(f"{path} has no column {', '.join(missing)}")
    early, close = price_columns(columns)
    matches = []
    for number, row in enumerate(rows, start=2):
        if not (row["FTHG"] and row["FTAG"]):
            continue
        try:
            matches.append(_match(row, early, close))
        except ValueError as error:
            raise ResultsFileError(f"{path}, line {number}: {error}") from error
    return matches


def price_columns(columns: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the bookmakers' abbreviations, with how columns of early and closing prices begin.

    >>> names = [f"{book}{outcome}" for book in ("VC", "VCC", "MaxC", "AvgC") for outcome in "HDA"]
    >>> price_columns(names)
    ({'betvictor': 'VC'}, {'betvictor': 'VCC'})
    """
    known = set(columns)
    begins = [
        name[:-1]
        for name in columns
        if name.endswith(OUTCOMES[0]) and all(name[:-1] + outcome in known for outcome in OUTCOMES)
    ]
    early: dict[str, str] = {}
    close: dict[str, str] = {}
    for begin in begins:
        is_close = begin[-1:] == "C" and begin[:-1] in {*begins, *_NO_BOOKMAKERS}
        name = begin[:-1] if is_close else begin
        if name and name not in _NO_BOOKMAKERS:
            (close if is_close else early)[BOOKMAKERS.get(name, name.lower())] = begin
    return early, close


def _match(row: Mapping[str, str], early: Mapping[str, str], close: Mapping[str, str]) -> Match:
    empty = [name for name in _NEEDED if not row[name]]
    if empty:
        raise ValueError(f"no {', '.join(empty)}")
    return Match(
        start=_start(row["Date"], row.get("Time") or "00:00"),
        home=row["HomeTeam"],
        away=row["AwayTeam"],
        home_goals=score_of(row["FTHG"]),
        away_goals=score_of(row["FTAG"]),
        early=dict(_prices(row, early)),
        close=dict(_prices(row, close)),
    )


def _start(date: str, time: str) -> datetime:
    year = "%Y" if len(date) > len("13/08/21") else "%y"
    at = datetime.strptime(f"{date} {time}", f"%d/%m/{year} %H:%M").replace(tzinfo=_ZONE)
    return at.astimezone(UTC)


def _prices(row: Mapping[str, str], begins: Mapping[str, str]) -> Iterator[tuple[str, Prices]]:
    """Yield each bookmaker that quotes all three outcomes."""
    for bookmaker, begin in begins.items():
        prices = tuple(_number(row.get(begin + outcome)) for outcome in OUTCOMES)
        if all(1 < price < inf for price in prices):
            yield bookmaker, prices


def _number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
