"""The outlook of snapshots: stored beside the score, from real rows, and never acted upon."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from streaming.health import servers
from streaming.health.metrics import exposition
from streaming.health.report import HealthReport, build_report, details
from streaming.models import HealthSnapshot
from tests.support import rows
from tests.support.watch import TEN_SECONDS, Watch

pytestmark = pytest.mark.django_db

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CREDITS_AN_HOUR = 600.0


def remember(watch: Watch, ago: timedelta, **fields: Any) -> HealthSnapshot:
    """A snapshot of some time before the next look."""
    at = watch.now + TEN_SECONDS - ago
    return rows.make_health_snapshot(taken_at=at, counted_until=at, **fields)


def look(watch: Watch) -> dict[str, Any]:
    """The outlook of a new snapshot of a stream that is kept alive."""
    watch.statuses()
    outlook: dict[str, Any] | None = HealthSnapshot.objects.latest("id").outlook
    assert outlook is not None
    return outlook


def using_credits(
    watch: Watch, *, hours: float = 6.0, renewed_ago: timedelta | None = None
) -> None:
    """Leave snapshots of a provider that uses 600 credits an hour and has 1,200 left."""
    HealthSnapshot.objects.all().delete()
    name = f"credits {watch.provider.key}"
    for step in reversed(range(1, round(hours * 6) + 1)):
        ago = step * 10 * MINUTE
        left = 1_200 + CREDITS_AN_HOUR * ago / HOUR
        if renewed_ago is not None and ago > renewed_ago:
            left = 100.0
        remember(watch, ago, outlook={"score": 100, "levels": {name: -left}})
    watch.provider.quota_remaining = 1_200
    watch.provider.save()


def test_the_weighted_score_is_stored_beside_the_score(watch: Watch) -> None:
    assert look(watch)["score"] == 100

    rows.make_market(version=2, valued_version=1, dirty_at=watch.now - MINUTE)
    outlook = look(watch)

    snapshot = HealthSnapshot.objects.latest("id")
    assert (snapshot.status, snapshot.score) == ("fail", 40)
    assert (outlook["score"], outlook["reason"]) == (40, "lateness: unvalued markets")


def test_burn_rates_are_of_what_was_counted_within_each_window(watch: Watch) -> None:
    HealthSnapshot.objects.all().delete()
    for ago, ok, failed in ((61 * MINUTE, 0, 0), (7 * MINUTE, 1_800, 200), (MINUTE, 2_700, 300)):
        remember(watch, ago, totals={"polls:ok": ok, "polls:failed": failed})

    burn = look(watch)["burn"]

    # A tenth of all polls failed, and 1 % may. Nothing is as old as the longer windows.
    assert burn["polls"] == pytest.approx({"5m": 10.0, "1h": 10.0, "30m": 10.0}, rel=0.01)
    assert burn["deliveries"] == {"5m": 0.0, "30m": 0.0, "1h": 0.0}


def test_polls_that_a_circuit_refused_are_neither_met_nor_missed(watch: Watch) -> None:
    HealthSnapshot.objects.all().delete()
    remember(watch, 7 * MINUTE, totals={})
    remember(watch, MINUTE, totals={"polls:ok": 190, "polls:failed": 10, "polls:refused": 900})

    assert look(watch)["burn"]["polls"]["5m"] == pytest.approx(5.0)


def test_credits_that_are_used_steadily_have_an_end(watch: Watch) -> None:
    using_credits(watch)

    outlook = look(watch)

    at = rows.NOON.fromisoformat(outlook["exhausted"][f"credits {watch.provider.key}"])
    assert at - watch.now == pytest.approx(2 * HOUR, abs=MINUTE)


def test_credits_from_before_they_were_renewed_do_not_count(watch: Watch) -> None:
    using_credits(watch, renewed_ago=4 * HOUR)

    outlook = look(watch)

    at = rows.NOON.fromisoformat(outlook["exhausted"][f"credits {watch.provider.key}"])
    assert at - watch.now == pytest.approx(2 * HOUR, abs=MINUTE)


def test_credits_renewed_lately_have_no_trend_yet(watch: Watch) -> None:
    using_credits(watch, renewed_ago=30 * MINUTE)

    assert look(watch)["exhausted"] == {}


def test_a_level_without_a_trend_has_no_end(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "disk_used", lambda _config: 0.8)
    for step in range(1, 37):
        remember(watch, step * 10 * MINUTE, outlook={"score": 100, "levels": {"disk": 0.8}})

    outlook = look(watch)

    assert outlook["levels"]["disk"] == 0.8
    assert "disk" not in outlook["exhausted"]


def shown(watch: Watch) -> HealthReport:
    using_credits(watch)
    look(watch)
    return build_report(watch.config)


@pytest.mark.django_db(transaction=True)
def test_the_report_and_the_metrics_have_what_the_newest_snapshot_has(watch: Watch) -> None:
    report = shown(watch)

    told = details(report)
    assert told["weighted"]["score"] == report.weighted.score
    assert list(told["exhausted"]) == [f"credits {watch.provider.key}"]
    scrape = exposition(report, watch.config.health).decode()
    assert f"hardline_health_weighted_score {float(report.weighted.score)}" in scrape
    assert 'hardline_error_budget_burn_rate{objective="polls",window="5m"} 0.0' in scrape
    assert f'hardline_exhausted_in_seconds{{resource="credits {watch.provider.key}"}}' in scrape


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_of_the_release_before_has_no_outlook(watch: Watch) -> None:
    HealthSnapshot.objects.update(outlook=None)

    report = build_report(watch.config)

    assert report.outlook is None
    assert (details(report)["burnRates"], details(report)["exhausted"]) == ({}, {})
    assert "error_budget" not in exposition(report, watch.config.health).decode()
