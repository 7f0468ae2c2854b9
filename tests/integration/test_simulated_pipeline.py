"""The whole way in one process: polls over real HTTP, batches, recomputes, and the sweeper.

The messages are held by a broker of the test's own, which delivers or loses them as the test says.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

import pytest
from django.db.models import F

from betting.db.redis import redis_client
from betting.models import ChangeKind, LineChange, Market, Provider
from streaming import tasks
from streaming.models import PollOutcome, PollRun
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.running import RunningSimulator, running_simulator
from tests.streaming.coalescing.test_interleavings import (
    Broker,
    assert_valued_from_the_final_quotes,
    sweep_until_valued,
)
from tests.support.polling import EPL, KEY, KEY_ENV, NBA, config_with, polled_provider
from valuation import tasks as valuation_tasks
from valuation.models import Edge, FairPrice, RecomputeRun

LIVELY = MarketPolicy(
    events_per_sport=3, speed=60.0, slow_rate=0.1, news_per_second=1 / 60, suspend_rate=0.6
)
"""Between two polls, a fraction of a second apart, every line may move."""
MAX_POLLS = 150

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    monkeypatch.setenv(KEY_ENV, KEY)
    monkeypatch.setattr(tasks, "get_config", config_with)
    with running_simulator(sports=[EPL, NBA], policy=LIVELY, api_key=KEY) as simulator:
        yield simulator


@pytest.fixture
def providers(simulator: RunningSimulator) -> list[Provider]:
    return [
        polled_provider(simulator, key="football", markets=["h2h", "totals", "spreads"]),
        polled_provider(
            simulator, key="basketball", sports=[NBA], event_markets=["alternate_totals"]
        ),
    ]


def poll_all(providers: list[Provider], broker: Broker) -> None:
    with broker.receives():
        for provider in providers:
            tasks.poll_provider(provider.pk)


def deliver_all(broker: Broker) -> None:
    """Run every message, and those that it brings forth, until none is left."""
    while broker.messages:
        name, arguments = broker.messages.pop(0)
        with broker.receives():
            if name == "coalesce":
                tasks.coalesce_line_changes(*arguments)
            else:
                valuation_tasks.recompute_markets(*arguments)


def has_moved() -> bool:
    """Whether the history holds every kind of change that makes a valuation interesting."""
    kinds = {ChangeKind.PRICE, ChangeKind.POINT, ChangeKind.SUSPENDED, ChangeKind.RESUMED}
    return kinds <= set(LineChange.objects.values_list("kind", flat=True))


def stale() -> int:
    return Market.objects.exclude(version=F("valued_version")).count()


def assert_every_line_sums_to_one() -> None:
    lines: defaultdict[tuple[int, float | None], list[float]] = defaultdict(list)
    rows = FairPrice.objects.filter(state="ok").values_list(
        "market_id", "outcome__line", "probability"
    )
    for market_id, line, probability in rows:
        assert probability is not None
        lines[market_id, line].append(probability)
    assert lines
    for probabilities in lines.values():
        assert len(probabilities) >= 2
        assert sum(probabilities) == pytest.approx(1.0, abs=1e-9)


def assert_whole() -> None:
    """Every market is valued, from the quotes there are, and every line makes sense."""
    assert stale() == 0
    assert not Market.objects.filter(dirty_at__isnull=False).exists()
    for market in Market.objects.all():
        assert_valued_from_the_final_quotes(market)
    assert_every_line_sums_to_one()


def test_polled_odds_become_fair_prices_and_edges(providers: list[Provider]) -> None:
    broker = Broker()
    polls = 0
    while polls < 3 or not (has_moved() and Edge.objects.exists()):
        polls += 1
        assert polls <= MAX_POLLS
        poll_all(providers, broker)
        deliver_all(broker)
        assert stale() == 0

    assert set(PollRun.objects.values_list("outcome", flat=True)) == {PollOutcome.OK}
    assert Market.objects.filter(kind="alternate_totals", valued_version__gt=0).exists()
    assert set(RecomputeRun.objects.values_list("trigger", flat=True)) >= {"batch", "major"}
    assert_whole()


def test_whatever_messages_are_lost_the_sweeper_makes_whole(providers: list[Provider]) -> None:
    broker, dice = Broker(), random.Random(7)
    polls = 0
    while polls < 6 or not has_moved():
        polls += 1
        assert polls <= MAX_POLLS
        poll_all(providers, broker)
        broker.messages = [each for each in broker.messages if dice.random() < 0.5]
        if polls % 3 == 0:
            redis_client().flushdb()
        deliver_all(broker)
    while stale() == 0:
        poll_all(providers, broker)
        broker.messages.clear()

    sweep_until_valued()

    assert_whole()


def test_a_provider_that_fails_keeps_its_last_prices_valued(
    simulator: RunningSimulator, providers: list[Provider]
) -> None:
    broker = Broker()
    poll_all(providers, broker)
    deliver_all(broker)
    valued = dict(FairPrice.objects.values_list("outcome_id", "probability"))
    simulator.fail(EPL, "invalid_json")

    football, _ = providers
    poll_all([football], broker)

    assert broker.messages == []
    assert PollRun.objects.latest("id").outcome == PollOutcome.FAILED
    assert dict(FairPrice.objects.values_list("outcome_id", "probability")) == valued
    assert_whole()
