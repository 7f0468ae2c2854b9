from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.american import from_american
from streaming.core.failures import DataFailure
from streaming.core.snapshot import SnapshotQuote, market_key
from streaming.providers.sieve import Sieve
from streaming.providers.the_odds_api.answer import Reading, parse, parse_market_key

KINDS = ["h2h", "h2h_3_way", "spreads", "alternate_totals", "team_totals", "player_points", "btts"]
PERIODS = ["full", "h1", "h2", "q4", "p3", "s1", "1st_1_innings", "1st_5_innings"]


def outcome(name: str, price: float, point: float | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "price": price, "point": point, **more}


def body(*markets: dict[str, Any], **changes: Any) -> bytes:
    book = {"key": "alder", "title": "Alder", "markets": list(markets)}
    return json.dumps(
        [
            {
                "id": "e1",
                "sport_key": "basketball_cwa",
                "sport_title": "CWA",
                "commence_time": "2026-03-01T19:30:00Z",
                "home_team": "Gulls",
                "away_team": "Owls",
                "bookmakers": [{**book, **changes.pop("book", {})}],
                **changes,
            }
        ]
    ).encode()


def market(key: str, *outcomes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"key": key, "outcomes": list(outcomes), **more}


def read(answer: bytes, *, is_american: bool = False) -> list[SnapshotQuote]:
    sieve = Sieve()
    ((place, event),) = parse(answer, sieve, is_list=True)
    quotes = Reading(is_american, sieve).event(event, place).quotes
    assert not sieve.left_out
    return list(quotes)


def fault_of(answer: bytes, *, is_american: bool = False) -> tuple[str, str]:
    """Why, and where, the one thing that cannot be read is left out."""
    sieve = Sieve()
    reading = Reading(is_american, sieve)
    for place, event in parse(answer, sieve, is_list=True):
        try:
            reading.event(event, place)
        except DataFailure as fault:
            return fault.code, fault.within(place).where
    (left_out,) = sieve.left_out
    return left_out.reason, left_out.place


@given(st.sampled_from(KINDS), st.sampled_from(PERIODS), st.booleans())
def test_a_market_key_comes_apart_and_together_again(kind: str, period: str, lay: bool) -> None:
    key = market_key(kind, period)
    parsed = parse_market_key(f"{key}_lay" if lay else key)
    assert (parsed.kind, parsed.period, parsed.side) == (kind, period, "lay" if lay else "back")


@given(st.text(min_size=1, max_size=64))
def test_any_text_is_a_market_key_and_no_two_are_the_same(key: str) -> None:
    parsed = parse_market_key(key)
    assert parsed.kind
    suffix = "_lay" if parsed.side == "lay" else ""
    assert market_key(parsed.kind, parsed.period) + suffix == key


@pytest.mark.parametrize("key", ["_lay", "_h1", "h2h", "h1", "q1_", "totals_h3", "p1_lay"])
def test_a_key_is_never_all_suffix(key: str) -> None:
    parsed = parse_market_key(key)
    assert (parsed.kind, parsed.period) == (key.removesuffix("_lay") or key, "full")


@given(st.integers(100, 1_000_000), st.booleans())
def test_american_odds_state_what_a_hundred_wins(odds: int, is_favourite: bool) -> None:
    price = from_american(-odds if is_favourite else odds)
    assert price > 1
    won = 100 / (price - 1) if is_favourite else 100 * (price - 1)
    assert won == pytest.approx(odds)


def test_american_odds_become_decimal() -> None:
    h2h = market("h2h", outcome("Owls", 135), outcome("Gulls", -175), outcome("Draw", 100))
    prices = [quote.price for quote in read(body(h2h), is_american=True)]
    assert prices == [2.35, 1 + 100 / 175, 2.0]


@pytest.mark.parametrize("price", [0, 1.9, -1, 99, -99.5])
def test_decimal_odds_in_an_american_answer_do_not_fit(price: float) -> None:
    answer = body(market("h2h", outcome("Gulls", -110), outcome("Owls", price)))
    place = "$[0].bookmakers[0].markets[0].outcomes[1].price"
    assert fault_of(answer, is_american=True) == ("bad_price", place)


