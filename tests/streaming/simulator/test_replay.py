from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streaming.providers.recording import adapter as recording
from streaming.simulator.query import Answer
from streaming.simulator.replay import Replay
from streaming.simulator.running import running_simulator
from tests.streaming.simulator.conftest import Client

START = datetime(2026, 5, 1, tzinfo=UTC)
MLB, EPL = "/v4/sports/baseball_mlb/odds", "/v4/sports/soccer_epl/odds"


def line(seconds: int, path: str, event_id: str, odds_format: str = "decimal") -> bytes:
    received_at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return msgspec.json.encode(
        {
            "received_at": received_at.isoformat(),
            "provider": "the_odds_api",
            "request": {"method": "GET", "path": path, "params": {"oddsFormat": odds_format}},
            "status": 200,
            "headers": {"x-requests-last": str(seconds), "content-type": "text/odd"},
            "body": [{"id": event_id, "home_team": "Home", "bookmakers": []}],
        }
    )


@pytest.fixture
def records(tmp_path: Path) -> list[recording.Record]:
    feed = tmp_path / "feed.jsonl"
    lines = [line(0, MLB, "a"), line(60, MLB, "b"), line(90, EPL, "c"), line(120, MLB, "d")]
    feed.write_bytes(b"\n".join(lines))
    return list(recording.read(feed))


def replay_of(records: list[recording.Record], speed: float = 1.0) -> Replay:
    return Replay(records, "key", speed, START)


def ask(replay: Replay, path: str, seconds: float, **params: str) -> Answer:
    return replay.answer(path, {"apiKey": "key", **params}, START + timedelta(seconds=seconds))


def event_id(answer: Answer) -> Any:
    return msgspec.json.decode(answer.body)[0]["id"]


@pytest.mark.parametrize(
    ("speed", "seconds", "expected"),
    [
        (1, 0, "a"),
        (1, 59, "a"),
        (1, 60, "b"),
        (1, 119, "b"),
        (1, 999, "d"),
        (10, 6, "b"),
        (60, 2, "d"),
    ],
)
def test_the_newest_answer_whose_time_has_come_is_served(
    records: list[recording.Record], speed: float, seconds: float, expected: str
) -> None:
    assert event_id(ask(replay_of(records, speed), MLB, seconds)) == expected


def test_the_first_answer_of_a_path_is_served_before_its_time(
    records: list[recording.Record],
) -> None:
    assert event_id(ask(replay_of(records), EPL, 0)) == "c"


def test_the_body_and_the_quota_are_those_recorded(records: list[recording.Record]) -> None:
    answer = ask(replay_of(records), MLB, 60)
    assert answer.body == records[1].response.body
    assert answer.headers == {"x-requests-last": "60"}


def test_another_odds_format_is_refused_rather_than_misread(
    records: list[recording.Record],
) -> None:
    answer = ask(replay_of(records), MLB, 0, oddsFormat="american")
    assert answer.status == 422
    assert msgspec.json.decode(answer.body)["error_code"] == "INVALID_ODDS_FORMAT"


def test_sports_and_events_are_those_of_the_recording(records: list[recording.Record]) -> None:
    replay = replay_of(records)
    sports = msgspec.json.decode(ask(replay, "/v4/sports", 0).body)
    assert [sport["key"] for sport in sports] == ["baseball_mlb", "soccer_epl"]
    events = msgspec.json.decode(ask(replay, "/v4/sports/baseball_mlb/events", 60).body)
    assert events == [{"id": "b", "home_team": "Home"}]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v4/sports/curling/odds", "UNKNOWN_SPORT"),
        ("/v4/sports/curling/events", "UNKNOWN_SPORT"),
        ("/elsewhere", "NOT_FOUND"),
    ],
)
def test_what_was_not_recorded_is_not_found(
    records: list[recording.Record], path: str, code: str
) -> None:
    answer = ask(replay_of(records), path, 0)
    assert answer.status == 404
    assert msgspec.json.decode(answer.body)["error_code"] == code


def test_a_replay_asks_for_the_key_too(records: list[recording.Record]) -> None:
    assert replay_of(records).answer(MLB, {"apiKey": "other"}, START).status == 401


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        replay_of([])


def test_a_recording_is_served_over_http(records: list[recording.Record]) -> None:
    source = Replay(records, "simulator", 1.0, datetime.now(UTC))
    with running_simulator(source) as simulator:
        reply = Client(simulator.base_url, simulator.api_key).get(MLB)
    assert reply.json()[0]["id"] == "a"
