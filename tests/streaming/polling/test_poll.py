"""Polling over real HTTP: what is asked, what each request leaves behind, who is due."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest
from django.db import DataError, connection
from redis import Redis

from betting.db.advisory_locks import POLLS, session_lock
from betting.db.clock import database_now
from betting.models import (
    ChangeKind,
    Clock,
    Event,
    EventStatus,
    Feed,
    LineChange,
    Market,
    Provider,
    Quote,
)
from streaming.models import Circuit, PollOutcome, PollRun
from streaming.polling.circuits import give_command
from streaming.polling.poll import poll
from streaming.simulator.running import RunningSimulator
from tests.integration.conftest import wait_until
from tests.support.polling import EPL, KEY, NBA, config_with, poll_now, polled_provider
from tests.support.rows import make_provider
from tests.support.sessions import in_another_session

RECORDING = Path(__file__).parents[2] / "recordings" / "simulated.jsonl.gz"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def ask_directly(simulator: RunningSimulator, sport: str) -> tuple[int, list[dict[str, Any]]]:
    """The same question by a client of our own: the body's size when gzipped, and its events."""
    params = {
        "regions": "eu,uk",
        "markets": "h2h,totals",
        "oddsFormat": "decimal",
        "apiKey": simulator.api_key,
    }
    url = f"{simulator.base_url}/v4/sports/{sport}/odds?{urlencode(params)}"
    with urlopen(HttpRequest(url, headers={"Accept-Encoding": "gzip"})) as packed:
        wire_bytes = len(packed.read())
    with urlopen(url) as plain:
        return wire_bytes, json.load(plain)


def outcomes_in(events: list[dict[str, Any]]) -> int:
    return sum(
        len(market["outcomes"])
        for event in events
        for book in event["bookmakers"]
        for market in book["markets"]
    )


def test_every_request_of_a_poll_leaves_a_row_with_its_facts(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=[EPL, NBA])
    before = datetime.now(UTC)

    runs = poll_now(provider)

    feeds = [f"/v4/sports/{sport}/odds?markets=h2h,totals" for sport in (EPL, NBA)]
    assert [run.feed for run in runs] == feeds
    assert [simulator.calls.count(sport) for sport in (EPL, NBA)] == [1, 1]
    for run, sport in zip(runs, (EPL, NBA), strict=True):
        wire_bytes, events = ask_directly(simulator, sport)
        assert (run.outcome, run.http_status) == (PollOutcome.OK, 200)
        assert (run.failure_kind, run.failure_code, run.failure_message) == ("", "", "")
        assert run.response_bytes == wire_bytes
        assert run.quotes_seen == outcomes_in(events) > 0
        assert run.changes == LineChange.objects.filter(quote__feed__key=run.feed).count() > 0
        assert before <= run.started_at <= datetime.now(UTC)
        assert 0 < run.duration_ms < (datetime.now(UTC) - before).total_seconds() * 1000
    left = [run.quota_remaining for run in runs if run.quota_remaining is not None]
    assert left[0] - left[1] == 4  # two markets in two regions
    assert set(LineChange.objects.values_list("kind", flat=True)) == {ChangeKind.OPENED}


def test_a_poll_yields_what_each_answer_changed(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=[EPL, NBA])
    results = list(poll(provider.pk, config_with()))
    assert [sum(result.counts.values()) for result in results] == list(
        PollRun.objects.order_by("id").values_list("changes", flat=True)
    )
    # As many as were on offer at that moment: now and then a market is suspended from the start.
    changed = {change.market_id for result in results for change in result.markets}
    assert changed == set(Market.objects.values_list("pk", flat=True)) != set()


def test_an_unchanged_answer_is_ok_and_changes_nothing(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator)
    first = poll_now(provider)[0]
    again = poll_now(provider)[0]
    assert (again.outcome, again.changes) == (PollOutcome.OK, 0)
    assert again.quotes_seen == first.quotes_seen
    assert LineChange.objects.count() == first.changes


def test_the_quota_that_an_answer_states_is_noted_on_the_provider(
    simulator: RunningSimulator,
) -> None:
    provider = polled_provider(simulator)
    run = poll_now(provider)[0]
    provider.refresh_from_db()
    assert provider.quota_remaining == run.quota_remaining
    assert provider.quota_used is not None
    assert provider.quota_used >= 4


