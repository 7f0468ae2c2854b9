"""Reads a recorded feed by the rules that recordings are published with, and by nothing of ours.

What a replay must end in, told by a second, slower and simpler implementation:

* a quote is keyed by event id, bookmaker, market key (without ``_lay``), description, outcome
  name, point and side;
* a price of 1.0 or less is off the board; of two equal keys in one answer the last decides;
* an answer to a request path, with its markets, lists all there is of them;
* a name that loses exactly one point and gains exactly one in one answer has moved its point;
* an event that has started and is missing from its sport's list is over, wherever it was quoted.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple


class Key(NamedTuple):
    """What a price is for."""

    event: str
    bookmaker: str
    market: str
    participant: str
    outcome: str
    point: float | None
    side: str


Scope = tuple[str, str]
Quotes = dict[Key, float]


@dataclass
class Reading:
    """A recording, read to its end.

    Attributes:
        responses: answers.
        quotes_seen: prices listed, on the board or off.
        counts: changes by kind; what ends is counted with what is suspended.
        offers: request path and markets → the quotes that its latest answer left active.
    """

    responses: int = 0
    quotes_seen: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    offers: dict[Scope, Quotes] = field(default_factory=dict)
    seen: set[Key] = field(default_factory=set)
    starts: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    @property
    def active(self) -> Quotes:
        """Every quote that can be bet on at the end."""
        return {key: price for quotes in self.offers.values() for key, price in quotes.items()}

    @property
    def changes(self) -> dict[str, int]:
        """The counts, with a zero for what did not happen."""
        kinds = ("opened", "price", "point", "suspended", "resumed")
        return {kind: self.counts[kind] for kind in kinds}

    def take(self, line: dict[str, Any]) -> None:
        """Read one answer."""
        self.responses += 1
        path, markets = line["request"]["path"], line["request"]["params"]["markets"]
        body = line["body"]
        events = body if isinstance(body, list) else [body]
        now = datetime.fromisoformat(line["received_at"])
        if isinstance(body, list):
            self._end_events(path, {event["id"] for event in events}, now)
        for event in events:
            self.starts[event["id"]] = path, datetime.fromisoformat(event["commence_time"])
        is_american = line["request"]["params"]["oddsFormat"] == "american"
        new = self._quotes(events, is_american=is_american)
        self._compare(self.offers.get((path, markets), {}), new)
        self.offers[path, markets] = new

    def _quotes(self, events: list[dict[str, Any]], *, is_american: bool) -> Quotes:
        quotes: Quotes = {}
        for event in events:
            for book in event["bookmakers"]:
                for market in book["markets"]:
                    for outcome in market["outcomes"]:
                        self.quotes_seen += 1
                        key = key_of(event, book, market, outcome)
                        price = outcome["price"]
                        if is_american:
                            price = 1 + price / 100 if price > 0 else 1 + 100 / -price
                        quotes.pop(key, None)
                        if price > 1:
                            quotes[key] = price
        return quotes

    def _compare(self, old: Quotes, new: Quotes) -> None:
        self.counts["price"] += sum(new[key] != old[key] for key in old.keys() & new.keys())
        lost, gained = by_name(old.keys() - new.keys()), by_name(new.keys() - old.keys())
        for name in lost.keys() | gained.keys():
            gone, come = lost.get(name, []), gained.get(name, [])
            if len(gone) == len(come) == 1:
                self.counts["point"] += 1
                continue
            self.counts["suspended"] += len(gone)
            self.counts["resumed"] += sum(key in self.seen for key in come)
            self.counts["opened"] += sum(key not in self.seen for key in come)
        self.seen |= new.keys()

    def _end_events(self, path: str, listed: set[str], now: datetime) -> None:
        sport = path.removesuffix("/odds")
        over = {
            event
            for event, (where, start) in self.starts.items()
            if where.startswith(f"{sport}/") and start <= now and event not in listed
        }
        for scope, quotes in self.offers.items():
            ended = [key for key in quotes if key.event in over]
            self.counts["suspended"] += len(ended)
            self.offers[scope] = {key: quotes[key] for key in quotes if key.event not in over}


def read(path: Path) -> Reading:
    """Read a gzipped recording."""
    reading = Reading()
    with gzip.open(path) as lines:
        for line in lines:
            reading.take(json.loads(line))
    return reading


def key_of(
    event: dict[str, Any], book: dict[str, Any], market: dict[str, Any], outcome: dict[str, Any]
) -> Key:
    """The key of one listed price."""
    name = market["key"]
    return Key(
        event["id"],
        book["key"],
        name.removesuffix("_lay"),
        outcome.get("description", ""),
        outcome["name"],
        outcome.get("point"),
        "lay" if name.endswith("_lay") else "back",
    )


def by_name(keys: set[Key]) -> dict[Key, list[Key]]:
    """Keys that differ in nothing but their point, by what they have in common."""
    alike = defaultdict(list)
    for key in keys:
        alike[key._replace(point=None)].append(key)
    return alike