def test_american_odds_in_a_decimal_answer_do_not_fit() -> None:
    answer = body(market("h2h", outcome("Gulls", -110), outcome("Owls", 120)))
    assert fault_of(answer) == ("bad_price", "$[0].bookmakers[0].markets[0].outcomes[0].price")


@pytest.mark.parametrize("price", [1.0, 1, 0.99, 0, -1])
def test_a_price_of_one_or_less_is_off_the_board_but_seen(price: float) -> None:
    answer = body(market("h2h", outcome("Gulls", 1.5), outcome("Owls", price)))
    ((place, event),) = parse(answer, Sieve(), is_list=True)
    reading = Reading(is_american=False)
    assert [quote.name for quote in reading.event(event, place).quotes] == ["Gulls"]
    assert reading.quotes_seen == 2


def test_the_last_of_two_equal_keys_wins() -> None:
    totals = market("totals", outcome("Over", 1.8, 9.5), outcome("Over", 1.9, 9.5))
    again = market("totals", outcome("Over", 2.0, 9.5))
    assert [quote.price for quote in read(body(totals))] == [1.9]
    assert [quote.price for quote in read(body(totals, again))] == [2.0]


def test_the_last_of_two_equal_keys_wins_even_off_the_board() -> None:
    h2h = market("h2h", outcome("Owls", 1.8), outcome("Owls", 1.0))
    assert read(body(h2h)) == []


def test_a_lay_price_is_not_a_back_price() -> None:
    quotes = read(
        body(market("h2h", outcome("Owls", 2.1)), market("h2h_lay", outcome("Owls", 2.2)))
    )
    assert [(quote.kind, quote.side, quote.price) for quote in quotes] == [
        ("h2h", "back", 2.1),
        ("h2h", "lay", 2.2),
    ]


@pytest.mark.parametrize("key", ["spreads", "alternate_spreads", "spreads_h1", "spreads_lay"])
def test_a_handicap_is_one_line_seen_from_home(key: str) -> None:
    quotes = read(body(market(key, outcome("Owls", 1.9, 3.5), outcome("Gulls", 1.9, -3.5))))
    assert [(quote.point, quote.line) for quote in quotes] == [(3.5, -3.5), (-3.5, -3.5)]


def test_a_level_handicap_has_no_sign() -> None:
    quotes = read(body(market("spreads", outcome("Owls", 1.9, 0), outcome("Gulls", 1.9, -0.0))))
    assert [repr((quote.point, quote.line)) for quote in quotes] == ["(0.0, 0.0)"] * 2


def test_over_and_under_share_their_point_as_line() -> None:
    quotes = read(body(market("totals", outcome("Over", 1.9, 161.5), outcome("Under", 1.9, 161.5))))
    assert [quote.line for quote in quotes] == [161.5, 161.5]


def test_a_price_without_a_point_has_no_line() -> None:
    (quote,) = read(body(market("h2h", outcome("Owls", 1.9))))
    assert (quote.point, quote.line) == (None, None)


def test_a_player_is_the_participant() -> None:
    props = market("player_points_q1", outcome("Over", 1.9, 5.5, description="Ada Quill"))
    (quote,) = read(body(props))
    assert (quote.kind, quote.period) == ("player_points", "q1")
    assert (quote.participant, quote.name, quote.line) == ("Ada Quill", "Over", 5.5)


@pytest.mark.parametrize("description", [None, ""])
def test_no_description_is_no_participant(description: str | None) -> None:
    (quote,) = read(body(market("h2h", outcome("Owls", 1.9, description=description))))
    assert quote.participant == ""


def test_the_markets_stamp_comes_before_the_bookmakers() -> None:
    stamped = market("h2h", outcome("Owls", 1.9), last_update="2026-03-01T18:00:01Z")
    plain = market("btts", outcome("Yes", 1.9))
    both, book = read(body(stamped, plain, book={"last_update": "2026-03-01T17:00:00Z"}))
    assert both.source_at == datetime(2026, 3, 1, 18, 0, 1, tzinfo=UTC)
    assert book.source_at == datetime(2026, 3, 1, 17, tzinfo=UTC)
    assert [quote.source_at for quote in read(body(plain))] == [None]