def test_the_same_request_within_the_window_is_repeated_and_makes_no_call(
    simulator: RunningSimulator,
) -> None:
    provider = polled_provider(simulator)
    poll_now(provider, config_with(dedupe_ms=60_000))
    run = poll_now(provider, config_with(dedupe_ms=60_000))[0]
    assert run.outcome == PollOutcome.REPEATED
    assert (run.http_status, run.response_bytes, run.quotes_seen, run.changes) == (None, 0, 0, 0)
    assert simulator.calls.count(EPL) == 1


def test_a_window_of_nothing_repeats_every_request(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator)
    runs = [run for _ in range(3) for run in poll_now(provider, config_with(dedupe_ms=0))]
    assert [run.outcome for run in runs] == [PollOutcome.OK] * 3
    assert simulator.calls.count(EPL) == 3


def test_a_request_is_made_again_when_the_window_is_over(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator)
    poll_now(provider, config_with(dedupe_ms=20))
    outcomes: list[str] = []
    while not outcomes or outcomes[-1] == PollOutcome.REPEATED:
        outcomes.append(poll_now(provider, config_with(dedupe_ms=20))[0].outcome)
    assert outcomes[-1] == PollOutcome.OK


def test_two_providers_may_ask_the_same_at_the_same_time(simulator: RunningSimulator) -> None:
    for key in ("one", "two"):
        run = poll_now(polled_provider(simulator, key=key), config_with(dedupe_ms=60_000))[0]
        assert run.outcome == PollOutcome.OK
    assert simulator.calls.count(EPL) == 2


def test_a_disabled_provider_is_not_asked(simulator: RunningSimulator) -> None:
    assert poll_now(polled_provider(simulator, enabled=False)) == []
    assert simulator.calls.count(EPL) == 0


def test_a_provider_that_is_gone_is_not_asked(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator)
    Provider.objects.all().delete()
    assert poll_now(provider) == []
    assert simulator.calls.count(EPL) == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"api_key_env": "HARDLINE_KEY_NO_SUCH"}, "key_missing"),
        ({"api_key_env": "DATABASE_URL"}, "key_variable_refused"),
        ({"adapter": "the_odd_api"}, "unknown_adapter"),
        ({"sports": ["upcoming"]}, "unsupported_sport"),
        ({"adapter": "recording", "base_url": "/nowhere.jsonl"}, "recording_unreadable"),
    ],
)
def test_settings_that_allow_no_request_are_one_failed_row_and_no_call(
    simulator: RunningSimulator, fields: dict[str, Any], code: str
) -> None:
    run = poll_now(polled_provider(simulator, **fields))[0]
    assert PollRun.objects.count() == 1
    assert (run.outcome, run.failure_kind, run.failure_code) == ("failed", "permanent", code)
    assert run.feed == ""
    assert run.http_status is None
    assert simulator.calls.summary()["calls"] == 0


