"""The promises of the stream's hardening, each as a test, on the real servers.

1. Circuits: states, thresholds, when they recover.
2. Debounce: its window, what bypasses it, what it puts together.
3. Micro-batches: 50 changes or 250 ms, their bound, what becomes of the rest.
4. Dead letters: their bound, who failed and how often, who is left alone and for how long.
5. Major moves wait for nothing, and the last price is always valued.

Time is the test's own: clocks are moved, and a message's countdown is over when the test says so.
The details are tested where the code is; `manage.py baseline ab` measures the same on a whole run.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from redis import Redis

from betting.config import Config, get_config
from betting.models import Market, Quote
from streaming import buffer, tasks
from streaming.core.circuit import Call, Circuit, CircuitPolicy, claim, decide, record
from streaming.core.coalesce import CoalescePolicy
from streaming.core.events import to_message
from streaming.core.letters import Kind, Letter, sealed
from streaming.core.snapshot import Snapshot
from streaming.core.suppression import SuppressionPolicy, suppression_seconds
from streaming.deadletters.store import store
from streaming.delivery import Delivery, Fate, deliver
from streaming.ingest import IngestPolicy, ingest
from streaming.models import (
    CircuitTransition,
    DeadLetter,
    DeadLetterEviction,
    DeliveryRun,
    SubscriberRecord,
)
from streaming.simulator.running import RunningSimulator
from tests.beat import CONFIG, WITHOUT_CIRCUITS, Beat, gaps
from tests.broker import Message, messages, work_off
from tests.clock import Clock
from tests.events import line_major
from tests.polling import EPL, poll_now, polled_provider
from tests.receiver import Receiver
from tests.rows import NOON, make_webhook
from tests.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from tests.streaming.test_interleavings import assert_valued_from_the_final_quotes
from valuation.models import RecomputeRun
from valuation.tasks import recompute_markets

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

FAILED, GOOD = Call(0.1, "transient", "HTTP 503"), Call(0.1)
BOOKS = ("ace", "bay", "cap", "dot")
BATCH = CoalescePolicy(shards=1)
"""The defaults, in one shard."""


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def board(price: float, seconds: float) -> Snapshot:
    """One market at four bookmakers, one of which asks `price` for the home side."""
    even = [quote(book, name, 1.9) for book in BOOKS for name in (HOME, AWAY)]
    return snapshot([event([quote("ace", HOME, price), *even[1:]])], seconds)


class MovedMarket:
    """A market whose price a test moves, with everything up to the broker being real."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._provider = make_provider()
        self._seconds = 0.0
        self.moves_to(1.9)
        work_off(redis)

    def moves_to(self, price: float) -> None:
        self._seconds += 1
        taken = ingest(self._provider.pk, board(price, self._seconds), IngestPolicy())
        tasks.send_changes(taken.markets)

    def recomputes(self) -> int:
        """Recomputes since it was first valued."""
        return RecomputeRun.objects.count() - 1


# --- 1. Circuits ---


def test_three_failures_in_a_row_open_a_circuit_and_two_do_not() -> None:
    circuit = Circuit()
    for _ in range(2):
        circuit = record(circuit, CircuitPolicy(), FAILED, NOON)
    assert record(circuit, CircuitPolicy(), GOOD, NOON).failures == 0
    assert circuit.state == "closed"
    assert record(circuit, CircuitPolicy(), FAILED, NOON).state == "open"


def test_an_open_circuit_refuses_until_its_time_and_then_lets_one_probe_pass() -> None:
    circuit = Circuit()
    for _ in range(3):
        circuit = record(circuit, CircuitPolicy(), FAILED, NOON, chance=0.5)
    assert decide(circuit, after(0.999)).verdict == "refuse"
    assert decide(circuit, after(1.0)).verdict == "probe"
    probed = claim(circuit, CircuitPolicy(), after(1.0))
    assert probed.state == "half_open"
    assert decide(probed, after(1.0)).verdict == "refuse"


def test_probes_that_fail_are_1_2_4_8_15_and_15_seconds_apart() -> None:
    circuit, now, waits = Circuit(), NOON, []
    for _ in range(3):
        circuit = record(circuit, CircuitPolicy(), FAILED, now, chance=0.5)
    for _ in range(6):
        assert circuit.retry_at is not None
        waits.append((circuit.retry_at - now).total_seconds())
        now = circuit.retry_at
        circuit = claim(circuit, CircuitPolicy(), now)
        failed = replace(FAILED, probe=circuit.probe)
        circuit = record(circuit, CircuitPolicy(), failed, now, chance=0.5)
    assert waits == [1, 2, 4, 8, 15, 15]


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


def test_forty_small_moves_within_a_window_are_one_recompute_of_the_last_price(
    redis: Redis,
) -> None:
    market = MovedMarket(redis)
    for step in range(1, 41):
        market.moves_to(1.9 + 0.001 * step)
    work_off(redis)
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

    Market.objects.update(dirty_at=datetime.now(UTC) - timedelta(seconds=10))
    tasks.sweep()
    work_off(redis)
    assert_valued_from_the_final_quotes(Market.objects.get())


# --- 4. Dead letters ---


def letter(number: int, seconds: float) -> Letter:
    failed = Letter(kind=Kind.EXCEPTION, task="a.b", args=[number], exception="E")
    return sealed(failed, after(seconds), uuid4().hex)


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
    fates = [deliver(a_delivery(broken.key), config, clock) for _ in range(4)]
    assert fates == [Fate.FAILED] * 3 + [Fate.HELD]
    record_of_it = SubscriberRecord.objects.get()
    assert (record_of_it.deliveries, record_of_it.failures) == (3, 3)
    assert len(receiver.posts) == 3

    receiver.status = 204
    well = make_webhook(url=receiver.url)
    assert deliver(a_delivery(well.key), config, clock) is Fate.DELIVERED
    clock.advance(60)
    assert deliver(a_delivery(broken.key), config, clock) is Fate.DELIVERED
    assert DeliveryRun.objects.filter(subscriber=broken.key).count() == 5


def test_what_a_subscriber_missed_is_kept_for_a_replay(receiver: Receiver) -> None:
    broken = make_webhook(url=receiver.url)
    receiver.status = 500
    deliveries = [a_delivery(broken.key) for _ in range(4)]
    for delivery in deliveries:
        deliver(delivery, local_webhooks(), Clock())
    kept = [tuple(args[:2]) for args in DeadLetter.objects.values_list("args", flat=True)]
    assert sorted(kept) == sorted((each.subscriber, each.id) for each in deliveries)


def test_suppressions_double_up_to_a_minute_and_last_longer_the_more_fails() -> None:
    policy = SuppressionPolicy()
    well = [suppression_seconds(policy, number, 0.0) for number in range(1, 9)]
    assert well == [1, 2, 4, 8, 16, 32, 60, 60]
    rising = [suppression_seconds(policy, 3, rate / 10) for rate in range(11)]
    assert rising == sorted(set(rising))
    assert rising[-1] == 2 * rising[0]


# --- 5. Major moves, and the last price ---


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
    Market.objects.filter(dirty_at__isnull=False).update(
        dirty_at=datetime.now(UTC) - timedelta(seconds=10)
    )
    tasks.sweep()
    work_off(redis)
    last = Quote.objects.get(outcome__name=HOME, bookmaker__key="ace")
    assert last.price == 1.93
    assert_valued_from_the_final_quotes(Market.objects.get())
