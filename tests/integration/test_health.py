"""Servers that die or hang, and workers that come and go, as health sees them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from betting.config import Config
from betting.runtime.embedded import ensure_running, status, stop
from betting.runtime.supervisor import Supervisor
from streaming.health import servers as health_servers
from streaming.models import HealthSnapshot
from streaming.tasks import check_health
from tests.integration.conftest import wait_until
from tests.integration.test_redis_restart import kill_redis

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER_SECONDS = 2.0


def ask(client: Client, path: str) -> tuple[int, Any]:
    response = client.get(path)
    return response.status_code, response.json()


def assert_all_say(client: Client, reason: str) -> None:
    """What every endpoint but `live` says while a server is away."""
    ready, health, metrics = (
        client.get(path) for path in ("/health/ready", "/health/", "/metrics")
    )
    assert (ready.status_code, ready.json()["notes"]) == (503, [reason])
    assert (health.status_code, health.json()["notes"]) == (503, [reason])
    assert health.json()["status"] == "fail"
    assert (metrics.status_code, f"# {reason}" in metrics.content.decode()) == (503, True)
    assert client.get("/health/live").status_code == 200


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process that neither answers nor ends."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def pid_of(config: Config, name: str) -> int:
    (pid,) = (server.pid for server in status(config) if server.name == name)
    assert pid is not None
    return pid


@pytest.mark.usefixtures("redis")
def test_a_redis_that_is_killed_is_told_until_it_is_back(client: Client, servers: Config) -> None:
    kill_redis(servers)
    try:
        assert_all_say(client, "Redis: ConnectionError")
    finally:
        ensure_running(servers)
    wait_until(lambda: ask(client, "/health/ready") == (200, {"status": "pass"}), "Redis")


@pytest.mark.usefixtures("redis")
def test_a_redis_that_hangs_costs_the_deadline(client: Client, servers: Config) -> None:
    with stopped(pid_of(servers, "Redis")):
        assert_all_say(client, "Redis: TimeoutError")
    assert ask(client, "/health/ready") == (200, {"status": "pass"})


@pytest.mark.usefixtures("redis")
def test_a_postgresql_that_hangs_costs_the_deadline(client: Client, servers: Config) -> None:
    with stopped(pid_of(servers, "PostgreSQL")):
        seconds = servers.health.probe_seconds
        assert_all_say(client, f"PostgreSQL: no answer within {seconds:g} s")
    wait_until(lambda: ask(client, "/health/ready") == (200, {"status": "pass"}), "PostgreSQL")


@pytest.mark.usefixtures("redis")
def test_a_postgresql_that_is_stopped_is_told_until_it_is_back(
    client: Client, servers: Config
) -> None:
    stop(servers)
    try:
        health = client.get("/health/")
        ready = client.get("/health/ready")
    finally:
        ensure_running(servers)
        connection.close()
    reasons = ["PostgreSQL: OperationalError", "Redis: ConnectionError"]
    assert (health.status_code, health.json()["notes"]) == (503, reasons)
    assert (ready.status_code, ready.json()["notes"]) == (503, reasons)
    wait_until(lambda: ask(client, "/health/ready") == (200, {"status": "pass"}), "both")


def test_workers_are_seen_while_they_run_and_missed_when_they_do_not(
    valuers: Supervisor,
) -> None:
    served = {"coalesce": 1, "valuation": 1, "major": 1, "poll": 0, "deliver": 0}
    wait_until(lambda: health_servers.consumers(ANSWER_SECONDS) == served, "their answers")
    check_health()
    assert HealthSnapshot.objects.latest("id").workers == served

    valuers.stop()
    check_health()

    snapshot = HealthSnapshot.objects.latest("id")
    assert snapshot.checks["workers"]["status"] == "fail"
    assert snapshot.checks["workers"]["output"] == (
        "No worker takes from coalesce, deliver, major, poll, valuation. Their messages wait."
    )
