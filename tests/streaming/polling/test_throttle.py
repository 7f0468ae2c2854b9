"""The throttle of polls: a shadow that only counts, or polls that are held back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from betting.config import Config
from betting.db.clock import database_now
from betting.models import Clock, Provider
from streaming.core.throttle import CallHistory, ThrottleMode, ThrottlePolicy
from streaming.models import Circuit, PollOutcome, PollRun
from streaming.polling.circuits import give_command
from streaming.polling.throttle import throttle_of
from streaming.simulator.faults import FaultRule
from streaming.simulator.running import RunningSimulator
from tests.support.polling import EPL, config_with, poll_now, polled_provider
from tests.support.rows import make_circuit

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

ALARMED = CallHistory(
    learnt=60, mean=-1.0, latest=1.2, latency_sum=ThrottlePolicy().latency_alarm, requests=10.0
)
"""A provider whose answers take 3.3 s, usually 0.4 s."""


def config_of(mode: ThrottleMode) -> Config:
    return replace(config_with(), circuit_throttle=mode)


def history(provider: Provider) -> CallHistory:
    return CallHistory.of(Circuit.objects.get(provider=provider).call_history)


@pytest.fixture
def unlucky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chance falls on holding back."""
    monkeypatch.setattr("streaming.polling.throttle.random.random", lambda: 0.0)


@pytest.fixture
def provider(simulator: RunningSimulator) -> Provider:
    return polled_provider(simulator)


def alarmed(provider: Provider, **fields: object) -> Circuit:
    return make_circuit(provider, call_history=ALARMED.document(), **fields)


def test_each_poll_adds_its_calls_to_what_is_remembered(
    provider: Provider, simulator: RunningSimulator
) -> None:
    poll_now(provider, config_of("shadow"))
    poll_now(provider, config_of("shadow"))
    simulator.faults.put(FaultRule(EPL, "503"))
    poll_now(provider, config_of("shadow"))

    known = history(provider)
    assert known.learnt == 2
    assert known.accepts == pytest.approx(0.95 + 0.95**2)
    assert known.failures == 1.0
    assert known.error_sum == pytest.approx(ThrottlePolicy().error_weight)


@pytest.mark.usefixtures("unlucky")
def test_a_poll_is_held_back_with_its_reason_and_no_request(
    provider: Provider, simulator: RunningSimulator
) -> None:
    alarmed(provider)

    (run,) = poll_now(provider, config_of("on"))

    assert simulator.calls.count(EPL) == 0
    assert run.outcome == PollOutcome.REFUSED
    assert run.failure_message == (
        "Throttled: answers take 3.3 s, usually 0.4 s. 70 % of the polls are held back."
    )
    assert history(provider).held == 1
    assert history(provider).requests == pytest.approx(10.5)


def test_as_many_polls_pass_as_the_share_leaves(
    provider: Provider, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.polling.throttle.random.random", lambda: 0.71)
    alarmed(provider)

    (run,) = poll_now(provider, config_of("on"))

    assert (run.outcome, simulator.calls.count(EPL)) == (PollOutcome.OK, 1)


@pytest.mark.usefixtures("unlucky")
def test_a_shadow_holds_nothing_back_and_counts_what_it_would_have(
    provider: Provider, simulator: RunningSimulator
) -> None:
    alarmed(provider)

    (run,) = poll_now(provider, config_of("shadow"))

    assert (run.outcome, simulator.calls.count(EPL)) == (PollOutcome.OK, 1)
    assert history(provider).held == 1


@pytest.mark.usefixtures("unlucky")
def test_a_throttle_that_is_off_remembers_nothing(provider: Provider) -> None:
    poll_now(provider, config_of("off"))

    assert Circuit.objects.get(provider=provider).call_history is None


@pytest.mark.usefixtures("unlucky")
def test_where_circuits_are_switched_off_no_poll_is_held_back(
    provider: Provider, simulator: RunningSimulator
) -> None:
    alarmed(provider)

    poll_now(provider, replace(config_of("on"), circuits_enabled=False))

    assert simulator.calls.count(EPL) == 1


@pytest.mark.usefixtures("unlucky")
@pytest.mark.parametrize(
    "fields",
    [
        {"state": "open", "reason": "failures", "retry_at": None},
        {"state": "half_open", "reason": "failures"},
        {"failures": 1, "recent": "f"},
        {"mode": "forced_closed", "reason": "why"},
    ],
)
def test_the_throttle_leaves_probes_and_the_call_after_a_failure_alone(
    provider: Provider, simulator: RunningSimulator, fields: dict[str, object]
) -> None:
    if fields.get("state") == "open":
        fields = {**fields, "retry_at": database_now()}
    alarmed(provider, **fields)

    poll_now(provider, config_of("on"))

    assert simulator.calls.count(EPL) == 1
    assert history(provider).held == 0


def test_a_circuit_that_closes_ends_the_alarm_and_keeps_what_is_usual(provider: Provider) -> None:
    alarmed(provider, state="half_open", reason="failures", successes=1)

    poll_now(provider, config_of("on"))

    known = history(provider)
    assert Circuit.objects.get(provider=provider).state == "closed"
    assert (known.latency_sum, known.requests) == (0.0, 0.0)
    assert known.learnt == 60


def test_a_reset_forgets_all_calls(provider: Provider) -> None:
    alarmed(provider)

    give_command(provider, "reset", "It has moved.", "ann", database_now())

    assert Circuit.objects.get(provider=provider).call_history is None


def test_a_poll_under_way_does_not_bring_back_what_a_reset_has_forgotten(
    provider: Provider,
) -> None:
    alarmed(provider)
    throttle = throttle_of(provider, config_of("on"))
    assert throttle is not None

    give_command(provider, "reset", "It has moved.", "ann", database_now())
    throttle.save()

    assert Circuit.objects.get(provider=provider).call_history is None


def test_a_recording_has_no_throttle(provider: Provider) -> None:
    provider.clock = Clock.RECORDED

    assert throttle_of(provider, config_of("on")) is None


@pytest.mark.usefixtures("unlucky")
def test_a_poll_that_the_throttle_held_back_is_no_request(provider: Provider) -> None:
    alarmed(provider)
    poll_now(provider, config_of("on"))

    assert not PollRun.objects.exclude(outcome=PollOutcome.REFUSED).exists()
    assert Circuit.objects.get(provider=provider).recent == ""
