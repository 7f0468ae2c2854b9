"""What load balancers, Prometheus and people are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from betting.config import Config, get_config
from streaming.coalescing import adaptive
from streaming.coalescing.adaptive import MinorChange
from streaming.core.coalesce import CoalescePolicy
from streaming.core.histogram import BOUNDS_MS, above, counts_of
from streaming.health import deadline, report, stream, views
from streaming.models import HealthSnapshot
from streaming.notifications import bus
from tests.support import rows
from tests.support.watch import Watch
from valuation.models import RecomputeRun

# The endpoints ask on a connection of their own, which sees what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

SETTLED = timedelta(seconds=40)
TOKEN = "a token of some length"


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    found = replace(get_config(), health_token=TOKEN)
    monkeypatch.setattr(views, "get_config", lambda: found)
    return found


@pytest.fixture
def at_noon(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The endpoints see the clock of the watch."""
    monkeypatch.setattr(
        "streaming.health.observations.look_at_stream", lambda: stream.look_at_stream(watch.now)
    )
    watch.statuses(SETTLED)
    return watch


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def samples(body: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """(name, labels) → value, as Prometheus reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_a_process_that_answers_is_live(client: Client) -> None:
    response = client.get("/health/live")

    assert (response.status_code, response.json()) == (200, {"status": "pass"})
    assert response["Content-Type"] == "application/health+json"
    assert "no-cache" in response["Cache-Control"]


@pytest.mark.usefixtures("redis")
def test_a_process_with_its_servers_and_schema_is_ready(client: Client) -> None:
    assert client.get("/health/ready").json() == {"status": "pass"}


@pytest.fixture
def unapplied() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_migrations SET app = 'away' WHERE name = '0007_health_snapshots'"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET app = 'streaming' WHERE app = 'away'")


@pytest.mark.usefixtures("redis", "unapplied")
def test_a_process_whose_schema_is_older_than_its_code_is_not_ready(client: Client) -> None:
    response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json()["notes"] == [
        "migrations are not applied: streaming.0007_health_snapshots"
    ]


@pytest.mark.usefixtures("at_noon", "config")
def test_everybody_is_told_the_whole_and_nobody_the_details(client: Client) -> None:
    response = client.get("/health/")

    assert response.status_code == 200
    assert response.json() == {
        "status": "pass", "description": "Hardline", "score": 100, "notes": [],
    }  # fmt: skip
    assert client.get("/health/", headers=bearer("wrong")).json() == response.json()


@pytest.mark.usefixtures("config")
def test_the_token_and_the_staff_are_told_the_details(client: Client, at_noon: Watch) -> None:
    rows.make_market(version=2, valued_version=1, dirty_at=at_noon.now - timedelta(seconds=60))

    for answer in (details_by_token(client), details_as_staff(client)):
        (told,) = answer["checks"]["stale_markets"]
        assert told["status"] == "fail"
        assert told["observedValue"] == 60.0
        assert (told["warnFrom"], told["failFrom"]) == (5.0, 30.0)
        assert told["links"] == {"runbook": "docs/runbook.md#unvalued-markets"}
        (note,) = answer["notes"]
        assert note == (
            "stale_markets: 1 market waits for a valuation, the first for 1 min (limit 30 s)."
            " Fair prices and edges on them are out of date."
        )


def details_by_token(client: Client) -> Any:
    response = client.get("/health/", headers=bearer(TOKEN))
    assert response.status_code == 503
    return response.json()


def details_as_staff(client: Client) -> Any:
    client.force_login(User.objects.create_superuser("operator"))
    return client.get("/health/").json()


@pytest.mark.usefixtures("config")
def test_workers_that_nobody_has_looked_at_lately_are_taken_to_be_gone(
    client: Client, at_noon: Watch
) -> None:
    at_noon.now += timedelta(seconds=60)

    (told,) = details_by_token(client)["checks"]["workers"]

    assert told["status"] == "fail"
    assert told["output"] == (
        "No snapshot has asked the workers for 1 min (limit 30 s): beat or worker-io is down."
        " Until both run, no failure is reported."
    )


@pytest.mark.usefixtures("at_noon", "config")
def test_metrics_are_for_whoever_bears_the_token(client: Client) -> None:
    refused = client.get("/metrics")

    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    assert client.get("/metrics", headers=bearer(TOKEN[:-1])).status_code == 401
    assert client.get("/metrics", headers=bearer(TOKEN)).status_code == 200


@pytest.mark.usefixtures("at_noon")
def test_metrics_are_open_without_a_token(client: Client) -> None:
    response = client.get("/metrics")

    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = samples(response.content)
    assert found["hardline_health_score", ()] == 100
    assert found["hardline_health_status", (("status", "pass"),)] == 1
    assert found["hardline_workers", (("queue", "major"),)] == 1


@pytest.mark.usefixtures("at_noon")
def test_deliveries_that_found_their_queue_full_are_a_metric(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = ("hardline_deliveries_dropped_total", ())
    assert samples(client.get("/metrics").content)[dropped] == 0
    monkeypatch.setattr(bus, "MAX_WAITING", 0)

    bus.send_messages([("webhook:a", "1", []), ("webhook:a", "2", [])])

    assert samples(client.get("/metrics").content)[dropped] == 2


def test_the_risk_of_a_provider_is_a_metric_once_it_is_assessed(
    client: Client, at_noon: Watch
) -> None:
    risk = ("hardline_provider_risk", (("provider", at_noon.provider.key),))
    assert risk not in samples(client.get("/metrics").content)

    rows.make_circuit(at_noon.provider, call_history=rows.RISKY)

    assert samples(client.get("/metrics").content)[risk] == 1.0


def test_the_interval_and_the_waits_of_a_plan_are_metrics_once_there_is_one(
    client: Client, at_noon: Watch
) -> None:
    of = (("provider", at_noon.provider.key),)
    names = [
        ("hardline_provider_adaptive_interval_seconds", of),
        ("hardline_provider_adaptive_wait_ratio", of),
    ]
    found = samples(client.get("/metrics").content)
    assert not any(name in found for name in names)

    rows.make_circuit(at_noon.provider, poll_plan=rows.PLANNED)

    found = samples(client.get("/metrics").content)
    assert [found[name] for name in names] == pytest.approx([41.0, 335 / 450])


@pytest.mark.usefixtures("at_noon")
def test_what_adaptive_windows_decided_is_a_metric_once_they_have(
    client: Client, redis: Redis
) -> None:
    decided = ("hardline_adaptive_changes", (("decision", "at_once"),))
    assert decided not in samples(client.get("/metrics").content)

    for _ in range(2):
        adaptive.decide({}, {7: MinorChange(1, 0.01)}, CoalescePolicy())
        redis.delete("hardline:pace:7")
    adaptive.count_fixed(3)

    found = samples(client.get("/metrics").content)
    assert found[decided] == 2
    assert found["hardline_adaptive_changes", (("decision", "fixed"),)] == 3
    assert found["hardline_adaptive_wait_seconds", ()] == 0


def test_the_figures_of_the_objective_are_those_of_the_rows(client: Client, at_noon: Watch) -> None:
    for step in range(1, 60):
        latencies = [3.0 * step, 90.0, 2.0 * step]
        rows.make_recompute_run(
            trigger="major",
            finished_at=at_noon.now,
            valued=3,
            latency_counts=counts_of(latencies),
            latency_ms_sum=sum(latencies),
        )
        at_noon.look()

    found = samples(client.get("/metrics").content)

    until = HealthSnapshot.objects.latest("id").counted_until
    for window, since in (("5m", until - timedelta(minutes=5)), ("1h", first_counted())):
        late, total = late_by_sql(since, until)
        assert late > 0
        burnt = found["hardline_slo_burn_rate", (("objective", "major"), ("window", window))]
        assert burnt == pytest.approx(late / total / 0.01)
    histogram = {
        float(dict(labels)["le"]): value
        for (name, labels), value in found.items()
        if name == "hardline_change_to_value_seconds_bucket" and ("trigger", "major") in labels
    }
    late, total = late_by_sql(first_counted(), until)
    assert histogram[float("inf")] == total
    assert histogram[0.1] == total - late
    assert len(histogram) == len(BOUNDS_MS) + 1


def first_counted() -> Any:
    return HealthSnapshot.objects.earliest("id").counted_until


def late_by_sql(since: Any, until: Any) -> tuple[float, float]:
    """Valuations above 100 ms and all of them, from the rows themselves."""
    found = [
        (above(counts, 100), sum(counts))
        for (counts,) in RecomputeRun.objects.filter(
            trigger="major", finished_at__gte=since, finished_at__lt=until
        ).values_list("latency_counts")
        if counts
    ]
    late, total = map(sum, zip(*found, strict=True))
    return float(late), float(total)


@pytest.mark.usefixtures("at_noon")
def test_a_database_that_never_answers_costs_the_deadline_and_no_more_threads_than_allowed(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    short = replace(get_config(), health=replace(get_config().health, probe_seconds=0.05))
    monkeypatch.setattr(views, "get_config", lambda: short)
    monkeypatch.setattr(report, "look", lambda: hangs.wait(60))
    try:
        answers = [client.get("/health/") for _ in range(deadline.MAX_WAITING + 1)]
    finally:
        hangs.set()

    assert {answer.status_code for answer in answers} == {503}
    notes = [answer.json()["notes"][0] for answer in answers]
    assert notes[0] == "PostgreSQL: no answer within 0.05 s"
    assert notes[-1] == "PostgreSQL: does not answer; earlier questions still wait"


def test_the_admins_page_shows_what_is_wrong_and_what_to_do(client: Client, at_noon: Watch) -> None:
    rows.make_circuit(at_noon.provider, state="open", reason="3 failures in a row")
    client.force_login(User.objects.create_superuser("operator"))

    response = client.get("/admin/streaming/health/")

    text = response.content.decode()
    assert response.status_code == 200
    for shown in ("3 failures in a row", "docs/runbook.md#circuits", "failing", ":5555/", "major"):
        assert shown in text


def test_the_admins_page_is_for_staff(client: Client) -> None:
    assert client.get("/admin/streaming/health/").status_code == 302
