"""Kalshi's adapters on real answers and a real order-book tape, read a second time by other means.

The second reading takes each side of a contract from its own fields and counts in fractions.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from betting.config import Config
from betting.models import Event, Provider, Quote, QuoteStatus
from streaming.core.failures import DataFailure
from streaming.core.snapshot import Snapshot
from streaming.models import PollOutcome, PollRun
from streaming.providers.kalshi.answer import GAME_TIME
from streaming.providers.kalshi.tickers import SERIES, parse_game
from streaming.providers.recording.adapter import Record, RecordedDecoder, read
from streaming.providers.registry import ADAPTERS
from streaming.runner.replay import Player, inspect
from tests.contract.validity import assert_valid

CAPTURES = Path(__file__).parents[3] / "shared" / "feeds" / "kalshi"
pytestmark = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason="no captures beside the checkout (../shared/feeds/kalshi)"
)

QuoteKey = tuple[str, str, str, float | None, str]
"""External id, kind, name, point, side."""

Offers = dict[QuoteKey, float]

NESTED_AT = datetime(2026, 8, 7, 6, tzinfo=UTC)


def loaded(name: str) -> Any:
    return json.loads(gzip.decompress((CAPTURES / f"{name}.json.gz").read_bytes()))


def games() -> list[dict[str, Any]]:
    """All events of both captures of the REST API, the later capture last."""
    return [*loaded("events_sports_nested"), *loaded("events_nfl_preseason")["events"]]


def answer_lines() -> Iterator[dict[str, Any]]:
    """Both captures as recording lines, one for each series of each."""
    later = loaded("events_nfl_preseason")
    captures = [
        (NESTED_AT, loaded("events_sports_nested")),
        (datetime.fromisoformat(later["captured_at"]), later["events"]),
    ]
    for received_at, events in captures:
        by_series = defaultdict(list)
        for event in events:
            by_series[event["series_ticker"]].append(event)
        for number, (series, listed) in enumerate(by_series.items()):
            yield {
                "received_at": (received_at + timedelta(seconds=number)).isoformat(),
                "provider": "kalshi",
                "request": {"path": "/events", "params": {"series_ticker": series}},
                "status": 200,
                "body": {"events": listed, "cursor": ""},
            }


def frame_lines() -> Iterator[dict[str, Any]]:
    for frame in loaded("ws_orderbook_stream")["frames"]:
        received_at = datetime.fromtimestamp(frame["received_ms"] / 1000, UTC)
        yield {
            "received_at": received_at.isoformat(),
            "provider": "kalshi_stream",
            "request": {"path": "/trade-api/ws/v2"},
            "status": 200,
            "body": frame["frame"],
        }


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "kalshi.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (*answer_lines(), *frame_lines())))
    return path


def odds(price: Fraction) -> float | None:
    return float(1 / price) if 0 < price < 1 else None


def external_id(ticker: str) -> str:
    """The game's id: its ticker without the kind of market in it; a title's is its ticker."""
    return re.sub(r"^(KX[A-Z]+?)(?:GAME|SPREAD|TOTAL)-", r"\1-", ticker)


def second_reading(event: dict[str, Any]) -> Offers:
    offers: dict[QuoteKey, float | None] = {}
    identity = external_id(event["event_ticker"])
    teams = event["title"].partition(":")[0].split(" vs ")
    for market in event["markets"]:
        words = market["yes_sub_title"]
        strike = market.get("floor_strike")
        if strike is None:
            kind = "h2h" if len(teams) == 2 else "outrights"
            bets = [("yes", kind, "Draw" if words == "Tie" else words, None)]
        elif " wins by over " in words:
            team = words.split(" wins by over ")[0]
            (other,) = set(teams) - {team}
            bets = [("yes", "spreads", team, -strike), ("no", "spreads", other, strike)]
        else:
            bets = [("yes", "totals", "Over", strike), ("no", "totals", "Under", strike)]
        for end, kind, name, point in bets:
            ask, bid = (Fraction(market[f"{end}_{what}_dollars"]) for what in ("ask", "bid"))
            offers[identity, kind, name, point, "back"] = odds(ask)
            offers[identity, kind, name, point, "lay"] = odds(bid)
    return {key: price for key, price in offers.items() if price is not None}


def second_reading_of_the_tape() -> Offers:
    """What is on offer after the last frame; all contracts of the tape are on who wins."""
    books: dict[str, dict[str, dict[str, Fraction]]] = {}
    for line in frame_lines():
        kind, message = line["body"]["type"], line["body"]["msg"]
        if kind == "orderbook_snapshot":
            books[message["market_ticker"]] = {
                side: {price: Fraction(size) for price, size in message[f"{side}_dollars_fp"]}
                for side in ("yes", "no")
            }
        elif kind == "orderbook_delta":
            side = books[message["market_ticker"]][message["side"]]
            price = message["price_dollars"]
            side[price] = side.get(price, Fraction(0)) + Fraction(message["delta_fp"])
    offers: Offers = {}
    for ticker, book in books.items():
        best = {
            side: max((Fraction(price) for price, size in levels.items() if size), default=None)
            for side, levels in book.items()
        }
        event, _, name = ticker.rpartition("-")
        if best["no"] is not None:
            offers[external_id(event), "h2h", name, None, "back"] = float(1 / (1 - best["no"]))
        if best["yes"] is not None:
            offers[external_id(event), "h2h", name, None, "lay"] = float(1 / best["yes"])
    return offers


def offered(snapshots: Iterable[Snapshot]) -> dict[QuoteKey, float | None]:
    return {
        (event.external_id, quote.kind, quote.name, quote.point, quote.side): quote.price
        for snapshot in snapshots
        for event in snapshot.events
        for quote in event.quotes
    }


def decoded(records: Iterable[Record]) -> Iterator[tuple[Record, Snapshot]]:
    decoder = RecordedDecoder(ADAPTERS)
    for record in records:
        yield record, decoder.decode(record.request, record.response)


def test_every_answer_and_every_frame_is_understood(recording: Path) -> None:
    events = frames = 0
    for record, snapshot in decoded(read(recording)):
        assert_valid(snapshot, record.request, record.response)
        is_answer = record.provider == "kalshi"
        events += len(snapshot.events) if is_answer else 0
        frames += not is_answer
    assert (events, frames) == (64, 269)


def test_the_quotes_of_each_event_are_those_of_a_second_reading(recording: Path) -> None:
    answers = (record for record in read(recording) if record.provider == "kalshi")
    snapshots = [snapshot for _, snapshot in decoded(answers)]
    expected: Offers = {}
    for event in games():
        expected |= second_reading(event)
    assert offered(snapshots) == expected
    assert len(expected) > 800


def test_yes_and_no_are_one_book_seen_from_both_ends() -> None:
    for event in games():
        for market in event["markets"]:
            for ask, bid in (("yes_ask", "no_bid"), ("no_ask", "yes_bid")):
                prices = (Fraction(market[f"{side}_dollars"]) for side in (ask, bid))
                assert sum(prices) == 1


def test_an_outcome_is_expected_three_hours_after_a_start_that_is_known() -> None:
    known = unknown = 0
    for event in games():
        series = SERIES[event["series_ticker"]]
        if series.kind == "outrights":
            continue
        game = parse_game(event["event_ticker"], series.league)
        for market in event["markets"]:
            start = datetime.fromisoformat(market["occurrence_datetime"]) - GAME_TIME
            if game.start is not None:
                assert start == game.start
            eastern = start - timedelta(hours=4)  # all captured games are in summer
            assert eastern.date() == game.day
        known += game.start is not None
        unknown += game.start is None
    assert (known, unknown) == (9, 53)


def test_names_and_codes_come_in_the_same_order() -> None:
    for event in games():
        series = SERIES[event["series_ticker"]]
        if series.kind not in {"h2h", "spreads"}:
            continue
        game = parse_game(event["event_ticker"], series.league)
        first, second = event["title"].partition(":")[0].split(" vs ")
        for market in event["markets"]:
            code = market["ticker"].rpartition("-")[2].rstrip("0123456789")
            team = market["yes_sub_title"].split(" wins by over ")[0]
            if team != "Tie":
                assert game.pair(code).index(code) == (first, second).index(team)


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_replay_ends_in_the_prices_of_the_second_reading(
    servers: Config, recording: Path
) -> None:
    player = Player(servers)
    for record in inspect([recording]).records():
        player.play(record)

    assert set(PollRun.objects.values_list("outcome", flat=True)) == {PollOutcome.OK}
    expected: Offers = {}
    for event in games():
        expected |= second_reading(event)
    assert active("kalshi") == expected
    assert active("kalshi_stream") == second_reading_of_the_tape()
    assert not Event.objects.filter(status="ended").exists()


def active(key: str) -> Offers:
    provider = Provider.objects.get(key=key)
    fields = (
        "market__event__aliases__external_id", "market__kind", "outcome__name", "outcome__point",
        "side", "price",
    )  # fmt: skip
    rows = Quote.objects.filter(feed__provider=provider, status=QuoteStatus.ACTIVE)
    return {tuple(identity): price for *identity, price in rows.values_list(*fields)}


def test_a_frame_lost_from_the_tape_is_noticed_wherever_it_is(recording: Path) -> None:
    frames = [record for record in read(recording) if record.provider == "kalshi_stream"]
    for lost in range(2, len(frames) - 1, 20):
        outcomes = list(failures([*frames[:lost], *frames[lost + 1 :]]))
        assert outcomes == ["gap"]


def failures(records: Iterable[Record]) -> Iterator[str]:
    decoder = ADAPTERS["kalshi_stream"].decoder()
    for record in records:
        try:
            decoder.decode(record.request, record.response)
        except DataFailure as failure:
            yield failure.code
