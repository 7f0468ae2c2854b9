"""Throughput of recompute: two outcomes, ten bookmakers, loading and writing included."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute

MARKETS, BOOKS, PER_MESSAGE = 2_000, 10, 500

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


@pytest.mark.parametrize("shift", [0, 5], ids=["one_best_book", "low_holds"])
def test_markets_per_second(benchmark: Any, shift: int) -> None:
    """By how far the best price of the away side is from that of the home side.

    At 0 both are at one bookmaker. At 5 every market has a low hold, whose bookmakers change every
    round: the most rows that a recompute of two-way markets can open and close.
    """
    provider = make_provider()
    steps = count()

    def setup() -> tuple[tuple[list[int]], dict[str, object]]:
        step = next(steps)
        events = [
            event(
                [
                    quote(f"b{book}", name, 1.85 + 0.01 * ((7 * book + number + step + away) % 13))
                    for book in range(BOOKS)
                    for name, away in ((HOME, 0), (AWAY, shift))
                ],
                f"e{number}",
            )
            for number in range(MARKETS)
        ]
        result = ingest(provider.pk, snapshot(events, step), IngestPolicy())
        return ([change.market_id for change in result.markets],), {}

    def run(market_ids: list[int]) -> int:
        return sum(
            len(recompute(market_ids[start : start + PER_MESSAGE], "batch", ValuationPolicy).valued)
            for start in range(0, len(market_ids), PER_MESSAGE)
        )

    valued = benchmark.pedantic(run, setup=setup, rounds=9, warmup_rounds=2)
    assert valued == MARKETS
    benchmark.extra_info["markets_per_second"] = MARKETS / benchmark.stats["median"]
