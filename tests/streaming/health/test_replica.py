"""The check of the read replica; tests/integration/test_replica.py has a real standby."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from betting.db.replica import Look
from streaming.core.health import Check, HealthPolicy, Status
from streaming.health import observations, stream
from streaming.health.judges import servers
from streaming.health.observations import Away, Observations
from streaming.health.stream import StreamFacts
from tests.support import rows

pytestmark = pytest.mark.django_db

NOON = rows.NOON


@pytest.fixture
def facts() -> StreamFacts:
    return stream.look_at_stream(NOON)


def judged(facts: StreamFacts | Away, replica: Look | Away | None) -> Check:
    seen = Observations(
        stream=facts, redis=Away("-"), work=None, workers=None, workers_seconds=None,
        disk_used=None, replica=replica, running_seconds=3_600.0,
    )  # fmt: skip
    return servers.replica(seen, HealthPolicy())


def behind(seconds: float) -> Look:
    return Look(True, NOON - timedelta(seconds=seconds), NOON, NOON, NOON)


def test_without_a_replica_it_passes_and_says_so(facts: StreamFacts) -> None:
    found = judged(facts, None)
    assert (found.status, found.detail) == (Status.PASS, "No read replica is configured.")
    assert judged(Away("OperationalError"), None).status is Status.PASS


def test_one_that_is_close_behind_passes(facts: StreamFacts) -> None:
    found = judged(facts, behind(4.9))
    assert (found.status, found.observed) == (Status.PASS, 4.9)


def test_one_that_is_behind_warns_since_it_was_and_never_fails(facts: StreamFacts) -> None:
    found = judged(facts, behind(86_405))
    assert (found.status, found.observed) == (Status.WARN, 86_405)
    assert found.since == NOON - timedelta(days=1)
    assert found.detail == (
        "The replica is 1 d behind (limit 5 s). PostgreSQL itself answers what would be read there."
    )


def test_one_that_is_away_warns_without_a_figure(facts: StreamFacts) -> None:
    found = judged(facts, Away("OperationalError"))
    assert (found.status, found.observed) == (Status.WARN, None)
    assert found.detail.startswith("The replica does not answer: OperationalError.")


def test_one_that_has_replayed_nothing_warns(facts: StreamFacts) -> None:
    assert judged(facts, Look(True, None, NOON, NOON, NOON)).status is Status.WARN


def test_one_whose_clock_is_off_warns_though_it_is_not_behind(facts: StreamFacts) -> None:
    look = replace(behind(0), now=NOON - timedelta(seconds=3))
    found = judged(facts, look)
    assert (found.status, found.observed) == (Status.WARN, 0.0)
    assert "clock that is 3.0 s off (limit 1 s)" in found.detail


def test_without_postgresql_nothing_is_known_of_its_replica() -> None:
    assert judged(Away("OperationalError"), behind(0)).status is Status.UNKNOWN
    assert judged(Away("OperationalError"), Away("-")).status is Status.UNKNOWN


def test_without_a_replica_nobody_is_asked() -> None:
    assert observations.look_at_replica(1.0) is None
