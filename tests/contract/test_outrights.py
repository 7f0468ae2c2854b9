"""Outrights of a real size, from the answer of a provider to their fair prices."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streaming.core.snapshot import Snapshot
from streaming.ingest.ingest import IngestPolicy, ingest
from streaming.providers.base import Request, Response
from streaming.providers.registry import ADAPTERS
from tests.support.snapshots import make_provider
from tests.valuation.test_fields import outright, three_longshots_each
from valuation.models import Edge, FairPrice
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute

CASE = Path(__file__).parents[3] / "shared/cases/faults/07-outrights-are-never-priced/golf.json.gz"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def decoded(body: bytes) -> Snapshot:
    request = Request(
        "the_odds_api",
        "https://api.example",
        "/v4/sports/golf_masters_tournament_winner/odds",
        {"markets": "outrights", "oddsFormat": "decimal"},
    )
    response = Response(200, {}, body, NOW, 12.0, len(body))
    return ADAPTERS["the_odds_api"].decoder().decode(request, response)


def valued(body: bytes) -> Counter[tuple[str, str]]:
    """The state and the reason of each outcome of an answer, ingested and valued."""
    change = ingest(make_provider().pk, decoded(body), IngestPolicy())
    recompute([market.market_id for market in change.markets], "batch", ValuationPolicy)
    return Counter(FairPrice.objects.values_list("state", "reason"))


def generated() -> bytes:
    """An answer of the shape of the provider's, with an event that all list, and one of gaps."""
    events = []
    for number, quotes in enumerate((outright(), outright(three_longshots_each()))):
        books = [
            {
                "key": f"g{book}",
                "title": f"Book {book}",
                "last_update": "2026-11-01T11:59:00Z",
                "markets": [
                    {
                        "key": "outrights",
                        "last_update": "2026-11-01T11:59:00Z",
                        "outcomes": [
                            {"name": f"Golfer {row.outcome:03}", "price": round(row.price, 2)}
                            for row in quotes
                            if row.book == book
                        ],
                    }
                ],
            }
            for book in range(6)
        ]
        events.append(
            {
                "id": f"o{number}",
                "sport_key": "golf_masters_tournament_winner",
                "sport_title": "Masters Tournament Winner",
                "commence_time": "2027-12-01T20:00:00Z",
                "home_team": None,
                "away_team": None,
                "bookmakers": books,
            }
        )
    return json.dumps(events).encode()


def test_outrights_of_150_golfers_are_priced_from_the_answer_to_the_rows() -> None:
    assert valued(generated()) == {("ok", ""): 300}
    assert set(FairPrice.objects.values_list("books", flat=True)) == {5, 6}
    assert not Edge.objects.filter(warnings__overlap=["outlier", "suspicious"]).exists()


@pytest.mark.skipif(not CASE.is_file(), reason=f"no case beside the checkout ({CASE.name})")
def test_the_golf_field_that_was_never_priced_is() -> None:
    assert valued(gzip.decompress(CASE.read_bytes())) == {("ok", ""): 300}