@pytest.mark.parametrize(
    ("bad", "code", "place"),
    [
        (market("spreads", outcome("Draw", 1.9, 1.0)), "unknown_team", ".outcomes[0].name"),
        (market("spreads", outcome("Owls", 1.9)), "no_point", ".outcomes[0].point"),
        (market("team_totals_h1", outcome("Over", 1.9)), "no_point", ".outcomes[0].point"),
        (market("h2h", last_update="1999-01-01T00:00:00Z"), "bad_time", ".last_update"),
    ],
)
def test_what_makes_no_sense_is_named_with_its_place(
    bad: dict[str, Any], code: str, place: str
) -> None:
    fine = market("h2h", outcome("Owls", 1.9))
    assert fault_of(body(fine, bad)) == (code, f"$[0].bookmakers[0].markets[1]{place}")


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"commence_time": "2201-01-01T00:00:00Z"}, "bad_time", "$[0].commence_time"),
        ({"home_team": "Owls"}, "same_teams", "$[0].away_team"),
        ({"home_team": "\x00\x1b"}, "no_name", "$[0].home_team"),
        ({"id": "\u200e"}, "no_name", "$[0].id"),
        ({"book": {"key": "\u200e"}}, "no_name", "$[0].bookmakers[0].key"),
        ({"id": ""}, "wrong_schema", "$[0].id"),
        ({"id": 7}, "wrong_schema", "$[0].id"),
        ({"commence_time": "2026-03-01T19:30:00"}, "wrong_schema", "$[0].commence_time"),
        ({"commence_time": 1772393400}, "wrong_schema", "$[0].commence_time"),
        ({"sport_key": "x" * 65}, "wrong_schema", "$[0].sport_key"),
        ({"bookmakers": None}, "wrong_schema", "$[0].bookmakers"),
    ],
)
def test_an_event_that_does_not_fit_is_named_with_its_place(
    changes: dict[str, Any], code: str, place: str
) -> None:
    assert fault_of(body(**changes)) == (code, place)


def test_a_missed_event_is_known_by_its_id_as_it_is_stored() -> None:
    sieve = Sieve()
    sieve.miss_event("abc\u200f")
    assert (sieve.missed_events, sieve.has_nameless) == (["abc"], False)
    sieve.miss_event("\u202e")
    assert (sieve.missed_events, sieve.has_nameless) == (["abc"], True)


@pytest.mark.parametrize("price", [None, "1.9", True, 1_000_001, 1e300])
def test_a_price_that_is_none_is_named_with_its_place(price: Any) -> None:
    code, place = fault_of(body(market("h2h", outcome("Owls", price))))
    assert (code, place) == ("wrong_schema", "$[0].bookmakers[0].markets[0].outcomes[0].price")


@pytest.mark.parametrize(
    "answer", [b"", b"{", b"[1,", b"<html>", b"\xff", b"[[" * 100_000, b"[] []", b"[1}"]
)
def test_what_is_not_json_of_this_shape_is_refused(answer: bytes) -> None:
    with pytest.raises(DataFailure) as caught:
        list(parse(answer, Sieve(), is_list=True))
    assert caught.value.code in {"undecodable", "wrong_schema"}


def test_fields_that_are_new_are_ignored() -> None:
    h2h = market("h2h", outcome("Owls", 1.9, link="https://x.example", sid="7"), bet_limit=50)
    assert len(read(body(h2h, new={"deep": [1]}))) == 1


PRICES = st.floats(-99, 1_000_000)
POINTS = st.none() | st.floats(-500, 500)


@given(st.lists(st.tuples(st.sampled_from(["Over", "Under", "Yes"]), PRICES, POINTS), max_size=20))
def test_what_is_offered_is_what_was_said_last(said: list[tuple[str, float, float | None]]) -> None:
    answer = body(market("player_shots", *(outcome(*words) for words in said)))
    last = {(name, point): price for name, price, point in said}
    offered = {(quote.name, quote.point): quote.price for quote in read(answer)}
    assert offered == {key: price for key, price in last.items() if price > 1}
