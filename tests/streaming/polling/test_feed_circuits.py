"""One feed that fails takes no other feed of its provider off the board."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from betting.models import Feed, Provider, Quote
from streaming.core.breaker import CallOutcome
from streaming.ingest.quarantine import quarantine_unsafe
from streaming.models import Circuit, CircuitTransition, FeedCircuit, PollRun
from streaming.polling import feed_circuits
from streaming.polling.circuits import give_command
from streaming.polling.feed_circuits import FeedCircuits
from streaming.polling.poll import poll
from streaming.simulator.faults import FaultKind
from streaming.simulator.running import RunningSimulator
from tests.support.beat import CONFIG, WITHOUT_CIRCUITS, Beat
from tests.support.polling import EPL, NBA, polled_provider
from tests.support.rows import (
    make_feed,
    make_market,
    make_outcome,
    make_provider,
    make_quote,
)
from tests.support.snapshots import at

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

SPORTS = [EPL, NBA]


def statuses(sport: str) -> set[str]:
    found = Quote.objects.filter(feed__key__contains=f"/{sport}/").exclude(status="suspended")
    return set(found.values_list("status", flat=True))


def circuit_of(sport: str) -> FeedCircuit:
    return FeedCircuit.objects.get(feed__contains=f"/{sport}/")


def state_of(provider: Provider) -> str:
    return Circuit.objects.get(provider=provider).state


@pytest.mark.parametrize("sports", [SPORTS, SPORTS[::-1]], ids=["first", "last"])
@pytest.mark.parametrize("kind", ["404", "403", "304", "wrong_schema"])
def test_a_feed_that_fails_leaves_the_others_polled_and_priced_in_any_order(
    simulator: RunningSimulator, sports: Sequence[str], kind: FaultKind
) -> None:
    provider = polled_provider(simulator, sports=sports, interval_seconds=2.0)
    beat = Beat(simulator)
    beat.run(2)
    simulator.fail(EPL, kind)

    beat.run(20)

    assert state_of(provider) == "closed"
    assert len(beat.calls[NBA]) == 11
    assert (statuses(EPL), statuses(NBA)) == ({"quarantined"}, {"active"})
    failing = circuit_of(EPL)
    assert failing.state == "open"
    assert failing.retry_at is not None
    assert PollRun.objects.filter(feed=failing.feed, outcome="failed").exists()
    assert circuit_of(NBA).state == "closed"


def test_an_unknown_sport_that_never_answered_is_recorded_and_asked_again_after_a_day(
    simulator: RunningSimulator,
) -> None:
    simulator.fail(EPL, "404")
    provider = polled_provider(simulator, sports=SPORTS, interval_seconds=3_600.0)
    beat = Beat(simulator)
    list(poll(provider.pk, CONFIG, lambda: beat.now))
    failing = circuit_of(EPL)
    assert not Feed.objects.filter(key=failing.feed).exists()
    assert failing.reason == "HTTP 404 UNKNOWN_SPORT: Unknown sport"
    assert "Correct the provider's sports" in failing.advice
    asked = []
    # The jitter makes it a tenth more or less at most.
    for hours in (1, 21, 27):
        later = beat.now + timedelta(hours=hours)
        list(poll(provider.pk, CONFIG, lambda later=later: later))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        asked.append((simulator.calls.count(EPL), simulator.calls.count(NBA)))
    assert asked == [(1, 2), (1, 3), (2, 4)]


def test_a_page_of_a_gateway_is_tried_again_within_minutes_and_one_good_answer_ends_it(
    simulator: RunningSimulator,
) -> None:
    polled_provider(simulator, sports=SPORTS, interval_seconds=2.0)
    beat = Beat(simulator)
    beat.run(2)
    simulator.fail(EPL, "403")
    beat.run(10)
    simulator.faults.clear()
    assert statuses(EPL) == {"quarantined"}

    beat.run(70)

    # Refused at 2 s, asked again a minute later, give or take the jitter, and from then on.
    asked = beat.calls[EPL]
    assert asked[:2] == [0.0, 2.0]
    assert 56 <= asked[2] <= 70
    assert (circuit_of(EPL).state, statuses(EPL)) == ("closed", {"active"})


@pytest.mark.parametrize("kind", ["401", "out_of_credits"])
def test_a_refusal_of_the_key_or_the_quota_concerns_every_feed(
    simulator: RunningSimulator, kind: FaultKind
) -> None:
    provider = polled_provider(simulator, sports=SPORTS, interval_seconds=2.0)
    beat = Beat(simulator)
    beat.run(2)
    simulator.fail(EPL, kind)
    beat.run(4)
    assert state_of(provider) == "open"
    assert statuses(EPL) == statuses(NBA) == {"quarantined"}
    assert circuit_of(EPL).state == "closed"


@pytest.mark.parametrize(("kind", "polls"), [("403", 1), ("404", 1), ("wrong_schema", 3)])
def test_a_provider_none_of_whose_feeds_answers_fails_itself(
    simulator: RunningSimulator, kind: FaultKind, polls: int
) -> None:
    provider = polled_provider(simulator, sports=SPORTS, interval_seconds=2.0)
    beat = Beat(simulator)
    beat.run(2)
    simulator.fail("*", kind)
    beat.run(2 * polls)
    circuit = Circuit.objects.get(provider=provider)
    assert circuit.state == "open"
    assert "no feed answers" in circuit.reason
    assert circuit.retry_at is not None
    assert CircuitTransition.objects.filter(feed="", from_state="closed").count() == 1


def test_a_provider_is_back_with_whichever_feed_answers(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=SPORTS, interval_seconds=2.0)
    beat = Beat(simulator)
    beat.run(2)
    simulator.fail("*", "403")
    beat.run(4)
    assert state_of(provider) == "open"
    simulator.faults.clear()
    simulator.fail(EPL, "403")

    beat.run(75)

    assert state_of(provider) == "closed"
    assert (statuses(EPL), statuses(NBA)) == ({"quarantined"}, {"active"})


def test_feeds_that_are_left_out_are_asked_when_the_provider_itself_has_to_be_probed(
    simulator: RunningSimulator,
) -> None:
    provider = polled_provider(simulator, sports=SPORTS)
    list(poll(provider.pk, CONFIG, lambda: at(0)))
    simulator.fail("*", "404")
    list(poll(provider.pk, CONFIG, lambda: at(1)))
    simulator.faults.clear()
    FeedCircuit.objects.update(retry_at=at(10**6))
    Circuit.objects.update(retry_at=at(10))

    list(poll(provider.pk, CONFIG, lambda: at(11)))

    assert state_of(provider) == "closed"
    assert statuses(EPL) == statuses(NBA) == {"active"}
    assert circuit_of(EPL).state == circuit_of(NBA).state == "closed"


def test_an_empty_list_is_an_answer_and_no_failure(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=SPORTS)
    list(poll(provider.pk, CONFIG))
    feed = Feed.objects.get(key__contains=f"/{EPL}/")
    assert Quote.objects.filter(feed=feed, status="active").exists()
    simulator.fail(EPL, "empty")

    list(poll(provider.pk, CONFIG))

    assert set(Quote.objects.filter(feed=feed).values_list("status", flat=True)) == {"suspended"}
    assert (circuit_of(EPL).state, circuit_of(EPL).failures) == ("closed", 0)
    assert statuses(NBA) == {"active"}


def test_a_feed_that_is_not_asked_for_any_more_loses_its_circuit(
    simulator: RunningSimulator,
) -> None:
    provider = polled_provider(simulator, sports=SPORTS)
    simulator.fail(EPL, "404")
    list(poll(provider.pk, CONFIG))
    Provider.objects.update(sports=[NBA])
    list(poll(provider.pk, CONFIG))
    assert [row.feed for row in FeedCircuit.objects.all()] == [circuit_of(NBA).feed]


def test_a_feed_that_was_reset_is_asked_by_the_next_poll(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=SPORTS)
    simulator.fail(EPL, "404")
    list(poll(provider.pk, CONFIG))
    simulator.faults.clear()
    feed = circuit_of(EPL).feed

    assert feed_circuits.reset(provider, "sport added", "ann", at(0), feed) == 1
    list(poll(provider.pk, CONFIG))

    assert statuses(EPL) == {"active"}
    kept = CircuitTransition.objects.filter(actor="ann").get()
    assert (kept.feed, kept.to_state, kept.reason) == (feed, "closed", "sport added")


def test_a_reset_of_the_provider_begins_anew_with_its_feeds(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=SPORTS)
    simulator.fail(EPL, "404")
    list(poll(provider.pk, CONFIG))
    give_command(provider, "reset", "mended", "ann", at(0))
    assert circuit_of(EPL).state == "closed"


def test_switched_off_circuits_leave_no_feed_out(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator, sports=SPORTS)
    simulator.fail(EPL, "404")
    for _ in range(3):
        list(poll(provider.pk, WITHOUT_CIRCUITS))
    assert simulator.calls.count(EPL) == 3
    assert (circuit_of(EPL).state, circuit_of(EPL).failures) == ("closed", 3)


def test_quotes_of_a_feed_that_failed_are_swept_when_its_worker_died_before_it_could() -> None:
    provider = make_provider()
    failing, sound = make_feed(provider), make_feed(provider)
    quotes = [make_quote(make_outcome(make_market(), "home"), feed) for feed in (failing, sound)]
    refused = CallOutcome(0.1, "permanent", "HTTP 404", "Correct it.", needs_person=True)
    assert FeedCircuits(provider, CONFIG).record(failing.key, refused, at(0))

    # Nobody quarantined anything; what was committed says it all.
    assert quarantine_unsafe(at(1)) == [quotes[0].market_id]
    assert [Quote.objects.get(pk=one.pk).status for one in quotes] == ["quarantined", "active"]


def test_a_steady_feed_costs_no_statement(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    provider = make_provider()
    feed = make_feed(provider)
    feeds = FeedCircuits(provider, CONFIG)
    for _ in range(CONFIG.circuit.open_after_failures):
        feeds.record(feed.key, CallOutcome(0.1), at(0))
    with django_assert_num_queries(0):
        assert not feeds.record(feed.key, CallOutcome(9.0), at(1))


def test_a_failure_of_a_feed_is_counted_in_the_row_not_in_what_a_poll_has_read() -> None:
    provider = make_provider()
    first, second = FeedCircuits(provider, CONFIG), FeedCircuits(provider, CONFIG)
    spoilt = CallOutcome(0.1, "data", "wrong_schema: no list")
    assert [each.record("/a", spoilt, at(0)) for each in (first, second, first)] == [
        False,
        False,
        True,
    ]
