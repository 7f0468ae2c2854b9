"""A provider fails for minutes, under a clock of the test's own: few calls, nobody else waits."""

from __future__ import annotations

import pytest

from betting.models import Provider, Quote
from streaming.models import CircuitTransition, PollOutcome, PollRun
from streaming.simulator.faults import FaultRule
from streaming.simulator.running import RunningSimulator
from tests.support.beat import BEGINNING, CONFIG, WITHOUT_CIRCUITS, Beat, gaps
from tests.support.polling import EPL, NBA, polled_provider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

OUTAGE_SECONDS = 300


def a_pair(simulator: RunningSimulator) -> None:
    """One provider whose sport will fail, and one that is polled beside it."""
    polled_provider(simulator, key="failing", sports=[EPL], interval_seconds=2.0)
    polled_provider(simulator, key="healthy", sports=[NBA], interval_seconds=3.0)


def test_three_calls_open_the_circuit_and_then_they_are_1_2_4_8_15_15_seconds_apart(
    simulator: RunningSimulator,
) -> None:
    a_pair(simulator)
    simulator.fail(EPL, "503")
    beat = Beat(simulator)

    beat.run(60)

    calls = beat.calls[EPL]
    opened = CircuitTransition.objects.filter(from_state="closed", to_state="open").get()
    assert gaps(calls[:3]) == [2.0, 2.0]
    assert (opened.at - BEGINNING).total_seconds() == calls[2]
    waits = gaps(calls[2:])
    assert len(waits) == 6
    parts = [wait / step for wait, step in zip(waits, (1, 2, 4, 8, 15, 15), strict=True)]
    assert all(0.9 <= part <= 1.1 for part in parts)
    # The jitter is drawn anew each time.
    assert len({round(part, 6) for part in parts}) > 1
    assert simulator.calls.count(EPL) == 9


def test_the_other_providers_polls_come_at_the_same_times_as_without_the_fault(
    simulator: RunningSimulator,
) -> None:
    times = []
    for is_failing in (False, True):
        Provider.objects.all().delete()
        simulator.faults.clear()
        if is_failing:
            simulator.fail(EPL, "503")
        a_pair(simulator)
        beat = Beat(simulator)
        beat.run(60)
        times.append(beat.calls[NBA])
    assert times[0] == times[1]
    assert len(times[0]) == 20


def test_an_outage_of_five_minutes_costs_a_tenth_of_the_calls_or_less(
    simulator: RunningSimulator,
) -> None:
    simulator.fail("*", "503")
    made = {}
    for name, config in (("off", WITHOUT_CIRCUITS), ("on", CONFIG)):
        Provider.objects.all().delete()
        simulator.calls.clear()
        polled_provider(simulator, sports=[EPL, NBA], interval_seconds=2.0)
        Beat(simulator, config).run(OUTAGE_SECONDS)
        made[name] = simulator.calls.count(EPL) + simulator.calls.count(NBA)
    saved = 1 - made["on"] / made["off"]
    print(
        f"\ncalls to a provider that fails for {OUTAGE_SECONDS} s, two requests every 2 s:"
        f" {made['off']} without circuits, {made['on']} with them, {saved:.1%} fewer"
    )
    assert made["off"] == OUTAGE_SECONDS
    assert saved >= 0.9


def test_a_provider_that_recovers_is_back_with_its_second_probe(
    simulator: RunningSimulator,
) -> None:
    provider = polled_provider(simulator, sports=[EPL], interval_seconds=2.0)
    beat = Beat(simulator)
    beat.run(4)
    simulator.fail(EPL, "503")
    beat.run(10)
    assert set(Quote.objects.values_list("status", flat=True)) == {"quarantined"}
    simulator.faults.clear()

    beat.run(10)

    provider.circuit.refresh_from_db()
    assert provider.circuit.state == "closed"
    assert set(Quote.objects.values_list("status", flat=True)) <= {"active", "suspended"}
    assert Quote.objects.filter(status="active").exists()
    assert PollRun.objects.latest("id").outcome == PollOutcome.OK


def test_a_provider_that_asks_to_be_left_alone_is_from_its_first_word_on(
    simulator: RunningSimulator,
) -> None:
    polled_provider(simulator, sports=[EPL, NBA], interval_seconds=2.0)
    simulator.faults.put(FaultRule(EPL, "429", retry_after_seconds=20))
    beat = Beat(simulator)
    beat.run(90)
    assert beat.calls[EPL] == [0.0, 20.0, 40.0, 60.0, 80.0]
    # Whoever asks too often is not asked for anything else either: the rest of each poll waits.
    assert beat.calls[NBA] == []
    states = CircuitTransition.objects.order_by("id").values_list("from_state", "to_state")
    assert states[0] == ("closed", "open")
    refused = PollRun.objects.filter(outcome=PollOutcome.REFUSED)
    assert refused.count() == len(beat.calls[EPL])


def test_one_answer_that_asks_for_a_pause_opens_nothing(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=[EPL], interval_seconds=2.0)
    beat = Beat(simulator)
    beat.run(2)
    simulator.faults.put(FaultRule(EPL, "429", retry_after_seconds=20))
    beat.run(2)
    simulator.faults.clear()
    beat.run(30)
    assert gaps(beat.calls[EPL])[:3] == [2.0, 20.0, 2.0]
    provider.circuit.refresh_from_db()
    assert (provider.circuit.state, provider.circuit.pause_until) == ("closed", None)
    assert set(Quote.objects.values_list("status", flat=True)) == {"active"}


def test_a_rejected_key_is_tried_once_and_a_person_is_told(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=[EPL, NBA], interval_seconds=2.0)
    simulator.fail(EPL, "401")
    Beat(simulator).run(60)
    assert simulator.calls.count(EPL) == 1
    assert simulator.calls.count(NBA) == 0
    provider.circuit.refresh_from_db()
    assert "Check the key" in provider.circuit.advice
    refused = PollRun.objects.filter(outcome=PollOutcome.REFUSED)
    # The rest of the first poll; the next one is due when the circuit is probed, in a day.
    assert refused.count() == 1
    assert {run.failure_message for run in refused} == {provider.circuit.reason}


def test_a_used_up_quota_is_probed_when_it_is_renewed(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=[EPL], interval_seconds=2.0)
    simulator.fail(EPL, "out_of_credits")
    Beat(simulator).run(10)
    provider.circuit.refresh_from_db()
    renewed = provider.circuit.retry_at
    assert renewed is not None
    assert (renewed.day, renewed.hour, renewed.minute) == (1, 0, 0)
    assert f"until {renewed:%Y-%m-%d}" in provider.circuit.advice
    assert simulator.calls.count(EPL) == 1
