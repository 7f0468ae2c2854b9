"""A start is a warning that says what is not known yet, and only for so long."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from redis import Redis

from betting.config import get_config
from betting.models import Feed
from streaming.core.histogram import counts_of
from streaming.health import servers, starting, views
from streaming.health.servers import record_tick
from streaming.health.snapshots import take_snapshot
from streaming.models import DeadLetterOccurrence
from tests.support import rows
from tests.support.watch import Watch

# The endpoints ask on a connection of their own, which sees what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

SETTLED = timedelta(seconds=40)
BOUND = get_config().health.starting_seconds
WHAT_A_START_LACKS = "beat, workers, provider_silence, activity"

Started = Callable[[float], None]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Say how long ago the process that looks was started."""

    def say(seconds: float) -> None:
        monkeypatch.setattr(starting, "running_seconds", lambda: seconds)

    return say


def whole(client: Client) -> tuple[int, Any]:
    response = client.get("/health/")
    return response.status_code, response.json()


def checks(client: Client) -> dict[str, Any]:
    client.force_login(User.objects.get_or_create(username="operator", is_staff=True)[0])
    return {name: told for name, (told,) in whole(client)[1]["checks"].items()}


@pytest.mark.usefixtures("redis")
def test_a_start_is_a_warning_that_names_what_is_not_known_yet(
    client: Client, started: Started
) -> None:
    rows.make_provider()
    started(BOUND - 1)

    status, told = whole(client)

    assert (status, told["status"]) == (200, "warn")
    assert told["notes"] == [f"The system is starting. Not known yet: {WHAT_A_START_LACKS}."]
    assert 50 <= told["score"] < 100
    beat = checks(client)["beat"]
    assert (beat["status"], beat["observedValue"]) == ("warn", None)
    assert beat["output"] == (
        "Beat has never ticked. Nothing is polled or swept."
        " The system started 59 s ago; this fails after 1 min."
    )


@pytest.mark.usefixtures("redis")
def test_what_is_not_known_at_the_end_of_a_start_fails(client: Client, started: Started) -> None:
    rows.make_provider()
    started(BOUND)

    status, told = whole(client)

    assert (status, told["status"], told["notes"]) == (503, "fail", [])
    assert told["score"] < 50
    failing = {name for name, check in checks(client).items() if check["status"] == "fail"}
    assert failing == set(WHAT_A_START_LACKS.split(", "))


@pytest.fixture
def left_behind(redis: Redis) -> None:
    """What a run that was stopped eight hours ago has left."""
    long_ago = timezone.now() - timedelta(hours=8)
    provider = rows.make_provider()
    rows.make_feed(provider, observed_at=long_ago)
    rows.make_poll_run(provider, started_at=long_ago)
    rows.make_market(version=2, valued_version=1, dirty_at=long_ago)
    rows.make_health_snapshot(taken_at=long_ago, workers=dict.fromkeys(servers.queue_names(), 1))
    redis.set("hardline:tick", time.time() - 8 * 3600)
    redis.lpush("major", json.dumps({"properties": {"sent_at": time.time() - 8 * 3600}}))


@pytest.mark.usefixtures("left_behind")
def test_what_the_run_before_left_behind_is_excused_while_the_system_starts(
    client: Client, started: Started
) -> None:
    started(5.0)
    assert whole(client)[0] == 200

    started(BOUND + 1)
    told = checks(client)
    failing = {name for name, check in told.items() if check["status"] == "fail"}
    expected = {"beat", "workers", "queue_age", "provider_silence", "activity", "stale_markets"}
    assert failing == expected


@pytest.mark.usefixtures("left_behind")
def test_what_happened_after_the_start_is_not_excused_by_it(
    client: Client, started: Started
) -> None:
    started(50.0)
    Feed.objects.update(observed_at=timezone.now() - timedelta(seconds=45))
    Feed.objects.get().provider.__class__.objects.update(stale_after_seconds=20.0)

    assert checks(client)["provider_silence"]["status"] == "fail"