def test_a_key_that_was_missing_is_used_once_the_circuit_is_reset_as_the_advice_says(
    simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = polled_provider(simulator, api_key_env="HARDLINE_KEY_LATE")
    (failed,) = poll_now(provider)
    told = "Set HARDLINE_KEY_LATE for the workers and restart them. Then reset the circuit."
    assert failed.failure_advice == Circuit.objects.get().advice == told

    monkeypatch.setenv("HARDLINE_KEY_LATE", KEY)
    assert [run.outcome for run in poll_now(provider)] == [PollOutcome.REFUSED]
    give_command(provider, "reset", "new key", "ann", database_now())
    assert [run.outcome for run in poll_now(provider)] == [PollOutcome.OK]


def test_a_sport_that_fails_does_not_keep_the_others_from_being_asked(
    simulator: RunningSimulator,
) -> None:
    simulator.fail(EPL, "500")
    runs = poll_now(polled_provider(simulator, sports=[EPL, NBA]))
    assert [run.outcome for run in runs] == [PollOutcome.FAILED, PollOutcome.OK]


def test_event_markets_are_asked_for_the_events_that_earlier_polls_listed(
    simulator: RunningSimulator,
) -> None:
    provider = polled_provider(simulator, event_markets=["alternate_totals"])
    assert len(poll_now(provider)) == 1
    over, *still_open = Event.objects.order_by("commence_time", "id")
    Event.objects.filter(pk=over.pk).update(status=EventStatus.ENDED)
    # The list, which comes first, opens the event again only for the next poll.
    runs = poll_now(provider)

    ids = [event.aliases.get().external_id for event in still_open]
    assert [run.feed for run in runs[1:]] == [
        f"/v4/sports/{EPL}/events/{event_id}/odds?markets=alternate_totals" for event_id in ids
    ]
    assert {run.outcome for run in runs} == {PollOutcome.OK}
    assert simulator.calls.count(EPL) == 1 + 1 + len(still_open)
    assert Quote.objects.filter(market__kind="alternate_totals").exists()


def test_an_answer_older_than_what_is_known_is_superseded(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator)
    poll_now(provider)
    heard_at = datetime.now(UTC) + timedelta(hours=1)
    Feed.objects.update(observed_at=heard_at)
    Quote.objects.update(price=7.77)

    run = poll_now(provider)[0]

    assert (run.outcome, run.changes) == (PollOutcome.SUPERSEDED, 0)
    assert run.quotes_seen > 0
    assert set(Quote.objects.values_list("price", flat=True)) == {7.77}
    assert Feed.objects.get().observed_at == heard_at


def test_a_recording_is_played_like_a_provider_and_changes_nothing_the_second_time() -> None:
    provider = make_provider(adapter="recording", base_url=str(RECORDING), clock=Clock.RECORDED)

    first = poll_now(provider)
    quotes = list(Quote.objects.values())
    changes = LineChange.objects.count()
    again = poll_now(provider)

    assert len(first) == len(again) == 28
    assert {run.outcome for run in first} == {PollOutcome.OK}
    assert sum(run.changes for run in first) == changes > 0
    newest = {run.feed: run.outcome for run in again}
    assert set(newest.values()) == {PollOutcome.OK}
    assert sum(run.outcome == PollOutcome.SUPERSEDED for run in again) == 28 - len(newest)
    assert sum(run.changes for run in again) == 0
    assert list(Quote.objects.values()) == quotes
    assert LineChange.objects.count() == changes


@pytest.mark.django_db(transaction=True)
def test_one_poll_of_a_provider_is_under_way_at_a_time(
    simulator: RunningSimulator, redis: Redis
) -> None:
    provider = polled_provider(simulator, sports=[EPL, NBA])
    under_way = poll(provider.pk, config_with())
    next(under_way)
    redis.flushdb()  # what Redis knows or forgets makes no difference

    assert in_another_session(lambda: poll_now(provider)) == []
    assert len(list(under_way)) == 1
    assert len(in_another_session(lambda: poll_now(provider))) == 2


@pytest.mark.django_db(transaction=True)
def test_a_poll_that_died_holds_up_no_other(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator)
    dead = cast("Generator[object, None, None]", poll(provider.pk, config_with()))
    next(dead)
    Circuit.objects.update(
        state="half_open", probe=1, probe_until=datetime.now(UTC) + timedelta(hours=1)
    )
    connection.close()  # as the kernel does for a process that is killed

    wait_until(lambda: poll_now(provider) != [], "a poll")  # once the kernel has ended the session
    dead.close()
    assert set(PollRun.objects.values_list("outcome", flat=True)) == {PollOutcome.OK}


@pytest.mark.django_db(transaction=True)
def test_a_process_that_stands_still_loses_its_turn() -> None:
    with session_lock(POLLS, 1, idle_seconds=0.05):
        wait_until(lambda: in_another_session(lambda: _is_free(POLLS, 1)), "the end of the session")


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_fails_after_it_took_a_lock_leaves_none() -> None:
    too_long = 10.0**9  # PostgreSQL refuses it once the lock is taken
    with pytest.raises(DataError), session_lock(POLLS, 1, too_long):
        raise AssertionError("the lock was refused")
    wait_until(lambda: in_another_session(lambda: _is_free(POLLS, 1)), "the end of the session")


def _is_free(name: int, number: int) -> bool:
    with session_lock(name, number, idle_seconds=60.0) as is_held:
        return is_held


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_provider_in_a_private_network_is_not_asked_unless_that_is_allowed(
    simulator: RunningSimulator, host: str
) -> None:
    base_url = simulator.base_url.replace("127.0.0.1", host)
    config = config_with()
    closed = replace(config, poll=replace(config.poll, allow_private_networks=False))

    run = poll_now(polled_provider(simulator, base_url=base_url), closed)[0]

    assert (run.outcome, run.failure_code) == ("failed", "forbidden_address")
    assert simulator.calls.count(EPL) == 0


def test_the_simulator_of_a_run_is_asked_though_it_is_on_this_machine(
    simulator: RunningSimulator,
) -> None:
    config = config_with()
    port = int(simulator.base_url.rpartition(":")[2])
    closed = replace(
        config,
        poll=replace(config.poll, allow_private_networks=False),
        web=replace(config.web, simulator_port=port),
    )
    assert poll_now(polled_provider(simulator), closed)[0].outcome == "ok"
