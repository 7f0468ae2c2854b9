from __future__ import annotations

import pytest

from streaming.simulator.catalogue import BOOKMAKERS, FEATURED_MARKETS
from streaming.simulator.query import ApiError, check_key, parse_event_ids, parse_odds_query

US = {"regions": "us"}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "MISSING_REGION"),
        ({"regions": "us,moon"}, "INVALID_REGION"),
        ({"bookmakers": "pinnacle,nobody"}, "INVALID_BOOKMAKERS"),
        ({**US, "markets": "h2h,player_points"}, "INVALID_MARKET"),
        ({**US, "oddsFormat": "fractional"}, "INVALID_ODDS_FORMAT"),
        ({**US, "dateFormat": "unix"}, "INVALID_DATE_FORMAT"),
        ({**US, "eventIds": "abc"}, "INVALID_EVENT_IDS"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_documented_code(
    params: dict[str, str], code: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        parse_odds_query(params, FEATURED_MARKETS)
    assert (refusal.value.status, refusal.value.code) == (422, code)


def test_defaults_are_the_moneyline_in_decimal_odds() -> None:
    query = parse_odds_query(US, FEATURED_MARKETS)
    assert (query.markets, query.odds_format, query.regions) == (("h2h",), "decimal", 1)


def test_regions_choose_their_bookmakers() -> None:
    query = parse_odds_query({"regions": "uk,us2"}, FEATURED_MARKETS)
    assert query.books == {book.key for book in BOOKMAKERS if book.region in ("uk", "us2")}
    assert query.regions == 2


@pytest.mark.parametrize(("named", "regions"), [(1, 1), (10, 1), (11, 2)])
def test_every_ten_named_bookmakers_cost_a_region(named: int, regions: int) -> None:
    bookmakers = ",".join(book.key for book in BOOKMAKERS[:named])
    query = parse_odds_query({"bookmakers": bookmakers, "regions": "us,uk,eu"}, FEATURED_MARKETS)
    assert (len(query.books), query.regions) == (named, regions)


def test_a_market_named_twice_counts_once() -> None:
    query = parse_odds_query({**US, "markets": "h2h,totals,h2h"}, FEATURED_MARKETS)
    assert query.markets == ("h2h", "totals")


def test_event_ids_narrow_the_list() -> None:
    assert parse_event_ids({"eventIds": f"{'a' * 32},{'b' * 32}"}) == {"a" * 32, "b" * 32}


@pytest.mark.parametrize(
    ("params", "code"), [({}, "MISSING_KEY"), ({"apiKey": "other"}, "INVALID_KEY")]
)
def test_a_request_without_the_right_key_is_refused(params: dict[str, str], code: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_key(params, "right")
    assert (refusal.value.status, refusal.value.code) == (401, code)


def test_a_refusal_has_the_documented_body() -> None:
    with pytest.raises(ApiError) as refusal:
        check_key({}, "right")
    answer = refusal.value.answer({"x-requests-last": "0"})
    assert answer.status == 401
    assert b'"error_code":"MISSING_KEY"' in answer.body
    assert b"api-error-codes.html#missing-key" in answer.body
    assert answer.headers == {"x-requests-last": "0"}
