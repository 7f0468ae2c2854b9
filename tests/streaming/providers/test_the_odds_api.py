from __future__ import annotations

import codecs
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from streaming.core.failures import (
    DataFailure,
    PermanentFailure,
    ProviderFailure,
    TransientFailure,
)
from streaming.core.snapshot import Snapshot
from streaming.providers.base import ProviderSettings, Request, Response, Secret
from streaming.providers.the_odds_api.adapter import ERROR_CODES, TheOddsApi

API = TheOddsApi()
LIST = Request("the_odds_api", "https://api.example", "/v4/sports/basketball_cwa/odds")
EVENT = Request("the_odds_api", "https://api.example", "/v4/sports/basketball_cwa/events/e1/odds")
NOW = datetime(2026, 3, 1, 18, tzinfo=UTC)


def response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    packed = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, headers or {}, packed, NOW, 12.0, len(packed))


def event(event_id: str = "e1", **changes: Any) -> dict[str, Any]:
    return {
        "id": event_id,
        "sport_key": "basketball_cwa",
        "sport_title": "CWA",
        "commence_time": "2026-03-01T19:30:00Z",
        "home_team": "Gulls",
        "away_team": "Owls",
        "bookmakers": [],
        **changes,
    }


def decoded(body: Any, request: Request = LIST) -> Snapshot:
    return API.decode(request, response(body))


def failure_of(answer: Response, request: Request = LIST) -> ProviderFailure:
    with pytest.raises(ProviderFailure) as caught:
        API.decode(request, answer)
    return caught.value


def where(body: Any, request: Request = LIST) -> tuple[str, str]:
    failure = failure_of(response(body), request)
    assert isinstance(failure, DataFailure)
    return failure.code, failure.where


SETTINGS = ProviderSettings(
    key="mine",
    adapter="the_odds_api",
    base_url="https://api.example",
    sports=("basketball_cwa", "golf/open"),
    markets=("totals", "h2h"),
    regions=("eu", "uk"),
)


def test_each_sport_is_asked_for_its_list() -> None:
    first, second = API.requests(SETTINGS)
    assert first.path == "/v4/sports/basketball_cwa/odds"
    assert first.params == {
        "regions": "eu,uk",
        "markets": "totals,h2h",
        "oddsFormat": "decimal",
        "dateFormat": "iso",
    }
    assert first.feed == "/v4/sports/basketball_cwa/odds?markets=h2h,totals"
    assert second.path == "/v4/sports/golf%2Fopen/odds"


def test_event_markets_are_asked_event_by_event() -> None:
    settings = ProviderSettings(
        key="mine",
        adapter="the_odds_api",
        base_url="https://api.example",
        sports=("basketball_cwa",),
        event_markets=("player_points",),
        bookmakers=("alder",),
        regions=("eu",),
        odds_format="american",
        open_events={"basketball_cwa": ["e1", "e2"], "another": ["e3"]},
    )
    requests = list(API.requests(settings))
    assert [request.path for request in requests] == [
        "/v4/sports/basketball_cwa/events/e1/odds",
        "/v4/sports/basketball_cwa/events/e2/odds",
    ]
    assert requests[0].params == {
        "bookmakers": "alder",
        "markets": "player_points",
        "oddsFormat": "american",
        "dateFormat": "iso",
    }


def test_the_pseudo_sport_upcoming_is_refused() -> None:
    settings = ProviderSettings("mine", "the_odds_api", "https://api.example", ("upcoming",))
    with pytest.raises(PermanentFailure, match="not a sport"):
        API.requests(settings)


def test_the_key_is_a_query_parameter() -> None:
    assert API.authorise(LIST, Secret("abc")).params == {"apiKey": "abc"}
    assert API.authorise(LIST, None).params == {}


def test_a_list_is_about_a_sport_and_an_event_about_itself() -> None:
    whole = decoded([event("e1"), event("e2")])
    assert (whole.is_list, whole.is_complete, whole.sport_key) == (True, True, "basketball_cwa")
    assert [e.external_id for e in whole.events] == ["e1", "e2"]
    one = decoded(event("e1"), EVENT)
    assert (one.is_list, one.is_complete, one.sport_key) == (False, True, "basketball_cwa")
    assert [e.external_id for e in one.events] == ["e1"]


