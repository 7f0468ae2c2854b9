from __future__ import annotations

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
from streaming.providers.the_odds_api import ERROR_CODES, TheOddsApi

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


def test_an_event_listed_twice_does_not_fit() -> None:
    assert where([event("e1"), event("e2"), event("e1")]) == ("repeated_event", "$[2].id")


def test_an_event_of_another_sport_does_not_fit() -> None:
    assert where([event(), event("e2", sport_key="golf")]) == ("wrong_content", "$[1].sport_key")


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
