"""The health of the whole now and before, over the API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from streaming.coalescing import adaptive
from streaming.coalescing.adaptive import MinorChange
from streaming.core.coalesce import CoalescePolicy
from streaming.health.checks import CHECKS
from streaming.models import HealthSnapshot
from streaming.tasks import check_health
from tests.betting.web.api.filled import url
from tests.betting.web.api.test_lists import ids
from tests.support import rows

# What is asked now is asked on a connection of its own, which sees what is committed.
pytestmark = pytest.mark.django_db(transaction=True)


def test_every_check_is_judged_now(reader: APIClient) -> None:
    provider = rows.make_provider()
    rows.make_circuit(provider, mode="forced_open", reason="They move house.")

    told = reader.get(url("health")).json()

    assert [check["name"] for check in told["checks"]] == [judge.__name__ for judge in CHECKS]
    (circuits,) = (check for check in told["checks"] if check["name"] == "circuits")
    assert circuits["status"] == "fail"
    assert circuits["detail"] == (
        f"The circuit of {provider.key} is open: They move house."
        " 0 quotes are quarantined, 0 edges are open."
    )
    assert circuits["runbook"] == "docs/runbook.md#circuits"
    assert told["status"] == "fail"
    assert f"circuits: {circuits['detail']}" in told["notes"]
    assert 0 <= told["score"] < 50


@pytest.mark.usefixtures("redis")
def test_adaptive_windows_are_told_of_once_they_have_decided(reader: APIClient) -> None:
    assert reader.get(url("health")).json()["adaptive"] is None

    adaptive.decide({}, {7: MinorChange(1, 0.01)}, CoalescePolicy())
    adaptive.count_fixed(3)

    assert reader.get(url("health")).json()["adaptive"] == {
        "changes": 1, "recomputes": 1, "fixed_recomputes": 3, "mean_wait_ms": 0.0,
    }  # fmt: skip


def test_a_snapshot_comes_with_the_checks_that_were_stored(reader: APIClient) -> None:
    check_health()
    snapshot = HealthSnapshot.objects.get()

    told = reader.get(f"{url('health-snapshots')}{snapshot.pk}/").json()

    assert (told["status"], told["score"]) == (snapshot.status, snapshot.score)
    stored = {name: check["status"] for name, check in snapshot.checks.items()}
    assert {check["name"]: check["status"] for check in told["checks"]} == stored
    assert "checks" not in reader.get(url("health-snapshots")).json()["results"][0]


def test_the_weighted_score_is_told_now_and_of_each_snapshot(reader: APIClient) -> None:
    rows.make_circuit(rows.make_provider(), mode="forced_open", reason="They move house.")
    before = rows.make_health_snapshot(taken_at=rows.NOON)
    check_health()
    stored = HealthSnapshot.objects.latest("id")

    told = reader.get(url("health")).json()

    assert told["weighted"]["score"] < 50
    assert told["weighted"]["reason"].startswith("silence: ")
    assert set(told["burn_rates"]) == {"major", "batch", "polls", "deliveries"}
    assert told["exhausted"] == {}
    address = url("health-snapshots")
    assert stored.outlook is not None
    assert reader.get(f"{address}{stored.pk}/").json()["weighted"] == {
        name: stored.outlook[name] for name in ("score", "reason")
    }
    assert reader.get(f"{address}{before.pk}/").json()["weighted"] is None
    assert "weighted" not in reader.get(address).json()["results"][0]


def test_snapshots_are_narrowed_down_by_status_and_time(reader: APIClient) -> None:
    early = rows.make_health_snapshot(status="fail", score=40)
    late = rows.make_health_snapshot(taken_at=rows.NOON + timedelta(hours=1))

    later = {"taken_after": (rows.NOON + timedelta(minutes=1)).isoformat()}
    assert ids(reader.get(url("health-snapshots"), later)) == [late.pk]
    assert ids(reader.get(url("health-snapshots"), {"status": "fail"})) == [early.pk]
