"""Each check fails by its fault alone, and recovers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from redis import Redis

from betting.config import CHECKOUT
from betting.db.redis import redis_client
from betting.models import Market, Provider
from streaming.coalescing import buffer
from streaming.core.coalesce import CoalescePolicy
from streaming.core.health import title
from streaming.core.histogram import counts_of
from streaming.health import servers
from streaming.health.checks import CHECKS
from streaming.models import DeadLetterOccurrence, SubscriberRecord
from streaming.tasks import coalesce_line_changes
from tests.support import rows
from tests.support.watch import Watch

pytestmark = pytest.mark.django_db

SETTLED = timedelta(seconds=40)
SIX_MINUTES = timedelta(minutes=6)
HOUR = timedelta(hours=1, seconds=40)

Fault = Callable[[Watch], None]


def test_a_stream_in_which_all_is_well_passes_every_check(watch: Watch) -> None:
    statuses = watch.statuses(SETTLED)

    assert {name: status for name, status in statuses.items() if status != "pass"} == {}
    assert watch.look().score == 100


@pytest.mark.usefixtures("redis")
def test_of_a_system_that_was_never_started_nothing_is_well() -> None:
    watch = Watch(rows.NOON, rows.make_provider())

    snapshot = watch.look()

    assert snapshot.status == "fail"  # no worker answers
    failing = {name for name, told in snapshot.checks.items() if told["status"] == "fail"}
    assert failing == {"beat", "workers", "activity", "provider_silence"}
    assert snapshot.score < 50


# --- Faults: each is caused, seen by its own check, mended, and gone again. ---


def a_circuit_opens(watch: Watch) -> None:
    rows.make_provider()
    rows.make_circuit(watch.provider, state="open", reason="3 failures in a row")


def it_closes(watch: Watch) -> None:
    watch.provider.circuit.delete()


def a_subscriber_is_suppressed(watch: Watch) -> None:
    webhook = rows.make_webhook()
    SubscriberRecord.objects.filter(subscriber=webhook.key).update(
        suppressions=1, suppressed_until=watch.now
    )


def it_is_well_again(_watch: Watch) -> None:
    SubscriberRecord.objects.update(suppressions=0, suppressed_until=None)


def markets_go_stale(watch: Watch) -> None:
    rows.make_market(version=2, valued_version=1, dirty_at=watch.now - timedelta(seconds=60))


def they_are_valued(_watch: Watch) -> None:
    Market.objects.update(valued_version=2, dirty_at=None)


def a_bookmaker_falls_silent(watch: Watch) -> None:
    feed = watch.provider.feeds.get()
    rows.make_feed_bookmaker(feed, silent_since=watch.now)
    rows.make_feed_bookmaker(feed)


def it_is_heard(watch: Watch) -> None:
    watch.provider.feeds.get().books.update(silent_since=None)


def an_answer_is_read_in_part(watch: Watch) -> None:
    told = [{"reason": "no_point", "count": 3, "place": "$", "message": "No point."}]
    left_out = {"left_out": 3, "left_out_reasons": told}
    rows.make_poll_run(watch.provider, started_at=watch.now, http_status=200, **left_out)


def it_is_read_whole(watch: Watch) -> None:
    rows.make_poll_run(watch.provider, started_at=watch.now, http_status=200)


def the_credits_run_out(watch: Watch) -> None:
    watch.provider.quota_remaining, watch.provider.quota_poll_cost = 2, 4
    watch.provider.save()


def they_are_renewed(watch: Watch) -> None:
    watch.provider.quota_remaining = 500
    watch.provider.save()


def a_provider_stops_answering(watch: Watch) -> None:
    rows.make_feed(rows.make_provider(key="quiet"), observed_at=watch.now - timedelta(seconds=120))


def it_is_disabled(_watch: Watch) -> None:
    Provider.objects.filter(key="quiet").update(enabled=False)


def messages_pile_up(_watch: Watch) -> None:
    redis_client().lpush("valuation", *["{}"] * 5_000)


def a_message_waits(_watch: Watch) -> None:
    sent_at = time.time() - 60
    redis_client().lpush("major", json.dumps({"properties": {"sent_at": sent_at}}))


def the_queues_are_emptied(_watch: Watch) -> None:
    redis_client().delete("valuation", "major")


def nothing_more(_watch: Watch) -> None:
    """What a window that passes mends by itself."""


def lines_change_and_nothing_is_valued(watch: Watch) -> None:
    rows.make_poll_run(watch.provider, started_at=watch.now, changes=500)


def every_change_asks_for_a_recompute(watch: Watch) -> None:
    rows.make_poll_run(watch.provider, started_at=watch.now, changes=500)
    rows.make_recompute_run(finished_at=watch.now, markets=500, valued=40)


def major_moves_are_late(watch: Watch) -> None:
    late = {"latency_counts": counts_of([101.0] * 20 + [50.0] * 80), "latency_ms_sum": 6_020.0}
    rows.make_recompute_run(trigger="major", finished_at=watch.now, valued=100, **late)


def batches_are_late(watch: Watch) -> None:
    late = {"latency_counts": counts_of([1_001.0] * 20 + [500.0] * 80)}
    rows.make_recompute_run(trigger="batch", finished_at=watch.now, valued=100, **late)


def work_fails_for_good(watch: Watch) -> None:
    for _ in range(100):
        rows.make_poll_run(watch.provider, started_at=watch.now)
    for _ in range(12):
        DeadLetterOccurrence.objects.create(end=uuid4(), kind="exception", seen_at=watch.now)


def much_work_fails_for_good(watch: Watch) -> None:
    for _ in range(8):
        work_fails_for_good(watch)


def the_buffer_overflows(_watch: Watch) -> None:
    buffer.push({1: 1, 9: 1}, CoalescePolicy(buffer_max_markets=1, shards=1))


def test_first_changes_that_went_at_once_are_no_fault_of_coalescing(watch: Watch) -> None:
    rows.make_poll_run(watch.provider, started_at=watch.now, changes=500)
    rows.make_recompute_run(trigger="first", finished_at=watch.now, markets=300, valued=300)
    rows.make_recompute_run(trigger="batch", finished_at=watch.now, markets=100, valued=100)
    ratio = watch.look(SETTLED).checks["recompute_ratio"]
    assert (ratio["status"], ratio["observedValue"]) == ("pass", pytest.approx(0.5, abs=0.05))


@pytest.mark.parametrize(
    ("check", "status", "fault", "cure", "passes"),
    [
        ("circuits", "warn", a_circuit_opens, it_closes, SETTLED),
        ("subscribers", "warn", a_subscriber_is_suppressed, it_is_well_again, SETTLED),
        ("stale_markets", "fail", markets_go_stale, they_are_valued, SETTLED),
        ("book_silence", "fail", a_bookmaker_falls_silent, it_is_heard, SETTLED),
        ("unread_records", "warn", an_answer_is_read_in_part, it_is_read_whole, SETTLED),
        ("quota", "fail", the_credits_run_out, they_are_renewed, SETTLED),
        ("provider_silence", "fail", a_provider_stops_answering, it_is_disabled, SETTLED),
        ("queue_backlog", "fail", messages_pile_up, the_queues_are_emptied, SETTLED),
        ("queue_age", "fail", a_message_waits, the_queues_are_emptied, SETTLED),
        ("missing_recomputes", "fail", lines_change_and_nothing_is_valued, nothing_more, HOUR),
        ("recompute_ratio", "warn", every_change_asks_for_a_recompute, nothing_more, HOUR),
        ("latency_major", "fail", major_moves_are_late, nothing_more, SIX_MINUTES),
        ("latency_batch", "fail", batches_are_late, nothing_more, SIX_MINUTES),
        ("dead_letter_rate", "fail", work_fails_for_good, nothing_more, HOUR),
        ("dead_letter_growth", "warn", much_work_fails_for_good, nothing_more, HOUR),
        ("buffer_overflow", "warn", the_buffer_overflows, nothing_more, HOUR),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "__name__", ""),
)
def test_a_fault_is_seen_by_its_check_until_it_is_mended(
    watch: Watch, check: str, status: str, fault: Fault, cure: Fault, passes: timedelta
) -> None:
    fault(watch)

    assert watch.statuses(SETTLED)[check] == status

    cure(watch)
    watch.statuses(SETTLED)
    watch.statuses(passes)
    assert watch.statuses(SETTLED)[check] == "pass"


def test_a_few_valuations_in_time_end_the_alarm_of_late_ones_and_late_ones_do_not(
    watch: Watch,
) -> None:
    major_moves_are_late(watch)
    watch.statuses(SIX_MINUTES)
    late = {"latency_counts": counts_of([101.0] * 3), "latency_ms_sum": 303.0}
    rows.make_recompute_run(trigger="major", finished_at=watch.now, valued=3, **late)
    assert watch.statuses(SETTLED)["latency_major"] == "fail"

    watch.statuses(SIX_MINUTES)
    soon = {"latency_counts": counts_of([50.0] * 3), "latency_ms_sum": 150.0}
    rows.make_recompute_run(trigger="major", finished_at=watch.now, valued=3, **soon)
    assert watch.statuses(SETTLED)["latency_major"] == "pass"


def test_all_circuits_open_is_a_failure(watch: Watch) -> None:
    rows.make_circuit(watch.provider, mode="forced_open")

    assert watch.statuses()["circuits"] == "fail"


def test_a_provider_whose_credits_are_rationed_is_a_warning(watch: Watch) -> None:
    watch.provider.paced_interval_seconds = 300.0
    watch.provider.save()

    assert watch.statuses()["quota"] == "warn"


def test_a_beat_that_stops_fails_and_one_that_ticks_again_passes(
    watch: Watch, redis: Redis
) -> None:
    seconds, _ = redis.time()
    redis.set("hardline:tick", seconds - 60)

    assert watch.look().checks["beat"]["status"] == "fail"
    assert watch.statuses()["beat"] == "pass"


def test_nothing_polled_for_ten_intervals_is_a_failure(watch: Watch) -> None:
    assert watch.look(timedelta(seconds=95)).checks["activity"]["status"] == "warn"
    assert watch.look(timedelta(seconds=210)).checks["activity"]["status"] == "fail"
    assert watch.statuses()["activity"] == "pass"


def test_a_queue_without_a_worker_is_named(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = dict.fromkeys(servers.queue_names(), 1)
    monkeypatch.setattr(servers, "consumers", lambda _seconds: {**taken, "major": 0})
    told = watch.look().checks["workers"]

    assert (told["status"], told["output"]) == (
        "fail",
        "No worker takes from major. Their messages wait.",
    )

    monkeypatch.setattr(servers, "consumers", lambda _seconds: taken)
    assert watch.look().checks["workers"]["status"] == "pass"


def test_a_full_disk_and_a_full_broker_fail(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "disk_used", lambda _config: 0.98)
    assert watch.statuses()["disk"] == "fail"

    redis = redis_client()
    used = int(redis.info("memory")["used_memory"])
    redis.config_set("maxmemory", int(used / 0.85))
    try:
        status = watch.statuses()["broker"]
    finally:
        redis.config_set("maxmemory", 0)
    assert status in {"warn", "fail"}


def test_what_waits_in_a_queue_says_since_when(redis: Redis) -> None:
    before = time.time()
    coalesce_line_changes.delay(0)
    (message,) = redis.lrange("coalesce", 0, -1)

    assert before <= json.loads(message)["properties"]["sent_at"] <= time.time()


def test_every_check_has_its_section_in_the_runbook() -> None:
    runbook = (CHECKOUT / "docs" / "runbook.md").read_text("utf-8")
    headings = {line[4:] for line in runbook.splitlines() if line.startswith("### ")}

    assert headings == {title(judge.__name__).capitalize() for judge in CHECKS}
