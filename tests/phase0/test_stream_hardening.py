"""The promises of the stream's hardening, each as a test, on the real servers.

1. Circuits: states, thresholds, when they recover.
2. Debounce: its window, what bypasses it, what it puts together.
3. Micro-batches: 50 changes or 250 ms, their bound, what becomes of the rest.
4. Dead letters: their bound, who failed and how often, who is left alone and for how long.
5. Log lines: their fields, the trace from a poll to its recomputes, times, levels, no secrets.
6. Health: changes that nobody values, too many recomputes, silence; what is unknown is not well.
7. Baselines: measured from rows, compared target by target.
8. Major moves wait for nothing, and the last price is always valued.

Time is the test's own: clocks are moved, and a message's countdown is over when the test says so.
The details are tested where the code is; `manage.py baseline ab` measures the same on a whole run.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis

from betting.config import Config, get_config, load
from betting.db.clock import database_now
from betting.logs import note, operation, operations
from betting.logs.rendering import formatter, logging_settings
from betting.models import LineChange, Market, Provider, Quote
from streaming import tasks
from streaming.benchmark.baseline import Baseline
from streaming.benchmark.compare import Spread, compare
from streaming.benchmark.window import Window, measure
from streaming.coalescing import buffer
from streaming.core.breaker import Breaker, BreakerPolicy, CallOutcome, claim, decide, record
from streaming.core.coalesce import CoalescePolicy
from streaming.core.letters import Kind, Letter, redacted
from streaming.core.notifications import to_message
from streaming.core.suppression import SuppressionPolicy
from streaming.dead_letters.capture import record_letter
from streaming.dead_letters.store import store
from streaming.health.counters import SETTLE_SECONDS
from streaming.models import (
    CircuitTransition,
    DeadLetter,
    DeadLetterEviction,
    DeliveryRun,
    SubscriberRecord,
)
from streaming.notifications.delivery import Delivery, Fate, deliver
from streaming.simulator.faults import FaultKind
from streaming.simulator.running import RunningSimulator
from tests.streaming.coalescing.test_interleavings import assert_valued_from_the_final_quotes
from tests.support.baselines import a_baseline
from tests.support.beat import CONFIG, WITHOUT_CIRCUITS, Beat, gaps
from tests.support.broker import QUEUES, Message, messages, work_off
from tests.support.clock import Clock
from tests.support.logs import Lines, assert_is_line
from tests.support.moved_market import MovedMarket, begin_burst, sweep
from tests.support.notifications import line_major
from tests.support.polling import EPL, KEY, poll_now, polled_provider
from tests.support.receiver import Receiver
from tests.support.rows import NOON, make_poll_run, make_provider, make_webhook
from tests.support.snapshots import HOME
from tests.support.watch import Watch
from valuation.tasks import recompute_markets

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

FAILED, GOOD = CallOutcome(0.1, "transient", "HTTP 503"), CallOutcome(0.1)
BATCH = CoalescePolicy(shards=1)
"""The defaults, in one shard."""

STAGES = {
    "cycle": "streaming",
    "poll": "provider",
    "ingest": "streaming",
    "batch_flush": "streaming",
    "recompute": "valuation",
}
"""Action → category of each line on a change's way."""


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


# --- 1. Circuits ---


def test_three_failures_in_a_row_open_a_circuit_and_two_do_not() -> None:
    circuit = Breaker()
    for _ in range(2):
        circuit = record(circuit, BreakerPolicy(), FAILED, NOON)
    assert record(circuit, BreakerPolicy(), GOOD, NOON).failures == 0
    assert circuit.state == "closed"
    assert record(circuit, BreakerPolicy(), FAILED, NOON).state == "open"


def test_an_open_circuit_refuses_until_its_time_and_then_lets_one_probe_pass() -> None:
    circuit = Breaker()
    for _ in range(3):
        circuit = record(circuit, BreakerPolicy(), FAILED, NOON, chance=0.5)
    assert decide(circuit, after(0.999)).verdict == "refuse"
    assert decide(circuit, after(1.0)).verdict == "probe"
    probed = claim(circuit, BreakerPolicy(), after(1.0))
    assert probed.state == "half_open"
    assert decide(probed, after(1.0)).verdict == "refuse"


