"""What an answer of Kalshi means, in numbers worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from streaming.core.failures import DataFailure
from streaming.core.snapshot import SnapshotEvent
from streaming.providers.kalshi.answer import Reading, matchup, parse
from streaming.providers.kalshi.tickers import SERIES
from streaming.providers.sieve import Sieve

GAME = "KXMLBGAME-27MAR011910GULOWL"


def market(name: str, bid: str = "0.4000", ask: str = "0.5000", **changes: Any) -> dict[str, Any]:
    return {
        "status": "active",
        "yes_sub_title": name,
        "yes_bid_dollars": bid,
        "yes_ask_dollars": ask,
        "updated_time": "2027-03-01T17:59:58.123456Z",
        "occurrence_datetime": "2027-03-02T03:10:00Z",
        "strike_type": "structured",
        **changes,
    }


def more_than(strike: float) -> dict[str, Any]:
    return {"strike_type": "greater", "floor_strike": strike}


def read(
    ticker: str, *markets: dict[str, Any], title: str = "Gulls vs Owls"
) -> tuple[Reading, SnapshotEvent]:
    series = ticker.partition("-")[0]
    event = {
        "event_ticker": ticker,
        "series_ticker": series,
        "title": title,
        "markets": list(markets),
    }
    sieve = Sieve()
    reading = Reading(SERIES[series], sieve)
    (parsed,) = parse(json.dumps({"events": [event]}).encode(), sieve).events
    return reading, reading.event(parsed, "$.events[0]")


def fault_of(ticker: str, *markets: dict[str, Any], **changes: Any) -> tuple[str, str]:
    """Why, and where, the one thing that cannot be read is left out."""
    try:
        reading, _ = read(ticker, *markets, **changes)
    except DataFailure as fault:
        return fault.code, fault.within("$.events[0]").where
    (left_out,) = reading.sieve.left_out
    return left_out.reason, left_out.place


def prices(event: SnapshotEvent) -> dict[tuple[str, float | None, str], float | None]:
    return {(quote.name, quote.point, quote.side): quote.price for quote in event.quotes}


def test_a_game_has_a_contract_on_each_team() -> None:
    reading, event = read(GAME, market("Owls"), market("Gulls", "0.5000", "0.6250"))
    assert (event.home, event.away) == ("Owls", "Gulls")
    assert (event.sport_key, event.sport_title) == ("baseball_mlb", "MLB")
    assert prices(event) == {
        ("Owls", None, "back"): 2.0,
        ("Owls", None, "lay"): 2.5,
        ("Gulls", None, "back"): 1.6,
        ("Gulls", None, "lay"): 2.0,
    }
    (quote, *_) = event.quotes
    assert (quote.bookmaker, quote.kind, quote.period, quote.line) == (
        "kalshi",
        "h2h",
        "full",
        None,
    )
    assert quote.source_at == datetime(2027, 3, 1, 17, 59, 58, 123456, tzinfo=UTC)
    assert reading.quotes_seen == 4


def test_a_tie_is_the_draw_and_soccer_is_played_at_the_first_teams() -> None:
    _, event = read("KXMLSGAME-27MAR06GULOWL", market("Gulls"), market("Owls"), market("Tie"))
    assert (event.home, event.away) == ("Gulls", "Owls")
    assert {quote.name for quote in event.quotes} == {"Gulls", "Owls", "Draw"}


def test_a_handicap_gives_both_teams_a_line_that_the_home_side_sees() -> None:
    _, event = read(
        "KXMLBSPREAD-27MAR011910GULOWL",
        market("Gulls wins by over 1.5 runs", **more_than(1.5)),
        title="Gulls vs Owls: Spread",
    )
    assert {(quote.name, quote.point, quote.line) for quote in event.quotes} == {
        ("Gulls", -1.5, 1.5),
        ("Owls", 1.5, 1.5),
    }
    assert prices(event)["Owls", 1.5, "lay"] == 2.0
    assert event.external_id == "KXMLB-27MAR011910GULOWL"


def test_a_total_gives_over_and_under() -> None:
    _, event = read(
        "KXMLBTOTAL-27MAR011910GULOWL",
        market("Over 7.5 runs scored", "0.7500", "0.8000", **more_than(7.5)),
        title="Gulls vs Owls: Total Runs",
    )
    assert prices(event) == {
        ("Over", 7.5, "back"): 1.25,
        ("Over", 7.5, "lay"): 1 / 0.75,
        ("Under", 7.5, "back"): 4.0,
        ("Under", 7.5, "lay"): 5.0,
    }


def test_a_title_is_an_outright_without_teams_that_starts_when_it_is_decided() -> None:
    champion = market("Gulls", "0.0000", "0.0100", occurrence_datetime=None)
    champion["expected_expiration_time"] = "2027-06-30T14:00:00Z"
    reading, event = read("KXNBA-27", champion, title="2027 Champion")
    assert (event.external_id, event.home, event.away) == ("KXNBA-27", "", "")
    assert event.commence_time == datetime(2027, 6, 30, 14, tzinfo=UTC)
    assert [(quote.kind, quote.side, quote.price) for quote in event.quotes] == [
        ("outrights", "back", 100.0)
    ]
    assert reading.quotes_seen == 2


def test_only_active_contracts_are_on_offer() -> None:
    reading, event = read(GAME, market("Owls", status="inactive"), market("Gulls"))
    assert {quote.name for quote in event.quotes} == {"Gulls"}
    assert reading.quotes_seen == 4


def test_the_last_of_two_contracts_on_one_outcome_decides() -> None:
    _, event = read(GAME, market("Owls"), market("Owls", "0.0000", "0.8000"))
    assert prices(event) == {("Owls", None, "back"): 1.25}


def test_the_tickers_time_is_the_start() -> None:
    wrong = market("Owls", occurrence_datetime="2027-05-01T00:00:00Z")
    _, event = read(GAME, wrong)
    assert event.commence_time == datetime(2027, 3, 2, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "times",
    [
        {"occurrence_datetime": "2027-03-02T03:10:00Z"},
        {"occurrence_datetime": None, "expected_expiration_time": "2027-03-02T03:10:00Z"},
        {
            "occurrence_datetime": "2027-03-02T03:10:00Z",
            "expected_expiration_time": "2027-03-02T06:10:00Z",
        },
    ],
)
def test_without_one_a_game_starts_three_hours_before_its_outcome_is_expected(
    times: dict[str, Any],
) -> None:
    _, event = read("KXNBAGAME-27MAR01GULOWL", market("Owls", **times))
    assert event.commence_time == datetime(2027, 3, 2, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("title", "home", "away"),
    [
        ("Gulls vs Owls", "Owls", "Gulls"),
        ("Gulls vs. Owls: Total Points", "Owls", "Gulls"),
        ("Gulls at Owls Winner?", "Owls", "Gulls"),
        ("St. Otters at Sea vs San Owls FC", "San Owls FC", "St. Otters at Sea"),
    ],
)
def test_a_title_names_the_visitor_first(title: str, home: str, away: str) -> None:
    assert matchup(title, is_home_first=False) == (home, away)


@pytest.mark.parametrize("title", ["", "Gulls", "Gulls vs Gulls", " vs Owls", "Gulls vs : Total"])
def test_a_title_without_two_teams_is_refused(title: str) -> None:
    assert fault_of(GAME, market("Owls"), title=title) == ("bad_title", "$.events[0].title")


@pytest.mark.parametrize(
    ("ticker", "contract", "code", "where"),
    [
        (GAME, market("Otters"), "unknown_team", "$.events[0].markets[0].yes_sub_title"),
        (GAME, market("Owls", updated_time="1999-01-01T00:00:00Z"), "bad_time",
         "$.events[0].markets[0].updated_time"),
        ("KXMLBGAME-27MAR32GULOWL", market("Owls"), "bad_ticker", "$.events[0].event_ticker"),
        ("KXNBAGAME-27MAR01GULOWL", market("Owls", occurrence_datetime=None), "no_start",
         "$.events[0].markets"),
        ("KXNBAGAME-27MAR01GULOWL", market("Owls", occurrence_datetime="0001-01-01T00:00:00Z"),
         "bad_time", "$.events[0].markets"),
        ("KXMLBTOTAL-27MAR011910GULOWL", market("Over 7.5", **more_than(8)), "bad_strike",
         "$.events[0].markets[0].strike"),
        ("KXMLBTOTAL-27MAR011910GULOWL", market("Under 7.5", strike_type="less", cap_strike=7.5),
         "bad_strike", "$.events[0].markets[0].strike_type"),
        ("KXMLBSPREAD-27MAR011910GULOWL", market("Otters wins by over 1.5 runs", **more_than(1.5)),
         "unknown_team", "$.events[0].markets[0].yes_sub_title"),
        ("KXNBA-27", market(""), "no_name", "$.events[0].markets[0].yes_sub_title"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_place(
    ticker: str, contract: dict[str, Any], code: str, where: str
) -> None:
    assert fault_of(ticker, contract) == (code, where)


@pytest.mark.parametrize("price", ["", "0.73c", "-0.10", "2.0000", "0.1234567", ".5", "0,5", "٠.٥"])
def test_a_price_that_is_not_dollars_is_refused(price: str) -> None:
    assert fault_of(GAME, market("Owls", ask=price)) == (
        "wrong_schema",
        "$.events[0].markets[0].yes_ask_dollars",
    )


def test_a_price_that_is_null_is_none_and_the_other_side_stays() -> None:
    reading, event = read(GAME, market("Owls", ask=None))  # type: ignore[arg-type]
    assert prices(event) == {("Owls", None, "lay"): 2.5}
    assert reading.sieve.left_out == ()


def test_a_price_under_another_name_is_a_fault_not_an_empty_book() -> None:
    renamed = market("Owls")
    del renamed["yes_ask_dollars"]
    assert fault_of(GAME, renamed)[0] == "wrong_schema"


def test_one_contract_with_a_whole_strike_takes_no_other_off_the_board() -> None:
    ticker = "KXMLBSPREAD-27MAR011910GULOWL"
    half = market("Owls wins by over 1.5 runs", **more_than(1.5))
    whole = market("Owls wins by over 2 runs", **more_than(2))
    reading, event = read(ticker, whole, half)
    assert {quote.point for quote in event.quotes} == {-1.5, 1.5}
    (left_out,) = reading.sieve.left_out
    assert (left_out.reason, left_out.place) == ("bad_strike", "$.events[0].markets[0].strike")
    assert reading.sieve.unreadable_share == 0.5


@pytest.mark.parametrize("odd", [None, [], {"status": "active"}, market(3)])  # type: ignore[arg-type]
def test_one_contract_of_another_shape_takes_no_other_off_the_board(odd: Any) -> None:
    reading, event = read(GAME, odd, market("Gulls"), market("Owls"))
    assert {quote.name for quote in event.quotes} == {"Gulls", "Owls"}
    (left_out,) = reading.sieve.left_out
    assert left_out.place.startswith("$.events[0].markets[0]")