def test_a_list_without_events_is_an_answer() -> None:
    assert decoded([]).events == []


def test_the_stamp_and_the_names_of_an_event_are_kept() -> None:
    (read,) = decoded([event()]).events
    assert (read.home, read.away, read.sport_title) == ("Gulls", "Owls", "CWA")
    assert read.commence_time == datetime(2026, 3, 1, 19, 30, tzinfo=UTC)


def test_an_outright_has_no_teams() -> None:
    (read,) = decoded([event(home_team=None, away_team=None)]).events
    assert (read.home, read.away) == ("", "")


def book(*names: str, price: Any = 1.9, key: str = "alder") -> dict[str, Any]:
    outcomes = [{"name": name, "price": price} for name in names]
    return {"key": key, "title": key, "markets": [{"key": "h2h", "outcomes": outcomes}]}


def left_out(snapshot: Snapshot) -> list[tuple[str, str, int]]:
    return [(each.reason, each.place, each.count) for each in snapshot.left_out]


def test_of_an_event_listed_twice_both_parts_count_and_the_later_decides() -> None:
    first = event(bookmakers=[book("Gulls", "Owls", price=1.5), book("Gulls", key="birch")])
    again = event(bookmakers=[book("Gulls", price=1.7)])
    snapshot = decoded([first, event("e2"), again])
    prices = {(q.bookmaker, q.name): q.price for q in snapshot.events[0].quotes}
    assert prices == {("alder", "Gulls"): 1.7, ("alder", "Owls"): 1.5, ("birch", "Gulls"): 1.9}
    assert [e.external_id for e in snapshot.events] == ["e1", "e2"]
    assert left_out(snapshot) == [("repeated_event", "$[2].id", 1)]


def test_market_keys_that_differ_in_what_cannot_be_seen_are_one() -> None:
    shown, hidden = book("Gulls", price=1.5), book("Gulls", price=1.7)
    hidden["markets"][0]["key"] += "\u200e"
    shown["markets"] += hidden["markets"]
    (read,) = decoded([event(bookmakers=[shown])]).events
    assert [(q.kind, q.name, q.price) for q in read.quotes] == [("h2h", "Gulls", 1.7)]


def test_of_an_event_listed_twice_with_its_sides_swapped_the_later_part_alone_counts() -> None:
    first = event(bookmakers=[book("Gulls", key="birch")])
    swapped = event(home_team="Owls", away_team="Gulls", bookmakers=[book("Gulls")])
    (read,) = decoded([first, swapped]).events
    assert (read.home, [q.bookmaker for q in read.quotes]) == ("Owls", ["alder"])


def test_an_event_of_another_sport_is_left_out_and_is_not_over() -> None:
    snapshot = decoded([event(), event("e2", sport_key="golf")])
    assert [e.external_id for e in snapshot.events] == ["e1"]
    assert left_out(snapshot) == [("wrong_content", "$[1].sport_key", 1)]
    assert (snapshot.missed_events, snapshot.is_list) == (("e2",), True)


@pytest.mark.parametrize(
    ("spoilt", "place"),
    [
        (None, "$[1]"),
        (7, "$[1]"),
        (event("e2", commence_time=None), "$[1].commence_time"),
        (event("e2", home_team=3), "$[1].home_team"),
        (event("e2", bookmakers={}), "$[1].bookmakers"),
    ],
)
def test_an_event_that_cannot_be_read_costs_itself_alone(spoilt: Any, place: str) -> None:
    snapshot = decoded([event(bookmakers=[book("Gulls", "Owls")]), spoilt, event("e3")])
    assert [e.external_id for e in snapshot.events] == ["e1", "e3"]
    assert left_out(snapshot) == [("wrong_schema", place, 1)]
    has_id = isinstance(spoilt, dict)
    assert snapshot.missed_events == (("e2",) if has_id else ())
    assert snapshot.is_list is has_id, "an event without an id may be any of those not listed"


