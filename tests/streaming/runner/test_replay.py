from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betting.config import Config
from betting.models import Market, Provider, Quote
from streaming.core.failures import DataFailure, PermanentFailure
from streaming.models import PollOutcome, PollRun
from streaming.runner.backlog import backlog
from streaming.runner.replay import Pace, Player, Recordings, ReplayError, inspect

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def line(seconds: float, price: float = 1.9, **changes: Any) -> dict[str, Any]:
    """One recorded answer: one book's price for each side of one game."""
    outcomes = [{"name": name, "price": price} for name in ("Gulls", "Otters")]
    market = {"key": "h2h", "last_update": "2026-03-01T12:00:00Z", "outcomes": outcomes}
    event = {
        "id": "e1",
        "sport_key": "soccer_epl",
        "sport_title": "EPL",
        "commence_time": "2026-03-02T12:00:00Z",
        "home_team": "Gulls",
        "away_team": "Otters",
        "bookmakers": [{"key": "ace", "title": "Ace", "markets": [market]}],
    }
    return {
        "received_at": (NOON + timedelta(seconds=seconds)).isoformat(),
        "provider": "the_odds_api",
        "request": {"path": "/v4/sports/soccer_epl/odds", "params": {"markets": "h2h"}},
        "status": 200,
        "body": [event],
        **changes,
    }


def recording(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(f"{json.dumps(answer)}\n" for answer in lines))
    return path


def play(config: Config, recordings: Recordings) -> None:
    player = Player(config)
    for record in recordings.records():
        player.play(record)


def test_recordings_are_played_in_the_order_received(tmp_path: Path) -> None:
    one = recording(tmp_path / "one.jsonl", line(0, 1.1), line(20, 1.3))
    two = recording(tmp_path / "two.jsonl", line(10, 1.2), line(30, 1.4))
    recordings = inspect([two, one])
    assert (recordings.responses, recordings.first_at) == (4, NOON)
    received = [record.received_at for record in recordings.records()]
    assert received == [NOON + timedelta(seconds=seconds) for seconds in (0, 10, 20, 30)]


def test_a_recording_without_answers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="no answers"):
        inspect([recording(tmp_path / "empty.jsonl")])


def test_a_recording_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="cannot be opened"):
        inspect([tmp_path / "absent.jsonl"])


@pytest.mark.parametrize("bad", [{"status": "fine"}, {"provider": "the_odd_api"}])
def test_a_line_that_does_not_fit_is_left_out_by_its_number(
    tmp_path: Path, bad: dict[str, Any]
) -> None:
    path = recording(tmp_path / "bad.jsonl", line(0), line(1, **bad), line(2))
    sound = recording(tmp_path / "sound.jsonl", line(1))
    recordings = inspect([path, sound])
    received = [record.received_at for record in recordings.records()]
    assert received == [NOON + timedelta(seconds=seconds) for seconds in (0, 1, 2)]
    assert (recordings.responses, recordings.lines_left_out) == (3, 1)
    (warning,) = recordings.warnings()
    assert "bad.jsonl:2" in warning


def test_a_recording_of_an_unknown_adapter_is_refused(tmp_path: Path) -> None:
    path = recording(tmp_path / "bad.jsonl", line(0, provider="the_odd_api"))
    with pytest.raises(DataFailure, match="the_odd_api"):
        inspect([path])


@given(
    speed=st.floats(0.01, 1e6),
    gaps=st.lists(st.floats(0, 1e5), min_size=1),
    late=st.floats(0, 100),
)
def test_a_late_answer_delays_none_of_those_after_it(
    speed: float, gaps: list[float], late: float
) -> None:
    pace = Pace(speed, NOON, started_at=1000.0)
    received_at = NOON + timedelta(seconds=sum(gaps))
    on_time = pace.wait_seconds(received_at, now=1000.0)
    assert on_time == pytest.approx((received_at - NOON).total_seconds() / speed)
    assert pace.wait_seconds(received_at, now=1000.0 + late) == pytest.approx(on_time - late)


def test_at_full_speed_nothing_is_waited_for() -> None:
    assert Pace(math.inf, NOON, 5.0).wait_seconds(NOON + timedelta(days=9), now=5.0) == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_playing_ingests_leaves_a_row_an_answer_and_sends_on_what_changed(
    servers: Config, tmp_path: Path
) -> None:
    recordings = inspect([recording(tmp_path / "feed.jsonl", line(0), line(60, 2.5))])
    play(servers, recordings)
    assert set(Quote.objects.values_list("price", flat=True)) == {2.5}
    assert list(PollRun.objects.values_list("outcome", "changes")) == [("ok", 2), ("ok", 2)]
    assert Market.objects.get().version == 2
    left = backlog(servers.coalesce)
    assert left.buffered_markets == 0
    assert left.queued_messages == 2, "a first change, and a major move"


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_pause_that_was_asked_for_at_the_time_leaves_out_no_recorded_answer(
    servers: Config, tmp_path: Path
) -> None:
    refusal = line(1, status=429, headers={"Retry-After": "60"}, body={})
    play(servers, inspect([recording(tmp_path / "feed.jsonl", line(0), refusal, line(2, 2.5))]))
    assert list(PollRun.objects.values_list("outcome", flat=True)) == ["ok", "failed", "ok"]
    assert set(Quote.objects.values_list("price", flat=True)) == {2.5}


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_playing_a_recording_again_changes_nothing(servers: Config, tmp_path: Path) -> None:
    recordings = inspect([recording(tmp_path / "feed.jsonl", line(0), line(60, 2.5))])
    play(servers, recordings)
    before = list(Quote.objects.values()), list(Market.objects.values())
    play(servers, recordings)
    assert (list(Quote.objects.values()), list(Market.objects.values())) == before
    outcomes = PollRun.objects.values_list("outcome", flat=True)
    assert list(outcomes)[:2] == [PollOutcome.OK, PollOutcome.SUPERSEDED]


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_recorded_provider_is_never_polled_and_its_clock_is_the_recordings(
    servers: Config, tmp_path: Path
) -> None:
    play(servers, inspect([recording(tmp_path / "feed.jsonl", line(0))]))
    provider = Provider.objects.get()
    assert (provider.key, provider.clock, provider.enabled) == ("the_odds_api", "recorded", False)


@pytest.mark.django_db
def test_a_recording_is_not_played_into_a_live_provider(servers: Config, tmp_path: Path) -> None:
    Provider.objects.create(key="the_odds_api", adapter="the_odds_api", base_url="https://a.test")
    recordings = inspect([recording(tmp_path / "feed.jsonl", line(0))])
    with pytest.raises(ReplayError, match="the_odds_api is a live provider"):
        play(servers, recordings)
    assert not Quote.objects.exists()