@pytest.mark.usefixtures("redis")
def test_the_first_snapshot_of_a_start_tells_of_no_failure(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = servers.queue_names()
    monkeypatch.setattr(servers, "consumers", lambda _seconds: dict.fromkeys(queues, 0))
    rows.make_feed(rows.make_provider())
    record_tick()
    started(8.0)

    assert take_snapshot(get_config()).status == "warn"


def test_a_real_process_knows_how_long_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    first = starting.running_seconds()

    assert 0 < first <= starting.running_seconds() < time.monotonic()


# --- No rate and no quantile is judged on fewer samples than it needs. ---


def value(watch: Watch, *, late: int, in_time: int) -> None:
    counts = counts_of([500.0] * late + [50.0] * in_time)
    rows.make_recompute_run(
        trigger="major", finished_at=watch.now, valued=late + in_time, latency_counts=counts
    )


def latency(watch: Watch) -> tuple[str, str]:
    watch.statuses(SETTLED)
    told = watch.look().checks["latency_major"]
    return told["status"], told["output"]


def test_ninety_nine_valuations_do_not_make_a_p99(watch: Watch) -> None:
    value(watch, late=99, in_time=0)
    assert latency(watch) == ("pass", "Not judged: 99 major moves in 1 h, 100 are needed.")

    value(watch, late=1, in_time=0)
    assert latency(watch)[0] == "fail"


def test_five_minutes_with_few_valuations_are_judged_by_their_hour(watch: Watch) -> None:
    value(watch, late=0, in_time=5_000)
    watch.statuses(timedelta(minutes=10))
    value(watch, late=20, in_time=20)

    status, text = latency(watch)

    assert status == "pass"  # half of the five minutes is late, and 0.4 % of the hour
    assert text.startswith("20 of 5,040 major moves took longer than 100 ms to be valued in 1 h")


def test_what_a_start_was_slow_at_is_counted_and_not_judged(watch: Watch, started: Started) -> None:
    started(45.0)
    value(watch, late=200, in_time=0)
    watch.now += timedelta(seconds=5)
    snapshot = take_snapshot(watch.config, watch.now + timedelta(seconds=40))
    watch.now += timedelta(seconds=40)
    assert sum(n for name, n in snapshot.totals.items() if name.startswith("latency:")) == 200

    started(3_600.0)
    assert latency(watch) == ("pass", "Not judged: 0 major moves in 1 h, 100 are needed.")
    value(watch, late=200, in_time=0)
    assert latency(watch)[0] == "fail"


def test_a_rate_of_dead_letters_needs_a_hundred_pieces_of_work(watch: Watch) -> None:
    for _ in range(12):
        DeadLetterOccurrence.objects.create(end=uuid4(), kind="exception", seen_at=watch.now)

    told = watch.look(SETTLED).checks["dead_letter_rate"]

    assert told["status"] == "pass"
    assert told["output"] == "Not judged: 12 pieces of work in 1 h, 100 are needed."


@pytest.mark.parametrize("outcome", ["refused", "repeated"])
def test_a_poll_that_sent_no_request_is_no_piece_of_work(watch: Watch, outcome: str) -> None:
    for _ in range(200):
        rows.make_poll_run(watch.provider, started_at=watch.now, outcome=outcome)
    for _ in range(12):
        DeadLetterOccurrence.objects.create(end=uuid4(), kind="exception", seen_at=watch.now)

    told = watch.look(SETTLED).checks["dead_letter_rate"]

    assert told["output"] == "Not judged: 12 pieces of work in 1 h, 100 are needed."


def test_a_ratio_of_recomputes_needs_as_many_changes_as_are_set(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(watch.config, health=replace(watch.config.health, min_changes=7))
    monkeypatch.setattr(views, "get_config", lambda: few)

    told = take_snapshot(few, watch.now).checks["recompute_ratio"]

    assert told["output"] == "Not judged: 0 line changes in 5 min, 7 are needed."
