"""Every health check fails by its fault, caused for real, and passes again when that is mended.

One stack of processes runs through all the tests of this file. What is graded how, and from where
on, is tested beside the checks, in tests/streaming/health/test_checks.py.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models import Sum
from django.test import Client
from django.utils import timezone
from kombu.exceptions import OperationalError
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.plugin import DjangoDbBlocker

from betting.config import Config
from betting.db.databases import REPLICA
from betting.db.redis import redis_client
from betting.db.sql import execute, fetch_all
from betting.models import Provider
from betting.runtime.embedded import ensure_running
from streaming import tasks
from streaming.coalescing import buffer
from streaming.core.histogram import BOUNDS_MS, counts_of
from streaming.health.checks import CHECKS
from streaming.health.deadline import end_idle_threads
from streaming.health.snapshots import take_snapshot
from streaming.models import Circuit, HealthSnapshot, PollRun
from streaming.simulator.odds_api import Quota
from tests.integration.conftest import wait_until
from tests.integration.stack import (
    LATE_BATCH_MS,
    LATE_MAJOR_MS,
    PASSED,
    TOKEN,
    Stack,
    is_as_bad,
    let_pass,
    newest,
    not_well,
    running_stack,
    stale_for,
)
from tests.integration.test_dead_letters import kill
from tests.support import rows
from tests.support.polling import NBA
from tests.support.receiver import running_receiver
from tests.support.tcp_servers import free_port
from valuation.models import RecomputeRun

PROVIDERS_AND_SUBSCRIBERS = {
    "circuits": "warn",
    "provider_silence": "fail",
    "feeds": "warn",
    "unread_records": "warn",
    "book_silence": "warn",
    "quota": "fail",
    "subscribers": "warn",
    "dead_letter_rate": "warn",
    "dead_letter_growth": "warn",
}
VALUING_WORKERS = {
    "workers": "fail",
    "queue_backlog": "warn",
    "queue_age": "fail",
    "stale_markets": "fail",
    "missing_recomputes": "fail",
}
LATE_VALUES = {"latency_major": "fail", "latency_batch": "fail"}
SMALL_BUFFER, NO_COALESCING = {"buffer_overflow": "warn"}, {"recompute_ratio": "warn"}
SETTINGS = {**SMALL_BUFFER, **NO_COALESCING, "disk": "fail", "replica": "warn"}
BROKER = {"broker": "fail"}
SERVERS = {"redis": "fail", "database": "fail"}
BEAT = {"beat": "fail", "activity": "fail"}
"""What the tests below cause: check → how bad it gets."""

SIX_MINUTES = timedelta(minutes=6)
UNLISTED = frozenset({"pinnacle", "williamhill", "betfair_ex_uk", "unibet_uk", "marathonbet"})
CREDITS = 3
CHANGES = 100
"""Enough line changes to judge rates by."""
LATE_MS = 20_000.0
"""Late by either objective, and within the histogram's last bound."""

