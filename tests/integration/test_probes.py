"""Probes of a failing provider, asked by real processes: one at a time, whoever dies with one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from betting.config import Config
from betting.models import Provider
from streaming.core.breaker import Decision
from streaming.models import Circuit, CircuitTransition
from streaming.polling.circuits import admit
from streaming.polling.poll import poll
from streaming.simulator.faults import FaultRule
from streaming.simulator.running import RunningSimulator, running_simulator
from tests.integration.conftest import CHECKOUT, environment_of_workers, wait_until
from tests.support.polling import EPL, KEY, KEY_ENV, STILL, config_with, polled_provider

PROCESSES, THREADS, PROBES = 4, 8, 12
PROBE_SECONDS = 0.15

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    monkeypatch.setenv(KEY_ENV, KEY)
    with running_simulator(sports=[EPL], policy=STILL, api_key=KEY) as simulator:
        yield simulator


@pytest.fixture
def environ(servers: Config, redis: object) -> dict[str, str]:  # noqa: ARG001 - asks for a fixture
    """The environment of a process that works on the tests' database and Redis."""
    return {**os.environ, **environment_of_workers(servers), KEY_ENV: KEY}


def hammer(
    provider: Provider, environ: dict[str, str], processes: int, threads: int
) -> subprocess.Popen[bytes]:
    arguments = [str(provider.pk), str(processes), str(threads)]
    command = [sys.executable, "-m", "tests.integration.hammer", *arguments]
    return subprocess.Popen(command, cwd=CHECKOUT, env=environ, stdin=subprocess.PIPE)


def open_circuit(provider: Provider) -> None:
    Circuit.objects.update_or_create(
        provider=provider,
        defaults={"state": "open", "retry_at": datetime.now(UTC), "reason": "it was down"},
    )


def test_however_many_ask_there_are_never_two_probes_at_once(
    simulator: RunningSimulator, environ: dict[str, str]
) -> None:
    provider = polled_provider(simulator)
    # Each probe takes this long and fails, and the next one is due at once.
    simulator.faults.put(FaultRule(EPL, "hang", seconds=PROBE_SECONDS))
    open_circuit(provider)
    Circuit.objects.update(backoff_seconds=[0.001])

    with hammer(provider, environ, PROCESSES, THREADS) as workers:
        wait_until(lambda: simulator.calls.count(EPL) >= PROBES, "the probes", seconds=90)
    assert workers.returncode == 0

    calls = simulator.calls.times(EPL)
    gaps = [later - earlier for earlier, later in pairwise(calls)]
    print(f"\n{len(calls)} probes by {PROCESSES} processes × {THREADS} threads")
    # A probe that begins before the last one has ended begins sooner than that one takes.
    assert min(gaps) >= PROBE_SECONDS
    assert Circuit.objects.get().probe == len(calls)


def test_a_worker_killed_in_its_probe_loses_it_when_the_lease_ends(
    simulator: RunningSimulator, environ: dict[str, str]
) -> None:
    provider = polled_provider(simulator)
    simulator.fail(EPL, "hang")
    open_circuit(provider)
    with hammer(provider, environ, processes=1, threads=1) as worker:
        try:
            wait_until(lambda: simulator.calls.count(EPL) == 1, "the probe")
        finally:
            worker.kill()
    simulator.faults.clear()
    held = Circuit.objects.get()
    assert held.probe_until is not None
    just_before = held.probe_until - timedelta(milliseconds=1)
    assert isinstance(admit(provider.pk, config_with(), just_before), Decision)

    lease_ends = held.probe_until
    for _ in range(2):
        list(poll(provider.pk, config_with(), lambda: lease_ends))

    assert simulator.calls.count(EPL) == 3
    assert Circuit.objects.get().state == "closed"


def test_a_restart_keeps_state_step_and_reasons(
    simulator: RunningSimulator, environ: dict[str, str]
) -> None:
    provider = polled_provider(simulator)
    simulator.fail(EPL, "503")
    now = datetime.now(UTC)
    for _ in range(3):
        list(poll(provider.pk, config_with(), lambda: now))
    before = Circuit.objects.get()
    assert before.retry_at is not None

    shown = subprocess.run(
        [sys.executable, "manage.py", "circuit", "show", provider.key, "--json"],
        cwd=CHECKOUT, env=environ, check=True, capture_output=True, text=True,
    )  # fmt: skip

    (circuit,) = json.loads(shown.stdout)
    assert (circuit["state"], circuit["step"], circuit["reason"]) == ("open", 1, before.reason)
    shown_at = datetime.fromisoformat(circuit["retry_at"])
    assert abs(shown_at - before.retry_at) < timedelta(milliseconds=1)
    assert Circuit.objects.get().version == before.version
    assert CircuitTransition.objects.get().reason == before.reason
