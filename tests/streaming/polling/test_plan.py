"""Plans of polls: a shadow beside even intervals, or the times at which a provider is polled."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from betting.config import Config
from betting.db.clock import database_now
from betting.models import Clock, Event, Provider
from streaming.core.poll_memory import FeedMemory, document_of
from streaming.core.poll_plan import PollPlan
from streaming.core.poll_saving import AdaptiveMode
from streaming.core.quota import Allowance
from streaming.ingest.ingest import IngestResult
from streaming.models import Circuit
from streaming.polling.plan import Planner, planner_of
from streaming.polling.poll import claim_due_providers, make_due, poll
from streaming.simulator.faults import FaultRule
from streaming.simulator.running import RunningSimulator
from tests.support.logs import lines_of
from tests.support.polling import EPL, NBA, config_with, polled_provider
from tests.support.races import racers
from tests.support.rows import make_circuit
from tests.support.rows import make_provider as make_unpolled
from tests.support.snapshots import event, quote, snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

INTERVAL = timedelta(seconds=30)


def config_of(mode: AdaptiveMode) -> Config:
    config = config_with()
    return replace(config, poll=replace(config.poll, adaptive=mode))


@pytest.fixture
def provider(simulator: RunningSimulator) -> Provider:
    return polled_provider(simulator, interval_seconds=30.0)


def poll_claimed(provider: Provider, mode: AdaptiveMode, at: datetime) -> Provider:
    """Claim a provider without jitter and poll it, both at one moment; its row afterwards."""
    Provider.objects.filter(pk=provider.pk).update(next_poll_at=at)
    claim_due_providers(at, jitter=0.0)
    list(poll(provider.pk, config_of(mode), lambda: at))
    provider.refresh_from_db()
    return provider


def plan_of(provider: Provider) -> PollPlan:
    plan = Circuit.objects.get(provider=provider).poll_plan
    assert plan is not None
    return PollPlan.of(plan)


def test_a_shadow_is_stored_beside_the_even_interval_and_moves_no_poll(provider: Provider) -> None:
    now = database_now()

    polled = poll_claimed(provider, "shadow", now)

    assert polled.next_poll_at == now + INTERVAL
    plan = plan_of(provider)
    assert (plan.version, plan.at, plan.even_seconds) == (1, now.timestamp(), 30.0)
    assert not plan.is_acting
    assert "in the last poll and " in plan.reason


def test_what_is_switched_off_is_not_learnt(provider: Provider) -> None:
    polled = poll_claimed(provider, "off", database_now())

    circuit = Circuit.objects.get(provider=polled)
    assert (circuit.poll_plan, circuit.poll_memory) == (None, None)


def test_a_plan_that_acts_moves_the_next_poll(provider: Provider) -> None:
    now = database_now()

    polled = poll_claimed(provider, "on", now)

    plan = plan_of(provider)
    assert plan.is_acting
    assert plan.seconds > 30, "nothing is saved at first"
    assert polled.next_poll_at == now + timedelta(seconds=plan.seconds)


def busy(provider: Provider, now: datetime, saved: float) -> None:
    """Give a provider saved polls, and events that are in play and change all the time."""
    plan = PollPlan(
        version=50,
        at=(now - INTERVAL).timestamp(),
        seconds=30.0,
        even_seconds=30.0,
        saved=saved,
        is_acting=True,
        other_at=now.timestamp(),
        other_seconds=30.0,
    )
    feeds = {
        f"/v4/sports/{sport}/odds": FeedMemory(
            now.timestamp(), {int(now.timestamp()) - 60: 4}, rates=(0.1,) * 8
        )
        for sport in (EPL, NBA)
    }
    make_circuit(provider, poll_plan=plan.document(), poll_memory=document_of(feeds))


def test_saved_polls_are_made_where_prices_move(
    provider: Provider, simulator: RunningSimulator
) -> None:
    now = database_now()
    busy(provider, now, saved=4_000.0)

    polled = poll_claimed(provider, "on", now)

    plan = plan_of(provider)
    assert plan.saved == pytest.approx(4_000 - 1 + 1)
    assert 7.5 <= plan.seconds < 30
    assert polled.next_poll_at == now + timedelta(seconds=plan.seconds)

    before = simulator.calls.count(EPL)
    claims = claim_due_providers(polled.next_poll_at, jitter=0.0)
    assert [claim.provider_id for claim in claims] == [provider.pk]
    list(poll(provider.pk, config_of("on"), lambda: polled.next_poll_at or now))
    assert simulator.calls.count(EPL) == before + 1
    assert plan_of(provider).saved < plan.saved, "a poll before its even time costs saved ones"


def same(moment: datetime) -> datetime:
    return moment


def test_over_real_requests_no_more_polls_are_made_than_at_even_intervals(
    provider: Provider, simulator: RunningSimulator
) -> None:
    begin = now = database_now()
    before = simulator.calls.count(EPL)
    Provider.objects.filter(pk=provider.pk).update(next_poll_at=now)
    seconds = set[float]()
    while now < begin + timedelta(minutes=10):
        claim_due_providers(now, jitter=0.0)
        list(poll(provider.pk, config_of("on"), partial(same, now)))
        provider.refresh_from_db()
        assert provider.next_poll_at is not None
        seconds.add((provider.next_poll_at - now).total_seconds())
        now = provider.next_poll_at

    polls = simulator.calls.count(EPL) - before
    assert polls <= 20
    assert plan_of(provider).version == polls
    assert min(seconds) >= 7.5
    assert max(seconds) <= 45


@pytest.fixture
def unpolled() -> Provider:
    """A provider that a tick has claimed, with a closed circuit."""
    provider = make_unpolled(next_poll_at=database_now() + INTERVAL)
    make_circuit(provider)
    return provider


def planner(provider: Provider, mode: AdaptiveMode = "on") -> Planner:
    """A planner that has heard an answer of one event."""
    found = planner_of(provider, config_of(mode), database_now)
    assert found is not None
    found.note(snapshot([event([quote("ace", "Cove Gulls", 1.8)])]), IngestResult())
    return found


def next_poll_at(provider: Provider) -> datetime | None:
    return Provider.objects.get(pk=provider.pk).next_poll_at


def test_a_person_who_wants_a_poll_now_wins(unpolled: Provider) -> None:
    acting = planner(unpolled)
    make_due(unpolled)

    acting.plan(Allowance(), is_good=True)

    assert next_poll_at(unpolled) is None
    assert plan_of(unpolled).version == 1


@pytest.mark.django_db(transaction=True)
def test_a_person_wins_at_every_step_against_a_plan_that_waits_for_the_row() -> None:
    provider = make_unpolled(next_poll_at=database_now() + INTERVAL)
    make_circuit(provider)

    def want_now() -> None:
        with transaction.atomic():
            make_due(provider)

    stop_at, has_step = 0, True
    with racers() as each:
        while has_step:
            provider.next_poll_at = database_now() + INTERVAL
            provider.save()
            acting = planner(provider)
            has_step = each.race(want_now, partial(acting.plan, Allowance(), is_good=True), stop_at)
            assert next_poll_at(provider) is None, f"stopped before step {stop_at}"
            stop_at += 1
    assert stop_at == 3, "the statement, the commit, and the end"


def test_a_poll_whose_message_is_lost_is_claimed_again_at_the_even_interval(
    provider: Provider, simulator: RunningSimulator
) -> None:
    now = database_now()
    busy(provider, now, saved=4_000.0)
    soon = poll_claimed(provider, "on", now).next_poll_at
    assert soon is not None
    before = simulator.calls.count(EPL)

    claim_due_providers(soon, jitter=0.0)

    assert next_poll_at(provider) == soon + INTERVAL, "though no poll was made"
    assert [claim.provider_id for claim in claim_due_providers(soon + INTERVAL)] == [provider.pk]
    assert simulator.calls.count(EPL) == before


def test_a_poll_that_takes_longer_than_its_interval_leaves_the_claim_of_the_next(
    unpolled: Provider,
) -> None:
    slow = planner(unpolled)
    (claim,) = claim_due_providers(unpolled.next_poll_at, jitter=0.0)
    claimed = next_poll_at(unpolled)
    assert claimed != unpolled.next_poll_at

    slow.plan(Allowance(), is_good=True)

    assert (claim.provider_id, next_poll_at(unpolled)) == (unpolled.pk, claimed)


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "open", "reason": "failures"},
        {"state": "half_open", "reason": "failures"},
        {"pause_until": timedelta(hours=1)},
    ],
)
def test_a_circuit_and_a_pause_win(unpolled: Provider, fields: dict[str, Any]) -> None:
    acting = planner(unpolled)
    if "pause_until" in fields:
        fields = {"pause_until": database_now() + fields["pause_until"]}
    Circuit.objects.filter(provider=unpolled).update(**fields)

    acting.plan(Allowance(), is_good=True)

    assert next_poll_at(unpolled) == unpolled.next_poll_at


def test_a_poll_with_a_failed_request_is_followed_by_an_even_one(
    simulator: RunningSimulator,
) -> None:
    provider = polled_provider(simulator, sports=[EPL, NBA], interval_seconds=30.0)
    simulator.faults.put(FaultRule(NBA, "503"))
    now = database_now()

    polled = poll_claimed(provider, "on", now)

    assert polled.next_poll_at == now + INTERVAL
    assert plan_of(provider).version == 1, "the feed that answered has taught something"


def test_a_requested_wait_is_kept(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=[EPL, NBA], interval_seconds=30.0)
    simulator.faults.put(FaultRule(NBA, "429", retry_after_seconds=600))
    now = database_now()

    polled = poll_claimed(provider, "on", now)

    assert polled.next_poll_at is not None
    assert polled.next_poll_at >= now + timedelta(seconds=600)


def test_without_credits_for_a_poll_no_plan_acts(unpolled: Provider) -> None:
    renewal = database_now() + timedelta(days=1)

    planner(unpolled).plan(Allowance(3, 4, renewal), is_good=True)

    assert next_poll_at(unpolled) == unpolled.next_poll_at


def test_a_poll_that_does_not_say_what_it_cost_is_paced_as_the_one_before() -> None:
    provider = make_unpolled(
        next_poll_at=database_now() + INTERVAL,
        quota_remaining=48.0,
        quota_poll_cost=4.0,
        quota_resets_at=database_now() + timedelta(hours=1),
    )
    make_circuit(provider)

    planner(provider).plan(Allowance(), is_good=True)

    plan = plan_of(provider)
    assert plan.even_seconds == pytest.approx(300, rel=0.01)
    assert plan.cost == 4.0
    assert plan.renews_at is not None


def keep_plan(provider: Provider, now: datetime, ago: float, **figures: Any) -> None:
    """Store an acting plan that was made some seconds ago."""
    kept = PollPlan(version=3, at=now.timestamp() - ago, is_acting=True, **figures)
    Circuit.objects.filter(provider=provider).update(poll_plan=kept.document())


def test_even_polls_are_those_of_a_provider_that_has_saved_none(unpolled: Provider) -> None:
    """Of 1,000 credits for an hour 500 were saved: even polls have 500 of them."""
    now = database_now()
    keep_plan(unpolled, now, ago=10, seconds=14.4, even_seconds=60.0, saved=125.0, cost=4.0)

    planner(unpolled).plan(Allowance(1_000, 4, now + timedelta(minutes=125)), is_good=True)

    assert plan_of(unpolled).even_seconds == pytest.approx(60, rel=0.01)


def test_the_longest_interval_keeps_prices_trusted_that_are_paced_by_all_credits(
    unpolled: Provider,
) -> None:
    """Ingest trusts prices for 300 s of silence at 200 s, though even polls are 300 s apart."""
    now = database_now()
    keep_plan(unpolled, now, ago=300, seconds=300.0, even_seconds=300.0, saved=144.0, cost=1.0)

    acting = planner_of(unpolled, config_of("on"), database_now)
    assert acting is not None
    acting.note(snapshot([]), IngestResult())
    acting.plan(Allowance(432, 1, now + timedelta(days=1)), is_good=True)

    plan = plan_of(unpolled)
    assert plan.even_seconds == pytest.approx(300, rel=0.01)
    assert plan.seconds == pytest.approx(240, rel=0.01), "four fifths of 300 s"


def test_what_others_have_spent_is_stored_as_saved_no_longer(unpolled: Provider) -> None:
    """300 credits for two days: 192 of them are polls at the slowest interval, of 900 s."""
    now = database_now()
    keep_plan(unpolled, now, ago=900, seconds=900.0, even_seconds=900.0, saved=280.0, cost=1.0)

    planner(unpolled).plan(Allowance(300, 1, now + timedelta(days=2)), is_good=True)

    assert plan_of(unpolled).saved == pytest.approx(108, abs=0.1)


def test_a_poll_is_counted_once(unpolled: Provider) -> None:
    first, second = planner(unpolled), planner(unpolled)

    first.plan(Allowance(), is_good=True)
    moved = next_poll_at(unpolled)
    second.plan(Allowance(), is_good=True)

    assert plan_of(unpolled).version == 1
    assert next_poll_at(unpolled) == moved


def test_a_poll_of_the_same_moment_is_not_counted_again(unpolled: Provider) -> None:
    at = database_now()
    for _ in range(2):
        again = planner_of(unpolled, config_of("shadow"), lambda: at)
        assert again is not None
        again.note(snapshot([event([quote("ace", "Cove Gulls", 1.8)])]), IngestResult())
        again.plan(Allowance(), is_good=True)

    assert plan_of(unpolled).version == 1


@pytest.mark.parametrize(
    "stored", [{"poll_plan": {"version": "two"}}, {"poll_memory": {"/odds": [1, 2]}}]
)
def test_what_cannot_be_read_is_replaced(unpolled: Provider, stored: dict[str, Any]) -> None:
    Circuit.objects.filter(provider=unpolled).update(**stored)
    assert Circuit.objects.get(provider=unpolled).plan is None

    planner(unpolled).plan(Allowance(), is_good=True)

    assert plan_of(unpolled).version == 1


def test_a_plan_that_fails_leaves_polls_even_and_is_logged(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("streaming.polling.plan.after", fails)
    caplog.set_level(logging.INFO)
    now = database_now()

    polled = poll_claimed(provider, "on", now)

    assert polled.next_poll_at == now + INTERVAL
    assert Event.objects.exists(), "the answer was ingested all the same"
    (said,) = (line for line in lines_of(caplog.records, "provider") if line["action"] == "pace")
    assert said["event"] == "simulated is polled at even intervals: no plan could be made"
    assert said["status"] == "degraded"


def test_a_recording_has_no_plan(provider: Provider) -> None:
    provider.clock = Clock.RECORDED

    assert planner_of(provider, config_of("on"), database_now) is None


def test_requests_for_single_events_are_remembered_together(unpolled: Provider) -> None:
    found = planner(unpolled, "shadow")
    for number in range(3):
        answer = snapshot(
            [event([quote("ace", "Cove Gulls", 1.8)])], feed=f"/events/{number}", is_list=False
        )
        found.note(answer, IngestResult())
    found.plan(Allowance(), is_good=True)

    memory = Circuit.objects.get(provider=unpolled).poll_memory
    assert memory is not None
    assert len(memory) == 2
    assert [count for _, count in memory[""][3]] == [3]


def statements(provider: Provider, mode: AdaptiveMode) -> int:
    """The statements of a poll: the fewest, since a poll may find something to do besides."""
    counts = []
    for _ in range(5):
        with CaptureQueriesContext(connection) as made:
            poll_claimed(provider, mode, database_now())
        counts.append(len(made))
    return min(counts)


def test_a_shadow_costs_a_poll_one_statement_that_reads_and_one_that_writes(
    provider: Provider,
) -> None:
    modes: tuple[AdaptiveMode, ...] = ("off", "shadow", "on")
    off, shadow, on = (statements(provider, mode) for mode in modes)

    assert shadow == off + 2
    assert on == off + 3