# The first test waits for the processes as well.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def transactional_db(
    django_db_setup: None,  # noqa: ARG001 - asks for a fixture
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """The tests' database, emptied after the last of them and not after each."""
    with django_db_blocker.unblock():
        yield
        connection.close()  # its server may be another one by now
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="module")
def stack(
    servers: Config,
    transactional_db: None,  # noqa: ARG001 - the workers must see what is committed
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Processes, rows and a Redis that go on from one test to the next, all well at first."""
    redis_client().flushdb()
    logs = tmp_path_factory.mktemp("stack") / "logs"
    with running_receiver() as receiver, running_stack(servers, receiver, logs) as stack:
        stack.look()
        wait_until(lambda: PollRun.objects.filter(changes__gt=0).exists(), "changes")
        wait_until(RecomputeRun.objects.exists, "a valuation")
        stack.let_be_counted()
        stack.look_until_all_pass()
        yield stack
    redis_client().flushdb()


@contextmanager
def told_from_fault_to_recovery(stack: Stack, faults: Mapping[str, str]) -> Iterator[None]:
    """Verify the history that the block leaves of these checks, each with its worst status.

    They have passed, were not well from a moment on, which cost the whole some of its score, and
    pass again from a later one on.
    """
    stack.look_until_all_pass()
    beginning = HealthSnapshot.objects.latest("id")
    assert (beginning.status, beginning.score) == PASSED
    yield
    snapshots = list(HealthSnapshot.objects.filter(pk__gt=beginning.pk).order_by("pk"))
    end = snapshots[-1]
    assert (end.status, end.score) == PASSED
    for name, status in faults.items():
        fallen = [each for each in snapshots if is_as_bad(each.checks[name]["status"], status)]
        assert fallen, name
        first, last = fallen[0], fallen[-1]
        assert all(each.score < 100 and is_as_bad(each.status, status) for each in fallen)
        assert since(beginning, name) < since(first, name) <= first.taken_at
        assert since(end, name) > last.taken_at


def since(snapshot: HealthSnapshot, check: str) -> datetime:
    """Since when a check has been as a snapshot says; the past may have moved since it was read."""
    told = HealthSnapshot.objects.get(pk=snapshot.pk).checks[check]
    return datetime.fromisoformat(told["since"])


def health(client: Client) -> dict[str, Any]:
    """What `/health/` answers whoever bears the token."""
    answer: dict[str, Any] = client.get(
        "/health/", headers={"Authorization": f"Bearer {TOKEN}"}
    ).json()
    return answer


def statuses(client: Client) -> dict[str, str]:
    """Check → its status, of `/health/`."""
    return {name: told["status"] for name, (told,) in health(client)["checks"].items()}


def told_of_health(stack: Stack, key: str = "status") -> list[Any]:
    """What every `health.changed` that has arrived at the webhook says, in their order."""
    events = (event for post in stack.receiver.taken() for event in post.events)
    return [event[key] for event in events if event["type"] == "health.changed"]


def changes_since(moment: datetime) -> int:
    total = PollRun.objects.filter(started_at__gte=moment).aggregate(total=Sum("changes"))["total"]
    return int(total or 0)


def asked_since(moment: datetime) -> int:
    runs = RecomputeRun.objects.filter(finished_at__gte=moment)
    return int(runs.aggregate(total=Sum("markets"))["total"] or 0)


# --- The objective: what /metrics says is what an export of the same run adds up to. ---

_LOAD = """
CREATE TEMPORARY TABLE exported ON COMMIT DROP AS
SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (
    trigger text, finished_at timestamptz, markets integer, valued integer,
    latency_counts integer[], latency_ms_sum double precision
)
"""

_BEGINNINGS = """
SELECT min(counted_until), max(counted_until),
       COALESCE(max(counted_until) FILTER (WHERE counted_until <= (
           SELECT max(counted_until) - interval '5 minutes' FROM streaming_healthsnapshot
       )), min(counted_until)),
       COALESCE(max(counted_until) FILTER (WHERE counted_until <= (
           SELECT max(counted_until) - interval '1 hour' FROM streaming_healthsnapshot
       )), min(counted_until))
FROM streaming_healthsnapshot
"""

_COUNTS = """
SELECT b.bucket - 1, sum(b.markets)
FROM exported, unnest(latency_counts) WITH ORDINALITY AS b (markets, bucket)
WHERE trigger = ANY (%(triggers)s) AND finished_at >= %(since)s AND finished_at < %(until)s
GROUP BY b.bucket
"""

_SUMS = """
SELECT count(*), sum(markets), sum(valued), sum(latency_ms_sum) / 1000
FROM exported
WHERE trigger = %(trigger)s AND finished_at >= %(since)s AND finished_at < %(until)s
"""

_QUANTILE = """
WITH counted AS (
    SELECT b.bucket, sum(b.markets) AS markets
    FROM exported, unnest(latency_counts) WITH ORDINALITY AS b (markets, bucket)
    WHERE trigger = ANY (%(triggers)s) AND finished_at >= %(since)s AND finished_at < %(until)s
    GROUP BY b.bucket
),
ranked AS (
    SELECT bucket, markets, sum(markets) OVER (ORDER BY bucket) AS upto,
           sum(markets) OVER () AS total
    FROM counted
),
bounds AS (
    SELECT high, bucket, lag(high, 1, 0) OVER (ORDER BY bucket) AS low
    FROM unnest(%(bounds)s::double precision[]) WITH ORDINALITY AS b (high, bucket)
)
SELECT low + (high - low) * (%(part)s * total - (upto - markets)) / markets
FROM ranked JOIN bounds USING (bucket)
WHERE upto >= %(part)s * total AND markets > 0 ORDER BY bucket LIMIT 1
"""


def export_of_the_runs() -> str:
    out = io.StringIO()
    call_command("export", "recompute_runs", "--format", "jsonl", stdout=out)
    return json.dumps([json.loads(line) for line in out.getvalue().splitlines()])


def value_late() -> None:
    """One valuation of each objective is late, however fast the machine."""
    for trigger in ("major", "batch"):
        rows.make_recompute_run(
            trigger=trigger, valued=1, latency_counts=counts_of([LATE_MS]), latency_ms_sum=LATE_MS
        )


def samples(client: Client) -> dict[tuple[str, ...], float]:
    """(name, values of the labels) → value, of `/metrics`."""
    response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def test_the_figures_of_the_objective_are_those_of_an_export_of_the_same_run(
    stack: Stack, client: Client
) -> None:
    # Windows of different contents: some work was done more than five minutes ago.
    value_late()
    stack.let_be_counted()
    let_pass(SIX_MINUTES)
    value_late()
    moment = timezone.now()
    wait_until(lambda: changes_since(moment) >= CHANGES, "more changes")
    with stack.at_rest():
        stack.let_be_counted()
        found = samples(client)
        exported = export_of_the_runs()

    with transaction.atomic():
        execute(_LOAD, {"rows": exported})
        ((first, until, short, long),) = fetch_all(_BEGINNINGS, {})
        assert long < short < until
        for trigger in ("major", "first", "batch", "sweep"):
            assert_counters_are_sums(found, trigger, first, until)
        for objective, triggers, bound_ms in (
            ("major", ["major"], LATE_MAJOR_MS),
            ("batch", ["first", "batch", "sweep"], LATE_BATCH_MS),
        ):
            of_hour = {"triggers": triggers, "since": long, "until": until}
            for window, begun in (("5m", short), ("1h", long)):
                late, total = late_of({**of_hour, "since": begun}, bound_ms)
                assert 0 < late <= total, (objective, window)
                burnt = found["hardline_slo_burn_rate", objective, window]
                assert burnt == pytest.approx(late / total / (1 - stack.config.health.objective)), (
                    objective,
                    window,
                )
            for part in (0.5, 0.95, 0.99):
                within = {**of_hour, "part": part, "bounds": list(BOUNDS_MS)}
                ((value_ms,),) = fetch_all(_QUANTILE, within)
                told = found["hardline_slo_latency_seconds", objective, f"{part:g}"]
                assert told == pytest.approx(float(value_ms) / 1000), (objective, part)


def assert_counters_are_sums(
    found: Mapping[tuple[str, ...], float], trigger: str, since: datetime, until: datetime
) -> None:
    """Counters and histogram of a trigger are what its exported runs add up to."""
    within = {"since": since, "until": until}
    ((runs, markets, valued, seconds),) = fetch_all(_SUMS, {**within, "trigger": trigger})
    for counter, amount in (("recomputes", runs), ("asked", markets), ("valued", valued)):
        assert found.get((f"hardline_{counter}_total", trigger), 0) == (amount or 0)
    histogram = "hardline_change_to_value_seconds"
    assert found[f"{histogram}_sum", trigger] == pytest.approx(float(seconds or 0))
    counts = dict(fetch_all(_COUNTS, {**within, "triggers": [trigger]}))
    upto = {
        float(key[1]): value
        for key, value in found.items()
        if key[0] == f"{histogram}_bucket" and key[2] == trigger
    }
    assert upto == {
        bound / 1000: sum(count for other, count in counts.items() if other <= bucket)
        for bucket, bound in enumerate((*BOUNDS_MS, float("inf")))
    }


def late_of(window: Mapping[str, Any], bound_ms: float) -> tuple[float, float]:
    """How many of the exported valuations of a window were late, and all of them."""
    counts = dict(fetch_all(_COUNTS, window))
    in_time = BOUNDS_MS.index(bound_ms)
    late = sum(count for bucket, count in counts.items() if bucket > in_time)
    return float(late), float(sum(counts.values()))


# --- Faults: each is caused, seen, mended, and gone again. ---


def test_providers_and_a_subscriber_that_fail_are_seen_until_they_are_well(stack: Stack) -> None:
    with told_from_fault_to_recovery(stack, PROVIDERS_AND_SUBSCRIBERS):
        stack.calm.simulator.fail(NBA, "503")
        stack.lively.desk.unlisted = UNLISTED
        stack.lively.desk.has_odd_price = True
        lively = Provider.objects.filter(pk=stack.lively.provider.pk)
        (sports,) = lively.values_list("sports", flat=True)
        lively.update(sports=[*sports, "no_such_sport"])
        stack.metered.desk.quota = Quota(CREDITS)
        stack.receiver.status = 500
        stack.look_until(PROVIDERS_AND_SUBSCRIBERS)

        stack.calm.simulator.faults.clear()
        stack.lively.desk.unlisted = frozenset()
        stack.lively.desk.has_odd_price = False
        lively.update(sports=sports)
        wait_until(lambda: has_opened(stack.metered.provider), "the refusal")
        stack.metered.desk.quota = Quota()
        # Nobody probes a provider whose credits are used up until a person says there are more.
        call_command("circuit", "reset", "metered", "--reason", "a larger plan")
        stack.receiver.status = 204
        stack.look_until_all_pass()
    wait_until(lambda: told_of_health(stack)[-1:] == ["pass"], "the news of the recovery")


def has_opened(provider: Provider) -> bool:
    return Circuit.objects.filter(provider=provider, state="open").exists()


def test_valuing_workers_that_hang_are_seen_until_what_they_left_is_valued(stack: Stack) -> None:
    with told_from_fault_to_recovery(stack, {**VALUING_WORKERS, **LATE_VALUES}):
        with stack.hung("worker-value"):
            with stack.hung("worker-major"):
                # What was valued before was valued more than an hour ago.
                stack.let_be_forgotten()
                wait_until(lambda: stale_for(LATE_BATCH_MS * 1.1), "valuations to be late")
                stack.look_until(VALUING_WORKERS)
                # What changes from here on would be valued in time, and outweigh what is late.
                stack.let_polls_rest()
            # Before the other worker comes back, whose sweep would be the first to value it.
            late = RecomputeRun.objects.filter(trigger="major", latency_ms_max__gt=LATE_MAJOR_MS)
            wait_until(late.exists, "a major move that is valued late")
        wait_until(lambda: not stale_for(0.0), "the other changes to be valued")
        stack.look_until(LATE_VALUES)
        stack.let_polls_go_on()
        stack.look_until_all_pass()
    reasons = {reason for told in told_of_health(stack, "reasons") for reason in told}
    assert any(reason.startswith("workers: No worker takes from ") for reason in reasons)


def test_settings_that_are_wrong_are_seen_until_they_are_right(stack: Stack) -> None:
    with told_from_fault_to_recovery(stack, SETTINGS):
        # Polled by this process, whose settings are wrong, instead of by the worker.
        stack.let_polls_rest()
        dropped = buffer.dropped_hints()
        with coalescing(stack, shards=1, buffer_max_markets=1):
            poll_until(stack.calm.provider, lambda: buffer.dropped_hints() > dropped)
        stack.look_until(SMALL_BUFFER)
        # Not to be outweighed by what was coalesced before.
        stack.let_be_forgotten()
        moment = timezone.now()
        with coalescing(stack, enabled=False):
            poll_until(stack.lively.provider, lambda: changes_since(moment) >= CHANGES)
        wait_until(lambda: asked_since(moment) >= changes_since(moment), "their recomputes")
        stack.look_until(NO_COALESCING)
        # Not everybody may mount a small file system, and this one is not ours to fill: instead of
        # its use rising above the thresholds, they fall below its use.
        policy = replace(stack.config.health, disk_used=(1e-9, 1e-6))
        take_snapshot(replace(stack.config, health=policy))
        with replica_that_is_away():
            take_snapshot(stack.config)

        stack.let_polls_go_on()
        stack.look_until_all_pass()


@contextmanager
def coalescing(stack: Stack, **settings: Any) -> Iterator[None]:
    """What this process sends on is coalesced under other settings."""
    coalesce = replace(stack.config.coalesce, **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "get_config", lambda: replace(stack.config, coalesce=coalesce))
        yield


@contextmanager
def replica_that_is_away() -> Iterator[None]:
    """This process has the address of a replica at which nobody listens."""
    primary = connections.settings[DEFAULT_DB_ALIAS]
    options = {**primary["OPTIONS"], "connect_timeout": 2}
    address = {"HOST": "127.0.0.1", "PORT": free_port(), "OPTIONS": options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(settings.DATABASES, REPLICA, {**primary, **address})
        yield
    end_idle_threads()


def poll_until(provider: Provider, condition: Callable[[], bool]) -> None:
    def has_come() -> bool:
        tasks.poll_provider(provider.pk)
        return condition()

    wait_until(has_come, "what polls bring")


def test_a_broker_without_room_is_seen_until_it_has_some(stack: Stack, client: Client) -> None:
    redis = redis_client()
    before = redis.config_get("maxmemory*")
    assert before["maxmemory-policy"] == "noeviction"
    processes = stack.workers.pids()
    with told_from_fault_to_recovery(stack, BROKER):
        # Less than what it holds already: it refuses every message.
        redis.config_set("maxmemory", int(redis.info("memory")["used_memory"]) // 2)
        try:
            with pytest.raises(OperationalError, match="maxmemory"):
                tasks.check_health.delay()
            # No worker can be sent to look, but whoever looks keeps what there is to see.
            take_snapshot(stack.config)
            told = health(client)
            assert told["checks"]["broker"][0]["status"] == "fail"
            assert told["score"] < PASSED[1]
            wait_until(lambda: statuses(client)["beat"] != "pass", "ticks to be refused")
        finally:
            redis.config_set("maxmemory", str(before["maxmemory"]))
        stack.look_until_all_pass()
    assert stack.workers.pids() == processes, "the workers have outlived it"


def test_a_beat_that_is_stopped_is_seen_until_it_is_back(stack: Stack, client: Client) -> None:
    with told_from_fault_to_recovery(stack, BEAT):
        stack.beat.stop()
        # Nobody is sent to look any more. The endpoints still do, and say so.
        wait_until(lambda: statuses(client)["workers"] == "fail", "nobody to have looked")
        told = health(client)
        assert told["score"] < PASSED[1]
        assert "No snapshot has asked the workers" in told["checks"]["workers"][0]["output"]
        stack.look_until(BEAT)
        assert {name: statuses(client)[name] for name in BEAT} == BEAT

        # One that has a look taken every second, as beat does: the snapshots are its own.
        stack.attentive_beat.start()
        last = newest()
        wait_until(lambda: has_passed_since(last), lambda: f"beat's own look: {not_well()}")
    assert statuses(client)["workers"] == "pass"
    stack.attentive_beat.stop()
    stack.beat.start()


def has_passed_since(snapshot: int) -> bool:
    """Whether the newest snapshot is another one, and finds everything well."""
    found = HealthSnapshot.objects.latest("id")
    return found.pk > snapshot and (found.status, found.score) == PASSED


def test_servers_that_are_killed_are_seen_until_they_are_back(
    stack: Stack, servers: Config, client: Client
) -> None:
    with told_from_fault_to_recovery(stack, {"redis": "fail"}):
        try:
            kill(servers, "Redis")
            assert statuses(client)["redis"] == "fail"
            take_snapshot(stack.config)
            # It takes with it where its failure could be kept: the endpoints alone can tell.
            connection.close()
            kill(servers, "PostgreSQL")
            told = health(client)
            assert {name: told["checks"][name][0]["status"] for name in SERVERS} == SERVERS
            assert told["score"] < PASSED[1]
        finally:
            ensure_running(servers)
        stack.look_until_all_pass()
    assert {name: statuses(client)[name] for name in SERVERS} == dict.fromkeys(SERVERS, "pass")


def test_no_check_is_without_a_fault() -> None:
    caused = [
        *PROVIDERS_AND_SUBSCRIBERS,
        *VALUING_WORKERS,
        *LATE_VALUES,
        *SETTINGS,
        *BROKER,
        *SERVERS,
        *BEAT,
    ]
    assert sorted(caused) == sorted(judge.__name__ for judge in CHECKS)
