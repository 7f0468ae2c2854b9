"""Circuits in the database: whoever asks, in whatever order, one probe at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime

import pytest
from django.db import IntegrityError, connection, transaction

from betting.config import Config, get_config
from betting.models import Provider
from streaming.core.breaker import CallOutcome, Command, Decision
from streaming.models import Circuit, CircuitTransition
from streaming.polling.circuits import Admission, admit, give_command, record, release
from tests.support.rows import make_circuit, make_provider
from tests.support.snapshots import at

CONFIG = replace(get_config(), circuit=replace(get_config().circuit, jitter_fraction=0.0))
DOWN = CallOutcome(0.1, "transient", "HTTP 503")
WELL = CallOutcome(0.1)

pytestmark = pytest.mark.django_db


def call(provider: Provider, what: CallOutcome, now: datetime, config: Config = CONFIG) -> Circuit:
    """One admitted call that ends this way."""
    admission = admit(provider.pk, config, now)
    assert isinstance(admission, Admission)
    record(admission, replace(what, probe=admission.probe), config, now)
    return Circuit.objects.get(provider=provider)


def opened(provider: Provider, now: datetime) -> Circuit:
    for _ in range(3):
        circuit = call(provider, DOWN, now)
    assert circuit.state == "open"
    return circuit


def test_three_failures_open_the_circuit_and_raise_the_generation_with_it() -> None:
    provider = make_provider()
    circuit = opened(provider, at(0))

    provider.refresh_from_db()
    assert (provider.generation, provider.next_poll_at) == (1, at(1))
    assert (circuit.retry_at, circuit.reason) == (
        at(1),
        "3 failures in a row, the last: HTTP 503",
    )
    transition = CircuitTransition.objects.get()
    assert (transition.from_state, transition.to_state) == ("closed", "open")
    assert (transition.reason, transition.actor) == (circuit.reason, "")


def test_an_open_circuit_refuses_until_its_time_and_then_admits_one_probe() -> None:
    provider = make_provider()
    opened(provider, at(0))

    early = admit(provider.pk, CONFIG, at(0.9))
    probe = admit(provider.pk, CONFIG, at(1))
    second = admit(provider.pk, CONFIG, at(1))

    assert isinstance(early, Decision)
    assert early.until == at(1)
    assert probe == Admission(provider.pk, generation=1, probe=1)
    assert isinstance(second, Decision)
    assert "probe is under way" in second.reason


def test_a_refused_provider_is_polled_again_when_asking_may_help() -> None:
    provider = make_provider()
    opened(provider, at(0))
    Provider.objects.update(next_poll_at=at(30))
    admit(provider.pk, CONFIG, at(0.5))
    provider.refresh_from_db()
    assert provider.next_poll_at == at(1)


def test_a_pause_that_the_first_failure_asks_for_is_kept_and_puts_off_the_next_poll() -> None:
    provider = make_provider(next_poll_at=at(2))
    circuit = call(provider, replace(DOWN, retry_after_seconds=20.0), at(0))

    refused = admit(provider.pk, CONFIG, at(19.9))

    provider.refresh_from_db()
    assert (circuit.state, provider.generation) == ("closed", 0)
    assert isinstance(refused, Decision)
    assert (refused.until, provider.next_poll_at) == (at(20), at(20))
    assert isinstance(admit(provider.pk, CONFIG, at(20)), Admission)


def test_a_pause_shorter_than_the_interval_brings_no_poll_forward() -> None:
    provider = make_provider(next_poll_at=at(30))
    call(provider, replace(DOWN, retry_after_seconds=5.0), at(0))
    assert isinstance(admit(provider.pk, CONFIG, at(1)), Decision)
    provider.refresh_from_db()
    assert provider.next_poll_at == at(30)


@pytest.mark.parametrize("command", ["close", "disable", None])
def test_a_pause_is_only_noted_while_every_call_is_to_pass(command: Command | None) -> None:
    provider, config = make_provider(), CONFIG
    if command is None:
        config = replace(CONFIG, circuits_enabled=False)
    else:
        give_command(provider, command, "maintenance", "ops", at(0))
    Provider.objects.update(next_poll_at=at(2))
    circuit = call(provider, replace(DOWN, retry_after_seconds=20.0), at(0), config)
    provider.refresh_from_db()
    assert (circuit.pause_until, provider.next_poll_at) == (at(20), at(2))
    assert isinstance(admit(provider.pk, config, at(1)), Admission)


def test_two_probes_that_succeed_close_it_and_each_makes_the_next_poll_due() -> None:
    provider = make_provider()
    opened(provider, at(0))

    assert call(provider, WELL, at(1)).state == "half_open"
    provider.refresh_from_db()
    # As soon as the same request is no repetition any more.
    assert provider.next_poll_at == at(1.5)
    assert call(provider, WELL, at(2)).state == "closed"

    history = CircuitTransition.objects.order_by("id").values_list("from_state", "to_state")
    assert list(history) == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


def test_a_probe_that_fails_opens_it_again_in_a_new_generation() -> None:
    provider = make_provider()
    opened(provider, at(0))
    circuit = call(provider, DOWN, at(1))
    provider.refresh_from_db()
    assert (circuit.state, circuit.retry_at, provider.generation) == ("open", at(3), 2)


def test_a_probe_whose_holder_died_is_given_up_when_its_lease_ends() -> None:
    provider = make_provider()
    opened(provider, at(0))
    assert isinstance(admit(provider.pk, CONFIG, at(1)), Admission)  # and dies

    lease_ends = Circuit.objects.get().probe_until
    assert lease_ends == at(31)
    assert isinstance(admit(provider.pk, CONFIG, at(30.9)), Decision)
    assert admit(provider.pk, CONFIG, at(31)) == Admission(provider.pk, 1, probe=2)


def test_a_lease_lasts_as_long_as_a_call_may() -> None:
    provider = make_provider()
    make_circuit(provider, probe_lease_seconds=0.5)
    patient = replace(CONFIG, fetch=replace(CONFIG.fetch, total_timeout_seconds=50.0))
    opened(provider, at(0))
    admit(provider.pk, patient, at(1))
    assert Circuit.objects.get().probe_until == at(61)


def test_the_late_answer_of_a_probe_that_was_given_up_decides_nothing() -> None:
    provider = make_provider()
    opened(provider, at(0))
    late = admit(provider.pk, CONFIG, at(1))
    assert isinstance(late, Admission)
    admit(provider.pk, CONFIG, at(40))

    record(late, replace(DOWN, probe=late.probe), CONFIG, at(41))

    circuit = Circuit.objects.get()
    assert (circuit.state, circuit.probe) == ("half_open", 2)
    assert circuit.probe_until is not None


def test_a_probe_that_was_not_needed_leaves_its_place_to_the_next() -> None:
    provider = make_provider()
    opened(provider, at(0))
    unused = admit(provider.pk, CONFIG, at(1))
    assert isinstance(unused, Admission)
    release(unused)
    assert isinstance(admit(provider.pk, CONFIG, at(1)), Admission)


def test_a_call_like_any_other_that_was_not_made_changes_nothing() -> None:
    provider = make_provider()
    admission = admit(provider.pk, CONFIG, at(0))
    assert isinstance(admission, Admission)
    before = Circuit.objects.values().get()
    release(admission)
    assert Circuit.objects.values().get() == before


def test_a_permanent_failure_asks_for_a_person_and_is_probed_after_a_day() -> None:
    provider = make_provider()
    rejected = CallOutcome(
        0.1, "permanent", "invalid_key: HTTP 401", "Check the key.", needs_person=True
    )
    circuit = call(provider, rejected, at(0))
    assert (circuit.state, circuit.advice) == ("open", "Check the key.")
    refused = admit(provider.pk, CONFIG, at(86_399))
    assert isinstance(refused, Decision)
    assert (refused.until, refused.reason) == (at(86_400), "invalid_key: HTTP 401")
    assert isinstance(admit(provider.pk, CONFIG, at(86_400)), Admission)


def test_switched_off_circuits_refuse_nothing_and_go_on_counting() -> None:
    provider, off = make_provider(), replace(CONFIG, circuits_enabled=False)
    for _ in range(5):
        circuit = call(provider, DOWN, at(0), off)
    assert (circuit.state, circuit.failures, circuit.recent) == ("closed", 5, "fffff")
    provider.refresh_from_db()
    assert provider.generation == 0

    give_command(provider, "open", "maintenance", "ops", at(1))
    assert isinstance(admit(provider.pk, off, at(2)), Admission)


def test_a_row_overrides_the_configured_policy_where_it_says_so() -> None:
    provider = make_provider()
    make_circuit(provider, open_after_failures=1, backoff_seconds=[7.0])
    circuit = call(provider, DOWN, at(0))
    assert (circuit.state, circuit.retry_at) == ("open", at(7))


@pytest.mark.parametrize(
    ("command", "state", "mode", "verdict"),
    [
        ("open", "open", "forced_open", Decision),
        ("close", "closed", "forced_closed", Admission),
        ("disable", "open", "disabled", Admission),
        ("reset", "closed", "automatic", Admission),
    ],
)
def test_an_operators_word_overrules_the_calls_and_is_kept(
    command: Command, state: str, mode: str, verdict: type
) -> None:
    provider = make_provider()
    opened(provider, at(0))
    give_command(provider, command, " they said\nso ", "ops", at(0.5))

    circuit = Circuit.objects.get()
    assert (circuit.state, circuit.mode, circuit.reason) == (state, mode, "they said so")
    assert isinstance(admit(provider.pk, CONFIG, at(0.6)), verdict)
    kept = CircuitTransition.objects.latest("id")
    assert (kept.actor, kept.reason, kept.mode, kept.at) == ("ops", "they said so", mode, at(0.5))


def test_a_command_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        give_command(make_provider(), "open", "  ", "ops", at(0))
    assert not CircuitTransition.objects.exists()


def test_a_circuit_that_is_forced_open_raises_the_generation() -> None:
    provider = make_provider()
    give_command(provider, "open", "maintenance", "ops", at(0))
    provider.refresh_from_db()
    assert provider.generation == 1


def test_a_steady_provider_costs_no_write() -> None:
    provider = make_provider()
    for _ in range(CONFIG.circuit.window_calls):
        call(provider, WELL, at(0))
    version = Circuit.objects.get().version
    call(provider, WELL, at(1))
    assert Circuit.objects.get().version == version


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "ajar"},
        {"mode": "sometimes"},
        {"state": "closed", "probe_until": at(0)},
        {"state": "closed", "retry_at": at(0)},
        {"failure_rate": 1.5},
        {"window_calls": 1_001},
        {"open_after_failures": 0},
        {"backoff_seconds": []},
    ],
)
def test_the_database_refuses_a_circuit_that_cannot_be(fields: dict[str, object]) -> None:
    provider = make_provider()
    with pytest.raises(IntegrityError), transaction.atomic():
        make_circuit(provider, **fields)


def at_once(work: Callable[[], object], times: int) -> list[object]:
    """Run something in many threads at the same moment, each on a connection of its own."""
    barrier = threading.Barrier(times)

    def one() -> object:
        with closing(connection):
            connection.ensure_connection()
            barrier.wait()
            return work()

    with ThreadPoolExecutor(times) as pool:
        futures = [pool.submit(one) for _ in range(times)]
    return [future.result() for future in futures]


@pytest.mark.django_db(transaction=True)
def test_of_many_that_ask_at_the_same_moment_one_gets_the_probe() -> None:
    provider = make_provider()
    opened(provider, at(0))
    for number in range(1, 6):
        moment = at(100 * number)
        answers = at_once(lambda moment=moment: admit(provider.pk, CONFIG, moment), 8)  # type: ignore[misc]  # mypy cannot infer a lambda's default
        assert Counter(map(type, answers)) == {Admission: 1, Decision: 7}


@pytest.mark.django_db(transaction=True)
def test_no_failure_is_lost_when_many_are_recorded_at_the_same_moment() -> None:
    provider = make_provider()
    make_circuit(provider, open_after_failures=1_000, min_calls=1_000, window_calls=1_000)
    admission = Admission(provider.pk, 0)
    at_once(lambda: record(admission, DOWN, CONFIG, at(0)), 8)
    circuit = Circuit.objects.get()
    assert (circuit.failures, circuit.recent) == (8, "f" * 8)


@pytest.mark.django_db(transaction=True)
def test_a_circuit_that_many_see_fail_opens_once() -> None:
    provider = make_provider()
    admission = admit(provider.pk, CONFIG, at(0))
    assert isinstance(admission, Admission)
    at_once(lambda: record(admission, DOWN, CONFIG, at(0)), 8)
    provider.refresh_from_db()
    assert provider.generation == CircuitTransition.objects.count() == 1
