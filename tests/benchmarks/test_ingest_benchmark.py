"""Throughput of ingest: changes written, and unchanged quotes seen, per second."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
from django.db import connection

from betting.models import ChangeKind, Clock, Provider
from streaming.core.snapshot import Snapshot
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.providers.base import Request, Response
from streaming.providers.registry import adapter
from tests.support.snapshots import AWAY, HOME, START, at, make_provider

EVENTS, BOOKS = 120, 30
MARKETS = ("h2h", "spreads", "totals")
QUOTES = EVENTS * BOOKS * len(MARKETS) * 2

pytestmark = pytest.mark.django_db(transaction=True)

_steps = count()


def response(price_step: int, seconds: int, *, stuck: int = 0) -> Response:
    """An answer of The Odds API: every event, bookmaker and market, two outcomes each.

    All was looked at just now, but for the first few events, which nobody looks at any more.
    """

    def outcomes(market: str, price: float) -> list[dict[str, object]]:
        if market == "h2h":
            return [{"name": HOME, "price": price}, {"name": AWAY, "price": 3.8 - price}]
        names = (HOME, AWAY) if market == "spreads" else ("Over", "Under")
        points = (-3.5, 3.5) if market == "spreads" else (8.5, 8.5)
        return [
            {"name": name, "price": price, "point": point}
            for name, point in zip(names, points, strict=True)
        ]

    stamps = ["2026-03-01T11:58:30Z"] * stuck + [at(seconds).isoformat()] * (EVENTS - stuck)
    body = [
        {
            "id": f"event-{number}",
            "sport_key": "harbour_ball",
            "sport_title": "Harbour Ball",
            "commence_time": (START + timedelta(days=9)).isoformat(),
            "home_team": HOME,
            "away_team": AWAY,
            "bookmakers": [
                {
                    "key": f"book{book}",
                    "title": f"Book {book}",
                    "last_update": stamp,
                    "markets": [
                        {
                            "key": market,
                            "last_update": stamp,
                            "outcomes": outcomes(market, round(1.8 + 0.001 * book + price, 3)),
                        }
                        for market in MARKETS
                    ],
                }
                for book in range(BOOKS)
            ],
        }
        for number, stamp in enumerate(stamps)
        for price in [0.002 * (price_step % 40)]
    ]
    raw = msgspec.json.encode(body)
    return Response(200, {}, raw, at(seconds), 0.0, len(raw))


REQUEST = Request(
    "the_odds_api",
    "http://127.0.0.1:9",
    "/v4/sports/harbour_ball/odds",
    {"markets": ",".join(MARKETS), "oddsFormat": "decimal"},
)


def decoded(price_step: int, seconds: int) -> Snapshot:
    return adapter("the_odds_api").decoder().decode(REQUEST, response(price_step, seconds))


@pytest.fixture
def provider() -> Provider:
    provider = make_provider(clock=Clock.WALL)
    ingest(provider.pk, decoded(0, 0), IngestPolicy())
    return provider


def test_changes_per_second(provider: Provider, benchmark: Any) -> None:
    def setup() -> tuple[tuple[Snapshot], dict[str, object]]:
        step = next(_steps) + 1
        return (decoded(step, step),), {}

    def run(snapshot: Snapshot) -> IngestResult:
        return ingest(provider.pk, snapshot, IngestPolicy())

    result = benchmark.pedantic(run, setup=setup, rounds=9, warmup_rounds=2)
    assert sum(result.counts.values()) == QUOTES
    benchmark.extra_info["changes_per_second"] = QUOTES / benchmark.stats["median"]


def test_new_quotes_per_second(provider: Provider, benchmark: Any) -> None:
    def setup() -> tuple[tuple[Snapshot], dict[str, object]]:
        step = next(_steps) + 1
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE betting_quote, betting_linechange CASCADE")
        return (decoded(step, step),), {}

    def run(snapshot: Snapshot) -> IngestResult:
        return ingest(provider.pk, snapshot, IngestPolicy())

    result = benchmark.pedantic(run, setup=setup, rounds=9, warmup_rounds=2)
    assert result.counts[ChangeKind.OPENED] == QUOTES
    benchmark.extra_info["quotes_per_second"] = QUOTES / benchmark.stats["median"]


@pytest.mark.parametrize("stuck", [0, 12])
def test_unchanged_quotes_per_second_parsing_included(
    provider: Provider, benchmark: Any, stuck: int
) -> None:
    def setup() -> tuple[tuple[Response], dict[str, object]]:
        return (response(0, next(_steps) + 1, stuck=stuck),), {}

    def run(answer: Response) -> IngestResult:
        snapshot = adapter("the_odds_api").decoder().decode(REQUEST, answer)
        return ingest(provider.pk, snapshot, IngestPolicy())

    result = benchmark.pedantic(run, setup=setup, rounds=15, warmup_rounds=2)
    assert result == IngestResult()
    benchmark.extra_info["quotes_per_second"] = QUOTES / benchmark.stats["median"]
