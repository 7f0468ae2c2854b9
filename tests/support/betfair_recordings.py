"""Reads Betfair's recordings by the protocol's own rules, and by nothing of ours.

A second, slower and simpler implementation for markets that are followed at full depth: a runner's
prices are a table of sizes, an image empties all tables, a size of 0 strikes a price out, and a
runner has a best price while it is active and its market open.
"""

from __future__ import annotations

import bz2
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FEEDS = Path(__file__).parents[3] / "shared" / "feeds" / "betfair"
MATCH, RACE = "1-166811431", "1-206064380"

#: Messages this close to the first of them are one answer.
CONFLATED_MS = 1_000

Best = dict[tuple[str, str], float]
"""Runner's name and side → price."""


def recording(name: str) -> Path:
    """The file; the test that asks is skipped where there is none."""
    path = FEEDS / f"{name}.bz2"
    if not path.is_file():
        pytest.skip("no recorded feeds beside the checkout (../shared/feeds/betfair)")
    return path


def messages(path: Path) -> Iterator[bytes]:
    """The lines of a recording."""
    with bz2.open(path) as lines:
        for line in lines:
            yield line.strip()


class Reading:
    """One market, as the messages so far leave it."""

    def __init__(self) -> None:
        self.definition: dict[str, Any] = {}
        self.sizes: dict[tuple[int, str], dict[float, float]] = {}

    def take(self, line: bytes) -> int:
        """Read one message; when it was published."""
        message = json.loads(line)
        (market,) = message["mc"]
        self.definition = market.get("marketDefinition", self.definition)
        if market["img"]:
            self.sizes.clear()
        for runner in market["rc"]:
            for side in ("atb", "atl"):
                table = self.sizes.setdefault((runner["id"], side), {})
                table.update(runner.get(side, ()))
        published: int = message["pt"]
        return published

    @property
    def best(self) -> Best:
        """What can be bet on now."""
        if self.definition["status"] != "OPEN":
            return {}
        found: Best = {}
        for runner in self.definition["runners"]:
            for side, field, choose in (("back", "atb", max), ("lay", "atl", min)):
                table = self.sizes.get((runner["id"], field), {})
                prices = [price for price, size in table.items() if size > 0]
                if runner["status"] == "ACTIVE" and prices:
                    found[runner["name"], side] = choose(prices)
        return found


def answers(path: Path, window_ms: int = CONFLATED_MS) -> Iterator[Best]:
    """What can be bet on after each answer of a replay."""
    reading, starts = Reading(), None
    for line in messages(path):
        published = json.loads(line)["pt"]
        if starts is not None and published - starts >= window_ms:
            yield reading.best
            starts = None
        starts = published if starts is None else starts
        reading.take(line)
    yield reading.best
