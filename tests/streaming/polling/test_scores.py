"""Polling for results over real HTTP: who is asked, what is written, and what a failure leaves."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from betting.db.clock import database_now
from betting.models import Event, EventAlias, Outcome, Provider
from streaming import tasks
from streaming.core.failures import DataFailure
from streaming.core.results import Reported
from streaming.models import Circuit, DeadLetter, PollOutcome, PollRun
from streaming.polling import circuits
from streaming.polling.poll import PollUnansweredError, poll, require_answer
from streaming.polling.scores import (
    FAILED_WAIT,
    POLL_SCORES,
    ScoresPoll,
    due_scores,
    import_scores,
    poll_scores,
)
from streaming.providers.base import Scores
from streaming.simulator.faults import FaultKind, FaultRule
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.running import RunningSimulator, running_simulator
from tests.integration.conftest import wait_until
from tests.support import rows
from tests.support.polling import EPL, KEY, KEY_ENV, NBA, config_with, polled_provider
from valuation.models import Result
from valuation.results.graded_edges import graded_edges
from valuation.results.grading import Grade

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

FEED = f"/v4/sports/{EPL}/scores"

BRIEF = MarketPolicy(
    events_per_sport=3,
    lead_seconds=(1.0, 2.0),
    duration_seconds=(1.0, 1.5),
    step_seconds=0.1,
    suspend_rate=0.0,
)
"""A market whose events end moments after they were listed, and are on the board all along."""


@pytest.fixture
def provider(simulator: RunningSimulator) -> Provider:
    """A provider of the simulator that has been polled, so that its events are known."""
    provider = polled_provider(simulator)
    list(poll(provider.pk, config_with()))
    simulator.calls.clear()
    PollRun.objects.all().delete()
    assert Event.objects.exists()
    return provider


def start_all(hours_ago: float = 2.0) -> None:
    Event.objects.update(commence_time=datetime.now(UTC) - timedelta(hours=hours_ago))


def ask(provider: Provider, sport: str = EPL) -> ScoresPoll:
    return poll_scores(provider.pk, sport, config_with())


def game(event: Event) -> dict[str, object]:
    """An event that is over, as the service lists it."""
    return {
        "id": event.aliases.values_list("external_id", flat=True)[0],
        "sport_key": event.sport.key,
        "commence_time": event.commence_time.isoformat(),
        "completed": True,
        "home_team": event.home,
        "away_team": event.away,
        "scores": [{"name": event.home, "score": "2"}, {"name": event.away, "score": "1"}],
    }


def test_a_sport_is_due_once_an_event_of_it_has_started(provider: Provider) -> None:
    Event.objects.update(commence_time=datetime.now(UTC) + timedelta(hours=1))
    assert due_scores(config_with()) == []
    start_all()
    assert due_scores(config_with()) == [(provider.pk, EPL)]


@pytest.mark.usefixtures("provider")
def test_what_is_due_is_found_in_two_queries() -> None:
    start_all()
    config, now = config_with(), database_now()
    with CaptureQueriesContext(connection) as queries:
        assert due_scores(config, lambda: now) != []
    assert len(queries) == 2


def test_nothing_is_due_of_events_with_a_result_or_that_the_service_lists_no_more(
    provider: Provider,
) -> None:
    start_all(hours_ago=73)
    assert due_scores(config_with()) == []
    start_all()
    for event in Event.objects.all():
        Result.objects.create(event=event, status="void", source="test")
    assert due_scores(config_with()) == []
    done = ask(provider)
    assert done.run is None
    done.require_answer()


def test_nothing_is_due_of_a_disabled_provider_or_one_without_scores(provider: Provider) -> None:
    start_all()
    Provider.objects.update(enabled=False)
    assert due_scores(config_with()) == []
    done = ask(provider)
    assert done.run is None
    with pytest.raises(PollUnansweredError, match="disabled"):
        done.require_answer()
    Provider.objects.update(enabled=True, adapter="kalshi")
    assert due_scores(config_with()) == []
    assert ask(provider).run is None


def test_of_providers_that_share_a_service_the_one_with_most_credits_is_asked(
    provider: Provider, simulator: RunningSimulator
) -> None:
    start_all()
    other = polled_provider(simulator, key="other")
    for event in Event.objects.all():
        EventAlias.objects.create(event=event, provider=other, external_id=f"x{event.pk}")
    Provider.objects.filter(pk=provider.pk).update(quota_remaining=10)
    Provider.objects.filter(pk=other.pk).update(quota_remaining=20)
    assert due_scores(config_with()) == [(other.pk, EPL)]


@pytest.mark.parametrize(
    "circuit", [{"state": "open"}, {"state": "half_open"}, {"mode": "forced_open"}]
)
def test_a_provider_whose_circuit_is_not_closed_leaves_its_sports_to_another(
    provider: Provider, simulator: RunningSimulator, circuit: dict[str, str]
) -> None:
    start_all()
    other = polled_provider(simulator, key="other")
    for event in Event.objects.all():
        EventAlias.objects.create(event=event, provider=other, external_id=f"x{event.pk}")
    Provider.objects.filter(pk=provider.pk).update(quota_remaining=None)
    Provider.objects.filter(pk=other.pk).update(quota_remaining=20)
    assert due_scores(config_with()) == [(provider.pk, EPL)]
    Circuit.objects.filter(provider=provider).update(**circuit)
    assert due_scores(config_with()) == [(other.pk, EPL)]
    Circuit.objects.filter(provider=provider).update(mode="disabled", state="closed")
    assert due_scores(config_with()) == [(provider.pk, EPL)]


@pytest.mark.parametrize("fault", ["invalid_json", "huge"])
def test_a_sport_whose_answer_was_of_no_use_is_asked_for_again_after_a_while(
    provider: Provider, simulator: RunningSimulator, fault: FaultKind
) -> None:
    start_all()
    config = config_with(max_body_bytes=100_000)
    simulator.faults.put(FaultRule(sport=EPL, kind=fault))
    poll_scores(provider.pk, EPL, config)
    assert due_scores(config) == []
    refused = PollRun(provider=provider, feed=FEED, outcome=PollOutcome.REFUSED, duration_ms=0.0)
    refused.save()
    assert due_scores(config) == []
    later = database_now() + FAILED_WAIT
    assert due_scores(config, lambda: later) == [(provider.pk, EPL)]


def test_a_readable_answer_ends_the_wait(provider: Provider, simulator: RunningSimulator) -> None:
    start_all()
    simulator.faults.put(FaultRule(sport=EPL, kind="invalid_json"))
    ask(provider)
    simulator.faults.clear()
    assert ask(provider).is_answered
    assert due_scores(config_with()) == [(provider.pk, EPL)]


def test_a_server_that_fails_for_a_moment_is_asked_again_next_time(
    provider: Provider, simulator: RunningSimulator
) -> None:
    start_all()
    simulator.faults.put(FaultRule(sport=EPL, kind="500"))
    ask(provider)
    assert due_scores(config_with()) == [(provider.pk, EPL)]


def test_an_answer_without_final_scores_is_recorded_and_grades_nothing(
    provider: Provider, simulator: RunningSimulator
) -> None:
    start_all()
    run = ask(provider).run
    assert run is not None
    assert (run.feed, run.outcome, run.http_status) == (FEED, PollOutcome.OK, 200)
    assert run.quota_cost == 2
    provider.refresh_from_db()
    assert provider.quota_remaining == run.quota_remaining
    assert simulator.calls.count(EPL) == 1
    assert not Result.objects.exists()


def test_credits_that_polls_need_are_left_to_them(
    provider: Provider, simulator: RunningSimulator
) -> None:
    start_all()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    row = Provider.objects.filter(pk=provider.pk)
    row.update(quota_remaining=5, quota_poll_cost=4, quota_resets_at=tomorrow)
    done = ask(provider)
    assert done.run is None
    with pytest.raises(PollUnansweredError, match="no credits to spare"):
        done.require_answer()
    assert simulator.calls.count(EPL) == 0
    row.update(quota_remaining=6)
    assert ask(provider).is_answered


def test_credits_that_another_request_has_taken_are_not_spent_again(
    provider: Provider, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_all()
    row = Provider.objects.filter(pk=provider.pk)
    row.update(quota_remaining=6, quota_poll_cost=4)
    admit = circuits.admit

    def admit_late(*args: Any, **named: Any) -> Any:
        row.update(quota_remaining=4)
        return admit(*args, **named)

    monkeypatch.setattr(circuits, "admit", admit_late)
    done = ask(provider)
    assert done.run is None
    with pytest.raises(PollUnansweredError, match="another request"):
        done.require_answer()
    assert simulator.calls.count(EPL) == 0


def test_an_answer_of_scores_is_no_answer_to_a_poll(provider: Provider) -> None:
    start_all()
    assert ask(provider).is_answered
    with pytest.raises(PollUnansweredError):
        require_answer(provider.pk, 0)
    require_answer(provider.pk, 0, FEED)


@pytest.mark.parametrize(
    ("source", "status"), [("ana", "void"), ("football-data", "void"), ("the_odds_api", "final")]
)
def test_an_answer_replaces_results_of_its_own_source_alone(
    provider: Provider, source: str, status: str
) -> None:
    event = Event.objects.filter(aliases__provider=provider)[0]
    Result.objects.create(event=event, status="void", source=source)
    said = Reported(
        "the_odds_api", event.sport.key, event.commence_time, event.home, event.away, 2, 1
    )
    import_scores(Scores((said,)), config_with())
    assert Result.objects.get().status == status


def test_an_open_circuit_refuses_and_that_is_recorded(
    provider: Provider, simulator: RunningSimulator
) -> None:
    start_all()
    Circuit.objects.filter(provider=provider).update(mode="forced_open")
    done = ask(provider)
    assert done.run is not None
    assert done.run.outcome == PollOutcome.REFUSED
    assert simulator.calls.count(EPL) == 0
    with pytest.raises(PollUnansweredError):
        done.require_answer()


def test_the_probe_of_a_half_open_circuit_is_left_to_a_poll(
    provider: Provider, simulator: RunningSimulator
) -> None:
    start_all()
    past = datetime.now(UTC) - timedelta(minutes=1)
    Circuit.objects.filter(provider=provider).update(state="open", since=past, retry_at=past)
    done = ask(provider)
    assert done.run is not None
    assert done.run.outcome == PollOutcome.REFUSED
    assert "probes" in done.run.failure_message
    assert simulator.calls.count(EPL) == 0
    circuit = Circuit.objects.get(provider=provider)
    assert (circuit.state, circuit.probe, circuit.probe_until) == ("open", 0, None)


def test_a_server_that_fails_counts_towards_the_provider_s_circuit(
    provider: Provider, simulator: RunningSimulator
) -> None:
    start_all()
    simulator.faults.put(FaultRule(sport=EPL, kind="500"))
    run = ask(provider).run
    assert run is not None
    assert (run.outcome, run.failure_kind) == (PollOutcome.FAILED, "transient")
    assert Circuit.objects.get(provider=provider).failures == 1
    assert PollRun.objects.get().feed == FEED


def test_no_row_holds_the_key(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    start_all()
    monkeypatch.setenv(KEY_ENV, "0therc0ffee0therc0ffee0therc0ffe")
    run = ask(provider).run
    assert run is not None
    assert run.failure_code == "invalid_key"
    stored = repr(list(PollRun.objects.values()))
    assert "0therc0ffee" not in stored
    assert KEY not in stored


def test_an_answer_that_cannot_be_read_is_a_letter_of_the_scores(
    provider: Provider, simulator: RunningSimulator
) -> None:
    start_all()
    simulator.faults.put(FaultRule(sport=EPL, kind="invalid_json"))
    run = ask(provider).run
    assert run is not None
    assert (run.outcome, run.failure_kind) == (PollOutcome.FAILED, "data")
    letter = DeadLetter.objects.get()
    assert (letter.feed, letter.task) == (FEED, "streaming.replay_payload")
    assert Circuit.objects.get(provider=provider).failures == 0
    with pytest.raises(DataFailure):
        tasks.replay_payload(**letter.kwargs)


def test_an_answer_too_large_to_read_is_a_letter_that_asks_for_scores_again(
    provider: Provider, simulator: RunningSimulator
) -> None:
    start_all()
    simulator.faults.put(FaultRule(sport=EPL, kind="huge"))
    poll_scores(provider.pk, EPL, config_with(max_body_bytes=100_000))
    letter = DeadLetter.objects.get()
    assert (letter.task, letter.args) == (POLL_SCORES, [provider.pk, EPL])


def test_a_replayed_answer_writes_the_results_that_it_holds(provider: Provider) -> None:
    start_all()
    event = Event.objects.earliest("pk")
    body = json.dumps([game(event)]).encode()
    tasks.replay_payload(
        provider=provider.key,
        path=FEED,
        params={"daysFrom": "3"},
        status=200,
        content_type="application/json",
        received_at=datetime.now(UTC).isoformat(),
        packed=base64.b64encode(zlib.compress(body)).decode(),
        adapter="the_odds_api",
    )
    result = Result.objects.get()
    assert (result.event, result.home_score, result.away_score) == (event, 2, 1)


def test_a_message_that_is_delivered_twice_asks_once(provider: Provider) -> None:
    start_all()
    config = config_with(dedupe_ms=60_000)
    outcomes = [poll_scores(provider.pk, EPL, config).run for _ in range(2)]
    assert [run and run.outcome for run in outcomes] == [PollOutcome.OK, PollOutcome.REPEATED]


def test_a_simulated_event_gets_its_result_and_its_outcomes_and_edges_are_graded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)
    with running_simulator(sports=[NBA], policy=BRIEF, api_key=KEY) as simulator:
        provider = polled_provider(simulator, sports=[NBA], markets=["h2h"])
        list(poll(provider.pk, config_with()))
        event = Event.objects.latest("commence_time")
        for outcome in Outcome.objects.filter(market__event=event, market__kind="h2h"):
            quote = outcome.quotes.filter(side="back").earliest("pk")
            opened_at = event.commence_time - timedelta(hours=1)
            rows.make_edge(quote, opened_at=opened_at, warnings=[])
        # What the messages do, without a broker, until the event is over.
        wait_until(lambda: _grade(event), "the result of the event", seconds=30.0)
        assert simulator.calls.count(NBA) >= 2
    result = Result.objects.get(event=event)
    assert (result.status, result.source) == ("final", "the_odds_api")
    graded = graded_edges("sport")
    assert sorted(graded.grade) == [Grade.LOST, Grade.WON]
    assert min(graded.profit) == -1.0
    assert max(graded.profit) > 0


def _grade(event: Event) -> bool:
    for provider_id, sport in due_scores(config_with()):
        poll_scores(provider_id, sport, config_with())
    return Result.objects.filter(event=event).exists()


def test_beat_s_task_sends_one_message_for_each_provider_and_sport(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_all()
    sent: list[object] = []

    def note(args: object, **options: Any) -> None:
        sent.append((args, options))

    monkeypatch.setattr(tasks.poll_scores, "apply_async", note)
    hourly = config_with()
    hourly = replace(hourly, poll=replace(hourly.poll, scores_interval_seconds=3_600.0))
    monkeypatch.setattr(tasks, "get_config", lambda: hourly)
    tasks.send_score_polls()
    assert sent == [((provider.pk, EPL), {"expires": 3600.0})]


def test_the_task_asks_the_provider(provider: Provider, simulator: RunningSimulator) -> None:
    start_all()
    tasks.poll_scores(provider.pk, EPL)
    assert simulator.calls.count(EPL) == 1
    assert PollRun.objects.get().feed == FEED