@pytest.mark.parametrize(
    ("spoilt", "place"),
    [
        (None, ""),
        ({"key": "birch", "title": "Birch"}, ""),
        ({"key": 1, "title": "Birch", "markets": []}, ".key"),
        ({"key": "birch", "title": "Birch", "markets": [4]}, ".markets[0]"),
        ({"key": "birch", "title": "B", "markets": [{"key": "h2h"}]}, ".markets[0]"),
        (book("Gulls", price=None, key="birch"), ".markets[0].outcomes[0].price"),
        (book("Gulls", price=-110, key="birch"), ".markets[0].outcomes[0].price"),
    ],
)
def test_one_bookmaker_that_cannot_be_read_takes_no_other_off_the_board(
    spoilt: Any, place: str
) -> None:
    snapshot = decoded([event(bookmakers=[book("Gulls"), spoilt, book("Owls", key="cedar")])])
    (read,) = snapshot.events
    assert [(q.bookmaker, q.name) for q in read.quotes] == [("alder", "Gulls"), ("cedar", "Owls")]
    (found,) = snapshot.left_out
    assert (found.place, found.count) == (f"$[0].bookmakers[1]{place}", 1)


def test_places_are_those_of_the_answer_whatever_was_left_out_before_them() -> None:
    bad = {"key": "spreads", "outcomes": [None, {"name": "Swans", "price": 2.0, "point": 1.5}]}
    books = [None, {"key": "birch", "title": "B", "markets": [0, bad]}, book("Gulls")]
    snapshot = decoded([None, event(bookmakers=books)])
    assert left_out(snapshot) == [
        ("wrong_schema", "$[0]", 4),
        ("unknown_team", "$[1].bookmakers[1].markets[1].outcomes[1].name", 1),
    ]


def test_the_unreadable_share_weighs_an_event_by_its_prices() -> None:
    sound = event(bookmakers=[book("Gulls", "Owls")])
    lost = event("e2", commence_time=None, bookmakers=[book(*"abcdef")])
    assert decoded([sound, lost]).unreadable_share == 6 / 8
    assert decoded([sound]).unreadable_share == 0


def test_an_answer_of_which_nothing_can_be_read_does_not_fit() -> None:
    assert where([event("e2", sport_key="golf")]) == ("wrong_content", "$[0].sport_key")
    assert where([None, None]) == ("wrong_schema", "$[0]")
    assert where({"message": "hello"}) == ("wrong_schema", "$")


def test_control_and_direction_characters_are_removed_from_all_names() -> None:
    dirty = event(
        home_team="\u001b[2J\u0007Gulls\u0000",
        away_team="\u202eO\u200bwls",
        bookmakers=[{**book("\u001b[2J\u0007Gulls\u0000", "Dr\r\naw"), "title": "Al\u2028der"}],
    )
    snapshot = decoded([dirty])
    (read,) = snapshot.events
    assert (read.home, read.away) == ("[2JGulls", "O\u200bwls"), "zero-width characters stay"
    assert [q.name for q in read.quotes] == ["[2JGulls", "Dr aw"]
    assert snapshot.bookmakers == {"alder": "Al der"}
    assert snapshot.texts_cleaned == 5


@pytest.mark.parametrize("name", ["Draw", "draw", "Tie", "The Draw", "THE  DRAW"])
def test_a_draw_is_one_outcome_however_it_is_written(name: str) -> None:
    (read,) = decoded([event(bookmakers=[book(name)])]).events
    assert [q.name for q in read.quotes] == ["Draw"]


def test_over_and_under_are_two_outcomes_whatever_their_case() -> None:
    outcomes = [{"name": name, "price": 1.9, "point": 2.5} for name in ("OVER", "under")]
    totals = {"key": "alder", "title": "A", "markets": [{"key": "totals", "outcomes": outcomes}]}
    (read,) = decoded([event(bookmakers=[totals])]).events
    assert [q.name for q in read.quotes] == ["Over", "Under"]


def test_a_team_keeps_its_name_even_where_it_is_called_as_a_draw() -> None:
    tie = event(home_team="Tie", bookmakers=[book("Tie", "Owls")])
    (read,) = decoded([tie]).events
    assert [q.name for q in read.quotes] == ["Tie", "Owls"]


def test_another_event_than_the_one_asked_for_does_not_fit() -> None:
    assert where(event("e2"), EVENT) == ("wrong_content", "$.id")


