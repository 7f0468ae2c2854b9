"""Snapshots: what they count, and who is told when something changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from betting.db.sql import fetch_all
from streaming.core.histogram import counts_of
from streaming.core.notifications import HealthChanged, Notification
from streaming.health.counters import Counters
from streaming.models import HealthSnapshot
from streaming.notifications import bus
from streaming.retention.prune import prune_old_rows
from streaming.tasks import check_health
from tests.support import rows
from tests.support.watch import Watch

pytestmark = pytest.mark.django_db

SETTLED = timedelta(seconds=40)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[HealthChanged]:
    """What somebody who subscribed to everything would be sent."""
    published: list[HealthChanged] = []

    def publish(events: list[Notification]) -> None:
        published.extend(each for each in events if isinstance(each, HealthChanged))

    monkeypatch.setattr(bus, "is_wanted", lambda *_types: True)
    monkeypatch.setattr(bus, "publish", publish)
    return published


def test_a_change_is_told_once_and_so_is_the_recovery(
    watch: Watch, told: list[HealthChanged]
) -> None:
    watch.statuses(SETTLED)
    told.clear()
    rows.make_circuit(watch.provider, state="open", reason="3 failures in a row")
    for _ in range(3):
        watch.statuses()
    watch.provider.circuit.delete()
    for _ in range(3):
        watch.statuses()

    assert [(each.previous, each.status) for each in told] == [("pass", "fail"), ("fail", "pass")]
    (reason,) = told[0].reasons
    assert reason == (
        f"circuits: The circuit of {watch.provider.key} is open: 3 failures in a row."
        " 0 quotes are quarantined, 0 edges are open."
    )
    assert told[1].reasons == ()
    assert list(HealthSnapshot.objects.order_by("id").values_list("status", flat=True)[2:]) == [
        *["fail"] * 3,
        *["pass"] * 3,
    ]


def test_a_change_within_the_same_overall_status_is_told(
    watch: Watch, told: list[HealthChanged]
) -> None:
    rows.make_circuit(watch.provider, mode="forced_open")
    watch.statuses(SETTLED)
    told.clear()
    rows.make_market(version=2, valued_version=1, dirty_at=watch.now - timedelta(seconds=60))

    watch.statuses()

    (event,) = told
    assert (event.previous, event.status) == ("fail", "fail")
    assert {reason.split(":")[0] for reason in event.reasons} == {"circuits", "stale_markets"}


def test_a_broker_that_takes_no_news_keeps_nobody_from_a_snapshot(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_events: list[Notification]) -> None:
        raise OperationalError("command not allowed when used memory > 'maxmemory'")

    monkeypatch.setattr(bus, "is_wanted", lambda *_types: True)
    monkeypatch.setattr(bus, "publish", refuse)
    rows.make_circuit(watch.provider, mode="forced_open")

    assert watch.look().checks["circuits"]["status"] == "fail"


def test_a_status_keeps_since_when_it_has_been(watch: Watch) -> None:
    rows.make_circuit(watch.provider, mode="forced_open")
    watch.statuses()
    since = watch.now
    for _ in range(3):
        watch.statuses()

    snapshot = HealthSnapshot.objects.latest("id")
    assert snapshot.checks["circuits"]["since"] == since.isoformat()


def do_some_work(watch: Watch, step: int) -> None:
    at = watch.now
    rows.make_poll_run(watch.provider, started_at=at, changes=10 * step, quotes_seen=100)
    rows.make_delivery_run("webhook:mine", started_at=at)
    for trigger in ("major", "first", "batch", "sweep"):
        latencies = [7.0 * step, 90.0, 120.0 * step]
        rows.make_recompute_run(
            trigger=trigger,
            finished_at=at,
            valued=3,
            latency_counts=counts_of(latencies),
            latency_ms_sum=sum(latencies),
        )


def by_sql(snapshot: HealthSnapshot, since: Any) -> dict[str, float]:
    """The same sums, asked for in another way: row by row."""
    ((polls, changes, quotes),) = fetch_all(
        "SELECT count(*), sum(changes), sum(quotes_seen) FROM streaming_pollrun"
        " WHERE started_at >= %(since)s AND started_at < %(until)s",
        {"since": since, "until": snapshot.counted_until},
    )
    ((runs, valued, late),) = fetch_all(
        "SELECT count(*), sum(valued), sum((SELECT sum(n) FROM unnest(latency_counts[6:]) n))"
        " FROM valuation_recomputerun WHERE trigger = 'major'"
        " AND finished_at >= %(since)s AND finished_at < %(until)s",
        {"since": since, "until": snapshot.counted_until},
    )
    return dict(
        zip("pcqrvl", map(float, (polls, changes, quotes, runs, valued, late)), strict=True)
    )


def test_the_totals_are_what_the_rows_add_up_to(watch: Watch) -> None:
    first = HealthSnapshot.objects.get()
    for step in range(1, 30):
        do_some_work(watch, step)
        watch.look(timedelta(seconds=7))

    last = HealthSnapshot.objects.latest("id")
    counters = Counters(last.totals)
    summed = (
        counters.sum("polls"),
        counters.sum("changes"),
        counters.sum("quotes"),
        counters.of("recomputes", "major"),
        counters.of("valued", "major"),
        float(sum(counters.latencies("major")[5:])),
    )
    assert dict(zip("pcqrvl", summed, strict=True)) == by_sql(last, first.counted_until)


def test_two_snapshots_at_once_count_nothing_twice(watch: Watch) -> None:
    do_some_work(watch, 1)
    one = watch.look(SETTLED)
    one.delete()
    # The other one had begun before the first was there to be seen.
    other = watch.look(timedelta(0))

    assert Counters(other.totals).of("recomputes", "major") == 2
    assert other.totals == one.totals


def test_an_hour_without_snapshots_is_counted_by_the_next(watch: Watch) -> None:
    do_some_work(watch, 1)
    watch.now += timedelta(hours=3)
    do_some_work(watch, 1)

    snapshot = watch.look(SETTLED)

    assert Counters(snapshot.totals).of("recomputes", "batch") == 2


def test_the_task_takes_a_snapshot_and_old_ones_are_pruned(watch: Watch) -> None:
    check_health()

    assert HealthSnapshot.objects.count() == 2
    assert prune_old_rows(watch.config.retention)["streaming_healthsnapshot"] == 1
    assert HealthSnapshot.objects.count() == 1