def test_probes_that_fail_are_1_2_4_8_15_and_15_seconds_apart() -> None:
    circuit, now, waits = Breaker(), NOON, []
    for _ in range(3):
        circuit = record(circuit, BreakerPolicy(), FAILED, now, chance=0.5)
    for _ in range(6):
        assert circuit.retry_at is not None
        waits.append((circuit.retry_at - now).total_seconds())
        now = circuit.retry_at
        circuit = claim(circuit, BreakerPolicy(), now)
        failed = replace(FAILED, probe=circuit.probe)
        circuit = record(circuit, BreakerPolicy(), failed, now, chance=0.5)
    assert waits == [1, 2, 4, 8, 15, 15]


def test_a_provider_that_asks_for_a_pause_is_not_asked_before_its_end() -> None:
    asked = replace(FAILED, retry_after_seconds=20)
    circuit = record(Breaker(), BreakerPolicy(), asked, NOON)
    assert circuit.state == "closed"
    assert decide(circuit, after(19.999)).verdict == "refuse"
    assert decide(circuit, after(20)).verdict == "pass"


def test_a_provider_that_recovers_closes_its_circuit_with_two_good_probes(
    simulator: RunningSimulator,
) -> None:
    polled_provider(simulator, sports=[EPL], interval_seconds=2.0)
    beat = Beat(simulator)
    simulator.fail(EPL, "503")
    beat.run(6)
    simulator.faults.clear()
    beat.run(6)
    transitions = CircuitTransition.objects.order_by("id").values_list("from_state", "to_state")
    states = [(str(before), str(now)) for before, now in transitions]
    assert states[0] == ("closed", "open")
    assert states[-2:] == [("open", "half_open"), ("half_open", "closed")]
    assert Quote.objects.filter(status="active").exists()


def test_a_provider_that_is_down_is_spared_nine_calls_of_ten(simulator: RunningSimulator) -> None:
    simulator.fail(EPL, "503")
    provider = polled_provider(simulator, sports=[EPL], interval_seconds=1.0)
    calls = []
    for config in (WITHOUT_CIRCUITS, CONFIG):
        simulator.calls.clear()
        provider.next_poll_at = None
        provider.save()
        beat = Beat(simulator, config)
        beat.run(150)
        calls.append(simulator.calls.count(EPL))
        assert len(gaps(beat.calls[EPL])) == calls[-1] - 1
    without, with_circuits = calls
    assert without == 150
    assert with_circuits <= 0.1 * without


# --- 2. Debounce ---


def coalesced(redis: Redis, monkeypatch: pytest.MonkeyPatch, debounce_ms: int) -> Message:
    """The recompute that a small move of one market becomes."""
    usual = get_config()
    config = replace(usual, coalesce=replace(usual.coalesce, debounce_ms=debounce_ms))
    monkeypatch.setattr(tasks, "get_config", lambda: config)
    market = 2
    buffer.push({market: 1}, config.coalesce)
    tasks.coalesce_line_changes(market % config.coalesce.shards)
    (message,) = messages(redis, "valuation")
    return message


@pytest.mark.parametrize("debounce_ms", [250, 400])
def test_a_small_move_is_held_back_for_the_window(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, debounce_ms: int
) -> None:
    since = datetime.now(UTC)
    assert coalesced(redis, monkeypatch, debounce_ms).is_due_in(debounce_ms / 1000, since=since)


