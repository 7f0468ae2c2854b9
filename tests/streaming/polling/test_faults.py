"""Bad input in every form ends in a failed `PollRun` row of the right kind and unchanged quotes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from betting.models import Feed, Quote, QuoteStatus
from streaming.models import PollOutcome, PollRun
from streaming.polling.poll import poll
from streaming.simulator.faults import KINDS, FaultKind, FaultRule
from streaming.simulator.running import RunningSimulator
from tests.support.polling import EPL, NBA, config_with, everything_known, polled_provider
from tests.support.rows import make_provider

CONFIG = config_with(max_body_bytes=1_000_000)
HURRIED = config_with(read_timeout_seconds=0.4, total_timeout_seconds=0.6)
SLACK_SECONDS = 2.0  # for a busy machine; a fault that takes its time takes a minute

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

Expected = tuple[str, str, int | None]
"""Failure kind, failure code, HTTP status."""

FAILURES: dict[FaultKind, Expected] = {
    "500": ("transient", "server_error", 500),
    "502": ("transient", "server_error", 502),
    "503": ("transient", "server_error", 503),
    "429": ("transient", "exceeded_freq_limit", 429),
    "401": ("permanent", "invalid_key", 401),
    "out_of_credits": ("permanent", "out_of_usage_credits", 401),
    "304": ("data", "not_modified", 304),
    "403": ("permanent", "forbidden", 403),
    "404": ("permanent", "unknown_sport", 404),
    "reset": ("transient", "reset", None),
    "hang": ("transient", "timeout", None),
    "slow_drip": ("transient", "timeout", None),
    "truncated": ("transient", "truncated", None),
    "invalid_json": ("data", "undecodable", 200),
    "wrong_schema": ("data", "wrong_schema", 200),
    "huge": ("data", "too_large", None),
    "gzip_bomb": ("data", "too_large", None),
}


def test_the_table_names_every_fault_there_is() -> None:
    # An empty list is an answer like any other: `test_feed_circuits` asks for one.
    assert {*FAILURES, "empty"} == set(KINDS)


@pytest.mark.parametrize(("kind", "expected"), FAILURES.items(), ids=list(FAILURES))
def test_a_fault_is_a_failed_row_of_its_kind_in_time_and_prices_nothing_new(
    simulator: RunningSimulator, kind: FaultKind, expected: Expected
) -> None:
    provider = polled_provider(simulator)
    list(poll(provider.pk, CONFIG))
    assert Quote.objects.count() > 100
    before = everything_known()
    simulator.faults.put(FaultRule(EPL, kind, megabytes=2))
    config = HURRIED if kind in {"hang", "slow_drip"} else CONFIG

    started = time.monotonic()
    (result,) = poll(provider.pk, config)
    elapsed = time.monotonic() - started

    run = PollRun.objects.latest("id")
    assert PollRun.objects.count() == 2
    assert simulator.calls.count(EPL) == 2  # the client asks no second time by itself
    assert run.outcome == PollOutcome.FAILED
    assert (run.failure_kind, run.failure_code, run.http_status) == expected
    assert run.failure_message
    assert elapsed < config.fetch.total_timeout_seconds + SLACK_SECONDS
    assert 0 < run.duration_ms <= elapsed * 1000
    assert (run.quotes_seen, run.changes) == (0, 0)
    if run.failure_kind == "permanent":
        assert result.quarantined
        assert run.failure_advice
        assert set(Quote.objects.values_list("status", flat=True)) == {QuoteStatus.QUARANTINED}
    else:
        assert result.markets == ()
        assert everything_known() == before


def test_a_used_up_quota_is_noted_although_the_poll_fails(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator)
    simulator.fail(EPL, "out_of_credits")
    list(poll(provider.pk, CONFIG))
    provider.refresh_from_db()
    assert (provider.quota_remaining, PollRun.objects.get().quota_remaining) == (0, 0)


def test_a_provider_that_hangs_is_waited_for_once_for_each_of_its_requests(
    simulator: RunningSimulator,
) -> None:
    provider = polled_provider(simulator, sports=[EPL, NBA])
    for sport in (EPL, NBA):
        simulator.fail(sport, "slow_drip")
    started = time.monotonic()
    list(poll(provider.pk, HURRIED))
    elapsed = time.monotonic() - started
    assert elapsed < 2 * HURRIED.fetch.total_timeout_seconds + SLACK_SECONDS
    codes = PollRun.objects.values_list("failure_code", flat=True)
    assert list(codes) == ["timeout", "timeout"]


def test_the_next_good_answer_after_a_fault_is_ingested(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator)
    simulator.fail(EPL, "truncated")
    list(poll(provider.pk, CONFIG))
    simulator.faults.clear()
    list(poll(provider.pk, CONFIG))
    assert PollRun.objects.latest("id").outcome == PollOutcome.OK
    assert Quote.objects.count() > 100


# --- Requests as no provider makes them, from a recording ---

LINE = {
    "received_at": "2026-03-01T12:00:00Z",
    "provider": "the_odds_api",
    "request": {"path": f"/v4/sports/{EPL}/odds", "params": {"markets": "h2h"}},
    "status": 200,
    "body": [],
}


def recorded(path: str, **params: str) -> dict[str, Any]:
    return {"request": {"path": path, "params": params}}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"status": 2**31}, "bad_recording"),
        ({"received_at": "0001-01-01T00:00:00+10:00"}, "bad_recording"),
        (recorded("/v4/sports/\x00/odds"), "bad_recording"),
        (recorded(f"/v4/sports/{EPL}/odds", markets="h2h\x00"), "bad_recording"),
        (recorded("/v4/sports/%00/odds"), "unstorable"),
        (recorded(f"/v4/sports/{'x' * 5000}/odds"), "unstorable"),
        (recorded(f"/v4/sports/{EPL}/odds", markets="h2h," * 1000 + "x" * 5000), "unstorable"),
        (recorded("/v4/scores"), "bad_path"),
        ({"provider": "nobody"}, "bad_recording"),
    ],
)
def test_a_recorded_line_that_fits_nowhere_is_a_data_failure(
    tmp_path: Path, fields: dict[str, Any], code: str
) -> None:
    recording = tmp_path / "odd.jsonl"
    recording.write_text(json.dumps(LINE | fields))
    provider = make_provider(adapter="recording", base_url=str(recording))
    list(poll(provider.pk, CONFIG))
    run = PollRun.objects.get()
    assert (run.outcome, run.failure_kind, run.failure_code) == (PollOutcome.FAILED, "data", code)
    assert not Feed.objects.exists()
