"""The contract of the adapters, on real answers of real services."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streaming.core.failures import PermanentFailure
from streaming.core.snapshot import Snapshot, market_key
from streaming.providers.base import Request, Response
from streaming.providers.recording.adapter import Record, read
from streaming.providers.registry import ADAPTERS
from streaming.providers.the_odds_api import adapter as the_odds_api
from tests.contract.validity import assert_valid

FEEDS = Path(__file__).parents[3] / "shared" / "feeds"
pytestmark = pytest.mark.skipif(
    not FEEDS.is_dir(), reason="no recorded feeds beside the checkout (../shared/feeds)"
)

QuoteKey = tuple[str, str, str, str, str, float | None, str]


def quotes_of(snapshot: Snapshot) -> dict[QuoteKey, float]:
    return {
        (
            event.external_id,
            quote.bookmaker,
            market_key(quote.kind, quote.period),
            quote.participant,
            quote.name,
            quote.point,
            quote.side,
        ): quote.price
        for event in snapshot.events
        for quote in event.quotes
        if quote.price is not None
    }


def independent_reading(record: Record) -> dict[QuoteKey, float]:
    """The offers of an answer, without any of the code under test."""
    body = json.loads(record.response.body)
    american = record.request.params["oddsFormat"] == "american"
    offers: dict[QuoteKey, float] = {}
    for event in body if isinstance(body, list) else [body]:
        for book in event["bookmakers"]:
            for market in book["markets"]:
                name, lay, _ = market["key"].partition("_lay")
                for outcome in market["outcomes"]:
                    price = outcome["price"]
                    if american:
                        price = 1 + (price / 100 if price > 0 else 100 / -price)
                    offers[
                        event["id"],
                        book["key"],
                        name,
                        outcome.get("description", ""),
                        outcome["name"],
                        outcome.get("point"),
                        "lay" if lay else "back",
                    ] = price
    return {key: price for key, price in offers.items() if price > 1}


def test_every_recorded_answer_is_understood() -> None:
    seen = 0
    for path in sorted(FEEDS.glob("*.jsonl.gz")):
        for record in read(path):
            snapshot = ADAPTERS["recording"].decoder().decode(record.request, record.response)
            assert_valid(snapshot, record.request, record.response)
            seen += snapshot.quotes_seen
    assert seen == 99_896


def test_the_quotes_are_those_of_an_independent_reading() -> None:
    for path in sorted(FEEDS.glob("*.jsonl.gz")):
        for record in read(path):
            snapshot = ADAPTERS["recording"].decoder().decode(record.request, record.response)
            assert quotes_of(snapshot) == independent_reading(record)


def test_an_answer_that_repeats_another_is_read_as_if_it_were_the_first() -> None:
    for path in sorted(FEEDS.glob("*.jsonl.gz")):
        for record in read(path):
            repeated = [
                ADAPTERS["recording"].decoder().decode(record.request, record.response)
                for _ in range(2)
            ]
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(the_odds_api, "read_usual", lambda *_, **__: None)
                first = ADAPTERS["recording"].decoder().decode(record.request, record.response)
            assert repeated == [first, first]


def test_every_recorded_refusal_is_permanent_and_says_what_to_do() -> None:
    bodies = sorted((FEEDS / "errors").glob("*.json"))
    assert bodies
    for path in bodies:
        status, code = path.stem.removesuffix("_partial").split("_", 1)
        response = Response(int(status), {}, path.read_bytes(), datetime.now(UTC), 1.0, 1)
        request = Request("the_odds_api", "https://x.example", "/v4/sports/any/odds")
        with pytest.raises(PermanentFailure) as caught:
            ADAPTERS["the_odds_api"].decoder().decode(request, response)
        assert caught.value.code == code.lower()
        assert caught.value.advice