def test_a_list_is_no_event_and_an_event_no_list() -> None:
    assert where([event()], EVENT) == ("wrong_schema", "$")
    assert where(event()) == ("wrong_schema", "$")


@pytest.mark.parametrize("path", ["/v4/sports", "/v4/sports/a/scores", "/v3/odds", "/"])
def test_a_request_that_is_not_for_odds_does_not_fit(path: str) -> None:
    assert where([], Request("the_odds_api", "https://api.example", path)) == ("bad_path", path)


@pytest.mark.parametrize("code", [code for code in ERROR_CODES if code != "EXCEEDED_FREQ_LIMIT"])
def test_a_documented_refusal_is_permanent(code: str) -> None:
    refusal = {"message": "You cannot have this.", "error_code": code, "details_url": "…"}
    failure = failure_of(response(refusal, 401))
    assert isinstance(failure, PermanentFailure)
    assert failure.code == code.lower()
    assert failure.advice
    assert str(failure) == f"HTTP 401 {code}: You cannot have this."


def test_a_used_up_quota_is_not_taken_for_a_bad_key() -> None:
    used = failure_of(response({"error_code": "OUT_OF_USAGE_CREDITS"}, 401))
    bad = failure_of(response({"error_code": "INVALID_KEY"}, 401))
    assert isinstance(used, PermanentFailure)
    assert isinstance(bad, PermanentFailure)
    assert used.advice != bad.advice


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "4"}, 4.0),
        ({"retry-after": "Sun, 01 Mar 2026 18:00:30 GMT"}, 30.0),
        ({}, None),
    ],
)
def test_too_many_requests_say_when_to_come_back(
    headers: dict[str, str], seconds: float | None
) -> None:
    failure = failure_of(response({"error_code": "EXCEEDED_FREQ_LIMIT"}, 429, headers))
    assert isinstance(failure, TransientFailure)
    assert failure.retry_after_seconds == seconds


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"error_code": 7}', b"[]", b"\xff", b"[" * 200_000]
)
def test_a_refusal_that_is_not_the_services_own_goes_by_its_status(body: bytes) -> None:
    assert failure_of(response(body, 503)).code == "server_error"
    assert failure_of(response(body, 401)).code == "key_rejected"


def test_an_event_that_is_over_is_an_answer_without_quotes() -> None:
    gone = response({"error_code": "EVENT_NOT_FOUND"}, 404)
    snapshot = API.decode(EVENT, gone)
    assert (snapshot.events, snapshot.is_complete, snapshot.is_list) == ([], True, False)
    assert isinstance(failure_of(gone, LIST), PermanentFailure)


def test_a_missing_page_is_not_an_event_that_is_over() -> None:
    assert isinstance(failure_of(response(b"<html>", 404), EVENT), PermanentFailure)


def test_the_quota_is_read_from_any_answer() -> None:
    headers = {"x-requests-remaining": "481", "x-requests-used": "19.0", "x-requests-last": "no"}
    quota = API.quota(response([], 401, headers))
    assert (quota.remaining, quota.used, quota.last) == (481, 19, None)


@pytest.mark.parametrize("pad", [b"\0", b"\r\n\t ", b"\n\0\0\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_pads_the_end_of_an_answer_is_none_of_its_content(encoding: str, pad: bytes) -> None:
    pad = pad.decode().encode(encoding).removeprefix(codecs.BOM_UTF16)
    body = json.dumps([event(home_team="Zürich")], ensure_ascii=False).encode(encoding)
    (read,) = API.decode(LIST, response(body + pad)).events
    assert read.home == "Zürich"
    refusal = json.dumps({"error_code": "INVALID_KEY"}).encode(encoding)
    assert failure_of(response(refusal + pad, 401)).code == "invalid_key"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-8"])
def test_a_mark_at_the_start_of_an_answer_is_none_of_its_content(encoding: str) -> None:
    body = json.dumps([event(home_team="Zürich")], ensure_ascii=False).encode(encoding)
    (read,) = API.decode(LIST, response(body)).events
    assert read.home == "Zürich"
    refusal = json.dumps({"error_code": "INVALID_KEY"}).encode(encoding)
    assert failure_of(response(refusal, 401)).code == "invalid_key"
