"""A whole installation for the tests of one file: three providers, every worker, beat, a webhook.

All of it is real: the providers are asked over HTTP, the processes are those of `manage.py run`, on
the tests' own PostgreSQL and Redis. It runs on from one test to the next.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import connection, transaction
from django.db.models import F, Min
from django.utils import timezone

from betting.config import Config
from betting.models import Market, Provider
from betting.runtime.supervisor import Supervisor
from streaming.core.health import Status
from streaming.health.counters import SETTLE_SECONDS
from streaming.models import HealthSnapshot
from streaming.runner.backlog import backlog
from streaming.runner.processes import pollers, value_workers
from streaming.runner.run_loop import workers_answer
from streaming.simulator.market import Market as SimulatedMarket
from streaming.simulator.odds_api import OddsApi, Quota
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.query import Answer
from streaming.simulator.running import RunningSimulator, running_simulator
from streaming.tasks import check_health
from tests.integration.conftest import environment_of_workers, nodes_of, wait_until
from tests.integration.impatient import impatient
from tests.support.polling import EPL, KEY, KEY_ENV, NBA, STILL, polled_provider
from tests.support.receiver import Receiver
from tests.support.rows import make_webhook

TOKEN = "a token of some length"

LATE_MAJOR_MS, LATE_BATCH_MS = 1_000, 2_500
"""What late is here: no valuation is on a machine that is only busy, one that hangs makes it so."""

ENVIRON: Mapping[str, str] = {
    # More limits are in these settings, which every program of the stack runs under.
    "DJANGO_SETTINGS_MODULE": "tests.integration.stack_settings",
    "HARDLINE_HEALTH_TOKEN": TOKEN,
    "HARDLINE_HEALTH_OBJECTIVE": "0.8",
    "HARDLINE_HEALTH_PROBE_SECONDS": "0.4",
    # Waits that a person would think short, and a busy machine does not reach.
    "HARDLINE_HEALTH_QUEUE_MESSAGES": "6,1000",
    "HARDLINE_HEALTH_QUEUE_SECONDS": "2,3",
    "HARDLINE_HEALTH_STALE_MARKET_SECONDS": "2.5,3",
    "HARDLINE_HEALTH_MAJOR_MS": str(LATE_MAJOR_MS),
    "HARDLINE_HEALTH_BATCH_MS": str(LATE_BATCH_MS),
    # What recovers by itself does so soon.
    "HARDLINE_CIRCUIT_BACKOFF_SECONDS": "0.5",
    "HARDLINE_POLL_SLOWEST_INTERVAL_SECONDS": "1",
    # The tests poll beside the worker.
    "HARDLINE_POLL_DEDUPE_MS": "0",
    "HARDLINE_BUS_ALLOW_PRIVATE_NETWORKS": "true",
    KEY_ENV: KEY,
}

LIVELY = MarketPolicy(
    events_per_sport=3, speed=60.0, slow_rate=0.1, news_per_second=1 / 60, suspend_rate=0.6
)
"""Majors with nearly every poll."""

CALM = MarketPolicy(
    events_per_sport=12,
    speed=60.0,
    drift=0.002,
    news_per_second=0.0,
    lead_seconds=(36_000.0, 72_000.0),
    duration_seconds=(1.0, 2.0),
    slow_rate=0.0,
)
"""Hours before the start: small moves, and many, of more markets than rates are judged by."""

OF_WINDOWS = frozenset(
    {
        "missing_recomputes",
        "recompute_ratio",
        "latency_major",
        "latency_batch",
        "buffer_overflow",
        "dead_letter_rate",
        "dead_letter_growth",
    }
)
"""The checks that judge the past five minutes, or the past hour."""

STALE_AFTER_SECONDS = 4.0
RECOVERY_SECONDS = 90.0
"""After an outage workers wait ever longer, about as long again as it was."""
PASSED = ("pass", 100)


@dataclass
class Desk:
    """A simulated market whose answers are as a test says.

    Attributes:
        market: the market.
        quota: the credits of the key.
        unlisted: keys of bookmakers that the provider does not look at any more.
        has_odd_price: whether one price of each event is none.
    """

    market: SimulatedMarket
    quota: Quota = field(default_factory=Quota)
    unlisted: frozenset[str] = frozenset()
    has_odd_price: bool = False

    def answer(self, path: str, params: Mapping[str, str], now: datetime) -> Answer:
        """What the API answers, without what is not listed, and with what cannot be read."""
        answer = OddsApi(self.market, KEY, self.quota).answer(path, params, now)
        if answer.status != 200 or not (self.unlisted or self.has_odd_price):
            return answer
        events = msgspec.json.decode(answer.body)
        for event in events:
            event["bookmakers"] = [
                book for book in event["bookmakers"] if book["key"] not in self.unlisted
            ]
            if self.has_odd_price and event["bookmakers"]:
                event["bookmakers"][0]["markets"][0]["outcomes"][0]["price"] = "evens"
        return Answer(200, msgspec.json.encode(events), answer.headers)


@dataclass(frozen=True)
class Simulated:
    """A provider: what it says, where, and its row.

    Attributes:
        desk: its market.
        simulator: the server that it answers from.
        provider: as it is polled.
    """

    desk: Desk
    simulator: RunningSimulator
    provider: Provider


@contextmanager
def simulated(key: str, sport: str, policy: MarketPolicy, **fields: Any) -> Iterator[Simulated]:
    """A provider that is polled twice a second."""
    desk = Desk(SimulatedMarket(datetime.now(UTC), sports=[sport], policy=policy))
    with running_simulator(desk, api_key=KEY) as simulator:
        values = {"sports": [sport], "interval_seconds": 0.5, **fields}
        yield Simulated(desk, simulator, polled_provider(simulator, key=key, **values))


@dataclass
class Stack:
    """What runs.

    Attributes:
        config: what it runs under.
        lively: a provider whose every poll brings major moves.
        calm: one whose moves are minor.
        metered: one whose prices stand still.
        receiver: a webhook's, which is told of major moves and of health.
        nodes: the workers' names on the broker.
        workers: the workers.
        beat: beat, which has nobody look at health: the tests do.
        attentive_beat: one that does, every second; not started.
    """

    config: Config
    lively: Simulated
    calm: Simulated
    metered: Simulated
    receiver: Receiver
    nodes: list[str]
    workers: Supervisor
    beat: Supervisor
    attentive_beat: Supervisor

    def look(self) -> HealthSnapshot:
        """Have the worker take a snapshot.

        The tests send what beat sends, so that no other snapshot is under way while time passes.
        """
        before = newest()
        check_health.delay()
        wait_until(lambda: newest() > before, "a snapshot")
        return HealthSnapshot.objects.latest("id")

    def look_until(self, faults: Mapping[str, str]) -> None:
        """Look until each of these checks has been seen as bad as it gets.

        What only rows show that have been counted is left to the last.
        """
        unseen = set(faults)

        def have_been_seen() -> bool:
            told = (self.let_be_counted() if unseen <= OF_WINDOWS else self.look()).checks
            unseen.difference_update([n for n in unseen if is_as_bad(told[n]["status"], faults[n])])
            return not unseen

        wait_until(have_been_seen, lambda: f"{sorted(unseen)}; seen now: {not_well()}")

    def look_until_all_pass(self) -> None:
        """Look until everything is well; what only time heals has its time as soon as all else is.

        Processes that have exited are started again, as whoever keeps them up does.
        """

        def is_well() -> bool:
            self.workers.tend()
            self.beat.tend()
            if not workers_answer(self.nodes):
                return False
            wrong = {n for n, told in self.look().checks.items() if told["status"] != "pass"}
            if wrong and wrong <= OF_WINDOWS:
                self.let_be_forgotten()
            return not wrong

        wait_until(is_well, lambda: f"every check to pass: {not_well()}", RECOVERY_SECONDS)

    def let_be_counted(self) -> HealthSnapshot:
        """Let pass what rows take to be counted, and count them."""
        let_pass(timedelta(seconds=SETTLE_SECONDS + 5))
        return self.look()

    def let_be_forgotten(self) -> None:
        """Let an hour pass, the longest window that anything is judged over."""
        self.let_be_counted()
        let_pass(timedelta(hours=1, minutes=1))

    def let_polls_rest(self) -> None:
        """Let no provider's poll be due."""
        Provider.objects.update(next_poll_at=timezone.now() + timedelta(hours=1))

    def let_polls_go_on(self) -> None:
        """Let every provider's poll be due."""
        Provider.objects.update(next_poll_at=None)

    @contextmanager
    def hung(self, *names: str) -> Iterator[None]:
        """Workers that neither answer nor end, with the processes of their pools."""
        groups = [self.workers.pids()[name] for name in names]
        for group in groups:
            os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            for group in groups:
                os.killpg(group, signal.SIGCONT)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Nothing comes in, and all that has is valued."""
        Provider.objects.update(enabled=False)
        wait_until(lambda: backlog(self.config.coalesce).is_empty, "everything to be valued")
        try:
            yield
        finally:
            Provider.objects.update(enabled=True, next_poll_at=None)


@contextmanager
def running_stack(servers: Config, receiver: Receiver, logs: Path) -> Iterator[Stack]:
    """All of it, well."""
    with pytest.MonkeyPatch.context() as patch:
        # The private Redis goes by the home, as it does without these tests: so the disk is ours.
        environ = {**environment_of_workers(servers), "REDIS_URL": "", **ENVIRON}
        for name, value in environ.items():
            patch.setenv(name, value)
        config = impatient(os.environ)
        patch.setattr("streaming.health.views.get_config", lambda: config)
        with (
            simulated("lively", EPL, LIVELY, stale_after_seconds=STALE_AFTER_SECONDS) as lively,
            simulated(
                "calm", NBA, CALM, stale_after_seconds=STALE_AFTER_SECONDS, markets=["totals"]
            ) as calm,
            simulated("metered", "baseball_mlb", STILL, markets=["h2h"], regions=["eu"]) as metered,
        ):
            make_webhook(url=receiver.url, types=["line.major", "health.changed"])
            *workers, beat = [*value_workers(config), *pollers(config, KEY)]
            unwatched = {
                **beat.environ,
                "DJANGO_SETTINGS_MODULE": "tests.integration.unwatched_settings",
            }
            stack = Stack(
                config,
                lively,
                calm,
                metered,
                receiver,
                nodes_of(workers),
                Supervisor([workers], logs),
                Supervisor([[replace(beat, environ=unwatched)]], logs),
                Supervisor([[beat]], logs),
            )
            try:
                stack.workers.start()
                stack.beat.start()
                wait_until(lambda: workers_answer(stack.nodes), "the workers")
                yield stack
            finally:
                for supervisor in (stack.attentive_beat, stack.beat, stack.workers):
                    supervisor.stop(lambda: True)  # nothing is left that had to be done


def newest() -> int:
    """The id of the newest snapshot; 0 before the first."""
    return HealthSnapshot.objects.order_by("-id").values_list("pk", flat=True).first() or 0


def is_as_bad(status: str, as_: str) -> bool:
    """Whether a status is that bad, or worse."""
    return Status(status).severity >= Status(as_).severity


def stale_for(milliseconds: float) -> bool:
    """Whether a change has waited for its valuation for so long."""
    oldest = Market.objects.exclude(version=F("valued_version")).aggregate(at=Min("dirty_at"))["at"]
    return oldest is not None and timezone.now() - oldest > timedelta(milliseconds=milliseconds)


def not_well() -> dict[str, str]:
    """Check → what the newest snapshot says of it, where that is not well."""
    checks = HealthSnapshot.objects.latest("id").checks
    return {n: told["output"] for n, told in checks.items() if told["status"] != "pass"}


def let_pass(time: timedelta) -> None:
    """Let time pass: all that the windows are about has happened so much earlier.

    The clock of PostgreSQL is everybody's and cannot be turned, so the past is moved instead.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _MOVE_THE_PAST:
            cursor.execute(statement, {"time": f"{time.total_seconds()} s"})


_MOVE_THE_PAST = (
    "UPDATE streaming_pollrun SET started_at = started_at - %(time)s::interval",
    "UPDATE valuation_recomputerun SET finished_at = finished_at - %(time)s::interval",
    "UPDATE streaming_deliveryrun SET started_at = started_at - %(time)s::interval",
    "UPDATE streaming_deadletteroccurrence SET seen_at = seen_at - %(time)s::interval",
    """
    UPDATE streaming_healthsnapshot
    SET taken_at = taken_at - %(time)s::interval,
        counted_until = counted_until - %(time)s::interval,
        checks = (
            SELECT jsonb_object_agg(name, jsonb_set(
                told, '{since}', to_jsonb((told->>'since')::timestamptz - %(time)s::interval)
            ))
            FROM jsonb_each(checks) AS c (name, told)
        )
    """,
)
