"""Scores of The Odds API: the request, and what an answer says of events that are over."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import DataFailure, PermanentFailure
from streaming.core.results import Reported, sports_to_ask
from streaming.providers.base import Response, Scores
from streaming.providers.the_odds_api.adapter import TheOddsApi

API = TheOddsApi()
REQUEST = API.scores_request("https://api.example", "basketball_cwa")
START = datetime(2026, 3, 1, 19, 30, tzinfo=UTC)


def response(body: bytes, status: int = 200) -> Response:
    return Response(status, {}, body, START, 12.0, len(body))


def game(**changes: Any) -> dict[str, Any]:
    return {
        "id": "e1",
        "sport_key": "basketball_cwa",
        "sport_title": "CWA",
        "commence_time": "2026-03-01T19:30:00Z",
        "completed": True,
        "home_team": "Gulls",
        "away_team": "Owls",
        "scores": [{"name": "Owls", "score": "97"}, {"name": "Gulls", "score": "101"}],
        "last_update": "2026-03-01T22:00:00Z",
        **changes,
    }


def read(*games: Any) -> Scores:
    return API.decode_scores(REQUEST, response(json.dumps(games).encode()))


def test_the_request_names_its_days_and_never_the_key() -> None:
    assert REQUEST.url == (
        "https://api.example/v4/sports/basketball_cwa/scores?daysFrom=3&dateFormat=iso"
    )
    assert REQUEST.feed == "/v4/sports/basketball_cwa/scores"
    assert API.is_scores_request(REQUEST)


def test_scores_are_assigned_by_name_whatever_their_order() -> None:
    assert read(game()).results == [
        Reported("the_odds_api", "basketball_cwa", START, "Gulls", "Owls", 101, 97, "e1")
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"completed": False},
        {"scores": None},
        {"scores": [{"name": "Gulls", "score": "1"}]},
        {"scores": [{"name": "Gulls", "score": None}, {"name": "Owls", "score": None}]},
        {"home_team": None, "away_team": None, "scores": None},
    ],
)
def test_what_is_not_over_or_has_no_score_is_no_result(changes: dict[str, Any]) -> None:
    assert read(game(**changes)) == Scores([])


@pytest.mark.parametrize(
    ("changes", "reason", "place"),
    [
        ({"scores": [{"name": "Gulls", "score": "2/3"}, {"name": "Owls", "score": "1"}]},
         "bad_score", "$[1].scores"),
        ({"scores": [{"name": "Gulls", "score": "-1"}, {"name": "Owls", "score": "1"}]},
         "bad_score", "$[1].scores"),
        ({"completed": "yes"}, "wrong_schema", "$[1].$.completed"),
        ({"commence_time": "9999-03-01T19:30:00Z"}, "bad_time", "$[1].commence_time"),
        ({"sport_key": "icehockey_x"}, "wrong_content", "$[1].sport_key"),
        ({"id": "a\0b"}, "bad_text", "$[1].body"),
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_read_is_left_out_and_costs_no_other(
    changes: dict[str, Any], reason: str, place: str
) -> None:
    scores = read(game(), game(**changes))
    assert len(scores.results) == 1
    assert [(each.reason, each.place) for each in scores.left_out] == [(reason, place)]
    assert scores.unreadable_share == 0.5


def test_a_refusal_is_graded_as_one_for_odds_is() -> None:
    body = b'{"message": "no such sport", "error_code": "UNKNOWN_SPORT"}'
    with pytest.raises(PermanentFailure) as caught:
        API.decode_scores(REQUEST, response(body, 404))
    assert caught.value.scope == "feed"


def test_an_answer_to_another_request_is_refused() -> None:
    other = type(REQUEST)("the_odds_api", "https://api.example", "/v4/sports/x/odds")
    with pytest.raises(DataFailure):
        API.decode_scores(other, response(b"[]"))
    assert not API.is_scores_request(other)


@given(st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(game())), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_bytes_raise_anything_but_a_failure(body: bytes) -> None:
    with suppress(DataFailure):
        API.decode_scores(REQUEST, response(body))


@given(st.lists(st.sampled_from(["a_1", "a_2", "b_1", "c"]), unique=True), st.sets(
    st.sampled_from(["a_1", "a_2", "a_3", "b_2", "c", "d_1"])))  # fmt: skip
def test_sports_that_are_asked_for_are_offered_and_miss_no_offered_one(
    offered: list[str], wanted: set[str]
) -> None:
    asked = sports_to_ask(offered, wanted)
    assert set(asked) <= set(offered)
    assert wanted & set(offered) <= set(asked)
    assert len(asked) == len(set(asked))