def test_a_window_of_zero_holds_nothing_back(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    assert coalesced(redis, monkeypatch, 0).eta is None


def test_the_default_window_is_250_milliseconds() -> None:
    assert CoalescePolicy().debounce_ms == 250


def test_forty_small_moves_of_a_burst_are_one_recompute_of_the_last_price(
    redis: Redis,
) -> None:
    market = MovedMarket(redis)
    market.moves(40)
    assert market.recomputes() == 1
    assert_valued_from_the_final_quotes(Market.objects.get())


def test_a_move_above_five_per_cent_bypasses_the_window(redis: Redis) -> None:
    market = MovedMarket(redis)
    market.moves_to(1.9 * 1.051)
    (message,) = messages(redis, "major")
    assert message.eta is None
    assert buffer.pending_markets(get_config().coalesce) == 0


def test_a_move_of_less_waits_with_the_others(redis: Redis) -> None:
    market = MovedMarket(redis)
    market.moves_to(1.9 * 1.02)
    assert messages(redis, "major") == []
    assert buffer.pending_markets(get_config().coalesce) == 1


# --- 3. Micro-batches ---


def test_the_fiftieth_change_flushes_a_batch_and_the_forty_ninth_does_not() -> None:
    assert buffer.push({7: 48}, BATCH) == {0: buffer.Flush.LATER}
    assert buffer.push({8: 1}, BATCH) == {}
    assert buffer.push({9: 1}, BATCH) == {0: buffer.Flush.NOW}


def test_a_batch_that_does_not_fill_is_flushed_after_250_milliseconds(redis: Redis) -> None:
    market = MovedMarket(redis)
    since = datetime.now(UTC)
    market.moves_to(1.91)
    (message,) = messages(redis, "coalesce")
    assert message.is_due_in(0.25, since=since)


def test_a_batch_is_one_message_however_many_markets_it_holds(redis: Redis) -> None:
    policy = get_config().coalesce
    for market in range(1, 200):
        buffer.push({market * policy.shards: 1}, policy)
    tasks.coalesce_line_changes(0)
    (message,) = messages(redis, "valuation")
    assert len(message.args[0]) == 199


def test_what_finds_the_buffer_full_is_counted_and_the_sweeper_values_it(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = MovedMarket(redis)
    usual = get_config()
    full = replace(usual, coalesce=replace(BATCH, buffer_max_markets=1))
    monkeypatch.setattr(tasks, "get_config", lambda: full)
    buffer.push({10**9: 1}, full.coalesce)
    market.moves_to(1.91)
    work_off(redis)
    assert buffer.dropped_hints() == 1
    assert market.recomputes() == 0
    row = Market.objects.get()
    assert row.version != row.valued_version

    sweep(redis)
    assert_valued_from_the_final_quotes(Market.objects.get())


# --- 4. Dead letters ---


def letter(number: int, seconds: float) -> Letter:
    failed = Letter(kind=Kind.EXCEPTION, task="a.b", args=[number], exception="E")
    return redacted(failed, after(seconds), uuid4().hex)


def test_a_thousand_letters_are_kept_at_most_and_the_least_recently_seen_goes_first() -> None:
    assert get_config().dead_letters.max_rows == 1_000
    # The first one fails again: from then on the second is the least recently seen.
    for seconds, number in enumerate((1, 2, 3, 1, 4)):
        store(letter(number, seconds), max_rows=3)
    kept = DeadLetter.objects.order_by("id").values_list("args", "count")
    assert list(kept) == [([1], 2), ([3], 1), ([4], 1)]
    assert DeadLetterEviction.objects.get().letters == 1


def test_a_clean_poll_leaves_no_letter_and_an_answer_that_cannot_be_read_leaves_one(
    simulator: RunningSimulator,
) -> None:
    provider = polled_provider(simulator, sports=[EPL])
    assert {run.outcome for run in poll_now(provider)} == {"ok"}
    assert not DeadLetter.objects.exists()
    simulator.fail(EPL, "wrong_schema")
    poll_now(provider)
    assert DeadLetter.objects.get().provider == provider.key


def a_delivery(subscriber: str) -> Delivery:
    return Delivery(subscriber, str(uuid4()), to_message([line_major()]))


def local_webhooks() -> Config:
    usual = get_config()
    return replace(usual, bus=replace(usual.bus, allow_private_networks=True))


def test_a_subscriber_that_fails_three_times_is_left_alone_and_others_are_not(
    receiver: Receiver,
) -> None:
    clock, config = Clock(), local_webhooks()
    broken = make_webhook(url=receiver.url)
    receiver.status = 500
    fates = [deliver(a_delivery(broken.key), config, record_letter, clock) for _ in range(4)]
    assert fates == [Fate.FAILED] * 3 + [Fate.HELD]
    record_of_it = SubscriberRecord.objects.get()
    assert (record_of_it.deliveries, record_of_it.failures) == (3, 3)
    assert len(receiver.posts) == 3

    receiver.status = 204
    well = make_webhook(url=receiver.url)
    assert deliver(a_delivery(well.key), config, record_letter, clock) is Fate.DELIVERED
    clock.advance(60)
    assert deliver(a_delivery(broken.key), config, record_letter, clock) is Fate.DELIVERED
    assert DeliveryRun.objects.filter(subscriber=broken.key).count() == 5


def test_what_a_subscriber_missed_is_kept_for_a_replay(receiver: Receiver) -> None:
    broken = make_webhook(url=receiver.url)
    receiver.status = 500
    deliveries = [a_delivery(broken.key) for _ in range(4)]
    for delivery in deliveries:
        deliver(delivery, local_webhooks(), record_letter, Clock())
    kept = [tuple(args[:2]) for args in DeadLetter.objects.values_list("args", flat=True)]
    assert sorted(kept) == sorted((each.subscriber, each.id) for each in deliveries)


def test_suppressions_double_up_to_a_minute_and_last_longer_the_more_fails() -> None:
    policy = SuppressionPolicy().breaker

    def waits(history: str, turns: int) -> list[float]:
        """The suppressions in a row of a subscriber whose latest deliveries are `history`."""
        breaker, now, found = Breaker(recent=history, failures=2), NOON, []
        for _ in range(turns):
            breaker = record(breaker, policy, CallOutcome(0.1, "transient", "timeout"), now)
            assert breaker.retry_at is not None
            found.append((breaker.retry_at - now).total_seconds())
            now = breaker.retry_at
        return found

    well = waits("." * 50, 8)
    doubled = [1, 2, 4, 8, 16, 32, 60, 60]
    assert all(base <= wait <= base * 1.2 for base, wait in zip(doubled, well, strict=True))
    rising = [waits("f" * failed + "." * (49 - failed), 1)[0] for failed in range(0, 50, 5)]
    assert rising == sorted(set(rising))
    assert rising[-1] < 2 * rising[0]


# --- 5. Log lines ---


@dataclass
class Stopwatch:
    """A clock for durations, in the place of the module `time`."""

    seconds: float = 0.0

    def perf_counter(self) -> float:
        return self.seconds


def told(lines: Lines, *actions: str) -> list[dict[str, Any]]:
    """The lines of some actions, in their order."""
    return [line for line in lines() if line["action"] in actions]


def test_every_stage_of_a_poll_is_a_line_of_the_schema_with_its_outcome_and_its_counts(
    simulator: RunningSimulator, redis: Redis, lines: Lines
) -> None:
    begin_burst(redis)  # so that what changed waits for its batch
    tasks.poll_provider(polled_provider(simulator, key="mine").pk)
    work_off(redis)
    # Of each action the first: the second shard's recompute finds all of its events valued.
    told_first = reversed(told(lines, *STAGES))
    stages = {line["action"]: assert_is_line(json.dumps(line)) for line in told_first}
    assert stages.keys() == set(STAGES)
    for action, category in STAGES.items():
        line = stages[action]
        assert (line["category"], line["status"], line["level"]) == (category, "ok", "info")
        assert line["duration_ms"] > 0
    markets, changes = Market.objects.count(), LineChange.objects.count()
    assert (stages["poll"]["provider"], stages["poll"]["http_status"]) == ("mine", 200)
    assert (stages["poll"]["changes"], stages["ingest"]["changes"]) == (changes, changes)
    assert (stages["ingest"]["markets"], stages["cycle"]["markets"]) == (markets, markets)
    assert sum(line["valued"] for line in told(lines, "recompute")) == markets


def test_a_trace_leads_from_a_poll_to_all_that_it_has_valued(
    simulator: RunningSimulator, redis: Redis, lines: Lines
) -> None:
    provider = polled_provider(simulator)
    tasks.poll_provider(provider.pk)
    work_off(redis)
    (cycle,) = told(lines, "cycle")
    assert {line["trace_id"] for line in told(lines, *STAGES)} == {cycle["trace_id"]}
    tasks.poll_provider(provider.pk)
    assert told(lines, "cycle")[-1]["trace_id"] != cycle["trace_id"]


def test_a_duration_is_the_clocks_own_to_a_thousandth_of_a_millisecond(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Stopwatch()
    monkeypatch.setattr(operations, "time", clock)
    with operation("streaming", "cycle"):
        clock.seconds += 0.25
        with operation("streaming", "ingest"):
            clock.seconds += 0.0123456
        clock.seconds += 61.0
    durations = [(line["action"], line["duration_ms"]) for line in lines()]
    assert durations == [("ingest", 12.346), ("cycle", 61_262.346)]


def test_a_failure_is_told_once_with_its_traceback_and_goes_on(lines: Lines) -> None:
    unknown = 10**30  # beyond any id that the database can hold
    assert recompute_markets.apply(([unknown], "batch")).failed()
    (line,) = [line for line in lines() if "Traceback" in line.get("exception", "")]
    assert (line["action"], line["status"], line["level"]) == ("recompute", "failed", "error")
    assert (line["trigger"], line["markets"]) == ("batch", 1)


def test_no_line_of_a_poll_that_fails_holds_the_key(
    simulator: RunningSimulator, lines: Lines
) -> None:
    provider = polled_provider(simulator)
    faults: tuple[FaultKind, ...] = ("reset", "invalid_json", "401")
    for fault in faults:
        simulator.faults.clear()
        simulator.fail(EPL, fault)
        poll_now(provider)
    words = f"GET {simulator.base_url}/odds?apiKey={KEY}"
    note("provider", "poll", words, reason=words)
    assert [line["status"] for line in told(lines, "poll")] == ["failed"] * 3 + ["ok"]
    assert KEY not in json.dumps(lines())


def test_what_is_less_severe_than_the_configured_level_is_not_logged(lines: Lines) -> None:
    for level in ("INFO", "WARNING", "ERROR"):
        config = load({"HARDLINE_LOG_LEVEL": level}).log
        logging.getLogger().setLevel(logging_settings(config)["root"]["level"])
        note("streaming", "ingest", level)
        note("streaming", "ingest", level, status="failed")
    levels = [(line["event"], line["level"]) for line in told(lines, "ingest")]
    assert levels == [("INFO", "info"), ("INFO", "warning"), ("WARNING", "warning")]


def test_by_default_lines_are_json_from_info_on_and_what_is_frequent_is_sampled() -> None:
    config = load({}).log
    record = logging.LogRecord("lib", logging.INFO, "lib.py", 1, "ready", (), None)
    assert_is_line(formatter(config, is_terminal=False).format(record))
    assert config.level == "INFO"
    assert config.sampling() == {"debounce_skip": 10, "sweep": 60}
    libraries = logging_settings(config)["loggers"]
    assert libraries["celery.app.trace"]["level"] == logging.WARNING


# --- 6. Health ---


def status_now(watch: Watch, check: str) -> str:
    """A check's status once all that was done until now is counted."""
    counted_at = datetime.now(UTC) + timedelta(seconds=SETTLE_SECONDS)
    status: str = watch.look(counted_at - watch.now).checks[check]["status"]
    return status


def watched_from_now_on(provider: Provider, config: Config) -> Watch:
    watch = Watch(datetime.now(UTC), provider, config)
    assert status_now(watch, "missing_recomputes") == "pass"
    return watch


@pytest.mark.usefixtures("all_workers")
def test_changes_that_nobody_values_are_a_failure_until_somebody_does(
    simulator: RunningSimulator, redis: Redis
) -> None:
    watch = watched_from_now_on(polled_provider(simulator), get_config())
    tasks.poll_provider(watch.provider.pk)
    redis.delete(*QUEUES)  # every message is lost
    assert status_now(watch, "missing_recomputes") == "fail"
    sweep(redis)
    assert status_now(watch, "missing_recomputes") == "pass"


@pytest.mark.usefixtures("all_workers")
@pytest.mark.parametrize(("separately", "status"), [(6, "pass"), (7, "warn")])
def test_eight_recomputes_for_ten_changes_are_a_warning_and_seven_are_not(
    redis: Redis, separately: int, status: str
) -> None:
    usual = get_config()
    market = MovedMarket(redis)
    config = replace(usual, health=replace(usual.health, min_changes=10))
    watch = watched_from_now_on(market.provider, config)
    market.moves(10, separately=separately)
    make_poll_run(market.provider, started_at=datetime.now(UTC), changes=10)
    assert market.recomputes() == separately + 1
    assert status_now(watch, "recompute_ratio") == status


def activity(watch: Watch, *intervals: float) -> list[str]:
    """The check's status so many intervals after the stream was last polled."""
    times = [NOON + timedelta(seconds=each * watch.provider.interval_seconds) for each in intervals]
    return [watch.look(now - watch.now).checks["activity"]["status"] for now in times]


def test_a_stream_that_is_not_polled_for_three_intervals_is_a_warning_and_for_ten_a_failure(
    watch: Watch,
) -> None:
    assert activity(watch, 2.9, 3, 9.9, 10) == ["pass", "warn", "warn", "fail"]
    assert watch.statuses()["activity"] == "pass"


def test_what_is_well_is_a_matter_of_configuration(watch: Watch) -> None:
    health = replace(watch.config.health, silence_intervals=(1.5, 2.0))
    watch.config = replace(watch.config, health=health)
    assert activity(watch, 1.4, 1.5, 2) == ["pass", "warn", "fail"]


@pytest.mark.usefixtures("all_workers")
def test_a_system_in_which_nothing_ever_ran_fails_and_measures_no_latency() -> None:
    seen = Watch(NOON, make_provider()).look()
    assert seen.status == "fail"
    for name in ("beat", "activity", "provider_silence"):
        assert seen.checks[name]["status"] == "fail"
    for name in ("latency_major", "latency_batch"):
        assert seen.checks[name]["output"].startswith("Not judged: ")
    assert seen.score < 50


# --- 7. Baselines ---


def measured(since: datetime) -> Baseline:
    return measure(Window(since, database_now()), [], overdue_after_ms=0)


def test_a_baseline_is_measured_from_the_rows_that_a_run_leaves(
    simulator: RunningSimulator, redis: Redis
) -> None:
    provider, since = polled_provider(simulator), database_now()
    tasks.poll_provider(provider.pk)
    assert measured(since).overdue_markets == Market.objects.count()
    work_off(redis)
    baseline = measured(since)
    figures = baseline.providers[provider.key]
    assert (figures.calls, figures.success_rate, baseline.cycles.duration_ms.count) == (1, 1.0, 1)
    assert sum(baseline.changes.values()) == LineChange.objects.count()
    assert baseline.recomputes.markets_valued == Market.objects.count()
    assert (baseline.overdue_markets, baseline.failures.rate) == (0, 0.0)


def test_a_comparison_measures_what_the_debounce_saves(redis: Redis) -> None:
    market = MovedMarket(redis)
    sides = []
    for separately in (10, 0):
        since = database_now()
        market.moves(10, separately=separately)
        sides.append([measured(since)])
    verdicts = {each.name: each for each in compare(*sides)}
    verdict = verdicts["recomputes of a market, a change"]
    assert (verdict.before, verdict.after) == (Spread(1.0, 1.0, 1.0), Spread(0.1, 0.1, 0.1))
    assert verdict.is_met


def test_every_target_has_its_verdict() -> None:
    before = a_baseline(failed_calls=100)
    good = a_baseline(failed_calls=10, asked=50, recompute_ms=99.9, dead_letters=9)
    bad = a_baseline(
        failed_calls=11, asked=51, recompute_ms=100.0, dead_letters=10, overdue_markets=1
    )
    assert [verdict.is_met for verdict in compare([before], [good])] == [True] * 5
    assert [verdict.is_met for verdict in compare([before], [bad])] == [False] * 5


# --- 8. Major moves, and the last price ---


def test_a_major_move_amid_small_ones_is_valued_before_their_window_ends(redis: Redis) -> None:
    market = MovedMarket(redis)
    market.moves_to(1.91)
    market.moves_to(2.3)
    (urgent,) = messages(redis, "major")
    redis.delete("major")
    recompute_markets(*urgent.args)
    assert buffer.pending_markets(get_config().coalesce) == 1
    assert_valued_from_the_final_quotes(Market.objects.get())

    market.moves_to(2.31)
    work_off(redis)
    assert_valued_from_the_final_quotes(Market.objects.get())


@pytest.mark.parametrize("lost", ["nothing", "messages", "all of Redis"])
def test_the_last_price_is_valued_whatever_is_lost_on_the_way(redis: Redis, lost: str) -> None:
    market = MovedMarket(redis)
    for price in (1.91, 1.92, 2.4, 1.93):
        market.moves_to(price)
    if lost == "messages":
        redis.delete("coalesce", "valuation", "major")
    elif lost == "all of Redis":
        redis.flushdb()
    else:
        work_off(redis)
    sweep(redis)
    last = Quote.objects.get(outcome__name=HOME, bookmaker__key="ace")
    assert last.price == 1.93
    assert_valued_from_the_final_quotes(Market.objects.get())
