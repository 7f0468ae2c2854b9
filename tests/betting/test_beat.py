"""Beat's lease, on a real Redis."""

from __future__ import annotations

import pytest
from redis import Redis

from betting import beat
from betting.config import get_config


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record whose schedule ran."""
    ran: list[str] = []

    def tick(*_: object) -> float:
        ran.append(beat._token())
        return 1.5

    monkeypatch.setattr("celery.beat.PersistentScheduler.tick", tick)
    return ran


def tick_as(name: str, monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(beat, "_token", lambda: name)
    return beat.Scheduler.__new__(beat.Scheduler).tick()


def test_of_two_beats_one_works(
    redis: Redis, ticks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tick_as("first", monkeypatch) == 1.5
    assert tick_as("second", monkeypatch) == 1.0
    assert tick_as("first", monkeypatch) == 1.5
    assert ticks == ["first", "first"]
    assert 0 < redis.pttl(beat.KEY) <= beat.LEASE_SECONDS * 1000


def test_the_other_takes_over_when_the_lease_has_ended(
    redis: Redis, ticks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tick_as("first", monkeypatch)
    redis.delete(beat.KEY)
    tick_as("second", monkeypatch)
    tick_as("first", monkeypatch)
    assert ticks == ["first", "second"]


def test_each_tick_makes_the_lease_longer(
    redis: Redis, ticks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tick_as("first", monkeypatch)
    redis.pexpire(beat.KEY, 1000)
    tick_as("first", monkeypatch)
    assert redis.pttl(beat.KEY) > 1000
    assert len(ticks) == 2


@pytest.mark.usefixtures("redis")
def test_a_beat_that_is_started_again_continues_at_once(ticks: list[str]) -> None:
    for _ in range(2):
        assert beat.Scheduler.__new__(beat.Scheduler).tick() == 1.5
    assert len(ticks) == 2


def test_a_beat_that_cannot_ask_for_the_lease_goes_on(
    ticks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Redis(port=1, socket_connect_timeout=0.1)
    monkeypatch.setattr(beat, "redis_client", lambda: away)
    assert tick_as("first", monkeypatch) == 1.5
    assert ticks == ["first"]


@pytest.mark.usefixtures("redis", "ticks")
def test_a_beat_that_waits_shows_life_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    file = get_config().home / "alive" / "beat"
    for name in ("first", "second"):
        file.unlink(missing_ok=True)
        tick_as(name, monkeypatch)
        assert file.is_file()
