"""The tasks as messages: where each goes, when it is due, and how long it may take.

What is sent is read back from the broker, a real Redis.
"""

from __future__ import annotations

import runpy
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Task
from django.conf import settings
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from betting import timing
from betting.celery import app
from betting.config import CHECKOUT, Config, get_config
from betting.models import LineChange, Market
from streaming import tasks
from streaming.coalescing import adaptive, buffer
from streaming.coalescing.adaptive import AdaptiveCounts
from streaming.dead_letters import replay
from streaming.dead_letters.messages import REPLAY_HEADER
from streaming.ingest.ingest import MarketChange
from streaming.models import ActionOutcome, Circuit, DeadLetter, DeadLetterAction, PollRun
from streaming.polling.poll import PollUnansweredError
from streaming.simulator.running import RunningSimulator
from tests.support.broker import QUEUES, Message, all_messages, messages
from tests.support.moved_market import begin_burst
from tests.support.polling import EPL, NBA, polled_provider
from tests.support.rows import (
    make_circuit,
    make_dead_letter,
    make_dead_letter_action,
    make_feed,
    make_feed_bookmaker,
    make_market,
    make_provider,
)
from valuation import tasks as valuation_tasks

POLICY = get_config().coalesce
SHARDS = POLICY.shards


def our_tasks() -> list[Task[Any, Any]]:
    """By name, so that every process that runs a part of the tests finds the same ones."""
    app.loader.import_default_modules()
    return [task for name, task in sorted(app.tasks.items()) if not name.startswith("celery.")]


def by_name(task: Task[Any, Any]) -> str:
    return str(task.name)


every_task = pytest.mark.parametrize("task", our_tasks(), ids=by_name)
late_tasks = [task for task in our_tasks() if task.acks_late]


# --- What holds for every task ---


def test_every_route_leads_from_a_task_and_every_task_has_one() -> None:
    assert (
        {task.name for task in our_tasks()}
        == set(settings.CELERY_TASK_ROUTES)
        == {
            "streaming.check_health",
            "streaming.coalesce_line_changes",
            "streaming.deliver",
            "streaming.poll_provider",
            "streaming.poll_scores",
            "streaming.prune",
            "streaming.quarantine",
            "streaming.replay_payload",
            "streaming.send_alerts",
            "streaming.send_replays",
            "streaming.send_score_polls",
            "streaming.store_spooled_letters",
            "streaming.sweep",
            "streaming.tick",
            "valuation.recompute_markets",
        }
    )


def test_alerts_are_not_looked_for_behind_deliveries_that_wait() -> None:
    routes = settings.CELERY_TASK_ROUTES
    assert routes["streaming.send_alerts"]["queue"] != routes["streaming.deliver"]["queue"]


@every_task
def test_a_task_is_named_for_its_app_and_not_for_where_its_code_lies(task: Task[Any, Any]) -> None:
    package, _, module = task.__module__.partition(".")
    assert module == "tasks"
    assert task.name == f"{package}.{task.__name__}"


@every_task
def test_a_task_has_a_route_to_a_declared_queue(task: Task[Any, Any]) -> None:
    assert settings.CELERY_TASK_ROUTES[task.name]["queue"] in QUEUES
    assert not settings.CELERY_TASK_CREATE_MISSING_QUEUES


@every_task
def test_a_task_takes_json_and_keeps_no_result(task: Task[Any, Any]) -> None:
    assert task.serializer == "json"
    assert task.ignore_result
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]


@every_task
def test_a_task_says_why_it_may_be_delivered_twice(task: Task[Any, Any]) -> None:
    assert "Idempotent" in str(task.run.__doc__)


@pytest.mark.parametrize("task", late_tasks, ids=by_name)
def test_a_task_that_is_acknowledged_late_ends_before_it_is_delivered_again(
    task: Task[Any, Any],
) -> None:
    soft = task.soft_time_limit or app.conf.task_soft_time_limit
    hard = task.time_limit or app.conf.task_time_limit
    visible_again = app.conf.broker_transport_options["visibility_timeout"]
    countdown = POLICY.window_ms / 1000
    assert soft < hard
    assert countdown + hard < visible_again


def test_what_runs_in_threads_where_no_time_limit_holds_is_acknowledged_early_or_short() -> None:
    in_threads = {
        task.name: task.acks_late
        for task in our_tasks()
        if settings.CELERY_TASK_ROUTES[task.name]["queue"] in {"poll", "deliver"}
    }
    # A tick is one statement, which has a timeout of its own, and a few messages; a payload that
    # is replayed is ingested as one poll's answer is. A delivery has a deadline of its own, and
    # then a few statements.
    assert in_threads == {
        "streaming.deliver": True,
        "streaming.tick": True,
        "streaming.check_health": False,
        "streaming.poll_provider": False,
        "streaming.poll_scores": False,
        "streaming.prune": False,
        "streaming.replay_payload": True,
        "streaming.send_alerts": False,
        "streaming.send_replays": False,
        "streaming.send_score_polls": False,
        "streaming.store_spooled_letters": False,
    }
    config = get_config()
    assert config.bus.total_timeout_seconds < timing.TASK_SOFT_LIMIT_SECONDS
    assert "statement_timeout=30s" in settings.DATABASES["default"]["OPTIONS"]["options"]


def test_beat_sends_known_tasks_that_expire() -> None:
    entries: list[Any] = list(settings.CELERY_BEAT_SCHEDULE.values())
    assert {entry["task"] for entry in entries} == {
        "streaming.tick",
        "streaming.sweep",
        "streaming.check_health",
        "streaming.prune",
        "streaming.send_alerts",
        "streaming.send_replays",
        "streaming.store_spooled_letters",
    }
    for entry in entries:
        # A backlog that built up while no worker ran is not worked off beat by beat.
        assert entry["schedule"] <= entry["options"]["expires"] <= 2 * entry["schedule"]


def test_beat_asks_for_scores_where_an_interval_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    config = get_config()
    hourly = replace(config, poll=replace(config.poll, scores_interval_seconds=3_600.0))
    monkeypatch.setattr("betting.config.get_config", lambda: hourly)
    schedule = runpy.run_path(str(CHECKOUT / "betting/settings.py"))["CELERY_BEAT_SCHEDULE"]
    assert schedule["send-score-polls"] == {
        "task": "streaming.send_score_polls",
        "schedule": 3_600.0,
        "options": {"expires": 3_600.0},
    }


# --- What is sent ---


@pytest.fixture
def now() -> datetime:
    """A little before whatever the test sends."""
    return datetime.now(UTC)


def use(monkeypatch: pytest.MonkeyPatch, **coalesce: Any) -> None:
    """Let the tasks run under another coalescing policy."""
    usual = get_config()
    config = replace(usual, coalesce=replace(usual.coalesce, **coalesce))

    def configured() -> Config:
        return config

    for module in (tasks, valuation_tasks):
        monkeypatch.setattr(module, "get_config", configured)


def minor(market_id: int, changes: int = 1) -> MarketChange:
    return MarketChange(market_id, 1, 1, changes, is_major=False)


def major(market_id: int) -> MarketChange:
    return MarketChange(market_id, 1, 1, 1, is_major=True)


@pytest.mark.django_db
def test_major_moves_are_sent_at_once_on_their_own_queue(redis: Redis) -> None:
    tasks.send_changes([major(5), major(7)])
    assert all_messages(redis) == {
        "major": [Message("valuation.recompute_markets", [[5, 7], "major"], None, None)]
    }
    assert buffer.pending_markets(POLICY) == 0


def test_first_changes_of_quiet_markets_are_sent_at_once_and_further_ones_wait(
    redis: Redis,
) -> None:
    tasks.send_changes([minor(4), minor(2)])
    tasks.send_changes([minor(2), minor(6)])
    sent = all_messages(redis)
    recompute = "valuation.recompute_markets"
    assert sent["valuation"] == [
        Message(recompute, [[2, 4], "first"], None, None),
        Message(recompute, [[6], "first"], None, None),
    ]
    assert [flush.args for flush in sent["coalesce"]] == [[0]]
    assert buffer.drain(0, POLICY).market_ids == [2]


def test_minor_moves_of_a_burst_wait_in_the_buffer_for_one_flush_a_shard(
    redis: Redis, now: datetime
) -> None:
    begin_burst(redis)
    tasks.send_changes([minor(number) for number in range(1, 9)])
    tasks.send_changes([minor(number) for number in range(1, 9)])
    sent = all_messages(redis)
    assert sent.keys() == {"coalesce"}
    assert sorted(each.args for each in sent["coalesce"]) == [[shard] for shard in range(SHARDS)]
    assert {each.task for each in sent["coalesce"]} == {"streaming.coalesce_line_changes"}
    assert all(each.is_due_in(POLICY.batch_ms / 1000, since=now) for each in sent["coalesce"])
    assert buffer.pending_markets(POLICY) == 8


def test_a_full_batch_is_flushed_without_waiting(redis: Redis) -> None:
    begin_burst(redis)
    tasks.send_changes([minor(SHARDS, changes=50)])
    assert all_messages(redis) == {
        "coalesce": [Message("streaming.coalesce_line_changes", [0], None, None)]
    }


def test_a_market_that_was_only_heard_again_counts_as_one_change(redis: Redis) -> None:
    begin_burst(redis)
    tasks.send_changes([minor(SHARDS, changes=0)])
    assert len(messages(redis, "coalesce")) == 1
    assert buffer.drain(0, POLICY).changes == 1


@pytest.mark.django_db
def test_beside_a_major_move_first_changes_wait(redis: Redis) -> None:
    tasks.send_changes([minor(1), major(2), minor(3)])
    (urgent,) = messages(redis, "major")
    assert urgent.args == [[2], "major"]
    assert buffer.pending_markets(POLICY) == 2


@pytest.mark.django_db
def test_without_coalescing_every_change_is_a_message_of_its_own(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, enabled=False)
    tasks.send_changes([minor(1, changes=2), major(2), minor(3, changes=0)])
    recompute = "valuation.recompute_markets"
    assert all_messages(redis) == {
        "valuation": [Message(recompute, [[market], "batch"], None, None) for market in (1, 1, 3)],
        "major": [Message(recompute, [[2], "major"], None, None)],
    }
    assert buffer.pending_markets(POLICY) == 0


@pytest.mark.django_db
def test_adaptively_a_market_that_changes_again_and_again_waits_for_its_slot(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, adaptive="on", batch_ms=10_000, debounce_ms=10_000)
    policy = replace(POLICY, adaptive="on", batch_ms=10_000, debounce_ms=10_000)
    slow = replace(adaptive.POLICY, recompute_worth=1e9)
    monkeypatch.setattr(adaptive, "POLICY", slow)
    for _ in range(3):
        tasks.send_changes([minor(4)])
    sent = all_messages(redis)
    assert [each.args for each in sent["valuation"]] == [[[4], "first"]]
    (flush,) = sent["coalesce"]
    (shard,) = flush.args
    assert shard in policy.slot_shards
    assert buffer.pending_markets(policy) == 1

    redis.delete("valuation", "coalesce")
    tasks.coalesce_line_changes(shard)
    (recompute,) = messages(redis, "valuation")
    assert recompute.args == [[4], "batch"]
    assert recompute.eta is None, "its slot has ended"
    assert buffer.pending_markets(policy) == 0


@pytest.mark.django_db
def test_adaptive_waits_that_are_only_counted_change_nothing_that_is_sent(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sent_by(mode: str) -> dict[str, list[list[object]]]:
        redis.flushdb()
        use(monkeypatch, adaptive=mode)
        tasks.send_changes([minor(4), minor(2)])
        tasks.send_changes([minor(2), major(6)])
        tasks.coalesce_line_changes(0)
        return {name: [each.args for each in sent] for name, sent in all_messages(redis).items()}

    assert sent_by("shadow") == sent_by("off")
    assert not redis.keys("hardline:adaptive:*")
    sent_by("shadow")
    stored: Any = [redis.hgetall(key) for key in redis.keys("hardline:adaptive:counts:*")]
    counts = AdaptiveCounts.of(stored)
    assert counts is not None
    assert counts.changes == 3
    assert counts.fixed == 3, "two at once, one of a batch"


def test_a_count_that_fails_fails_nothing_that_was_sent(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise RedisError("away")

    use(monkeypatch, adaptive="shadow")
    monkeypatch.setattr(adaptive, "decide", fail)
    tasks.send_changes([minor(4)])
    assert [each.args for each in messages(redis, "valuation")] == [[[4], "first"]]


def test_no_change_sends_nothing(redis: Redis) -> None:
    tasks.send_changes([])
    assert all_messages(redis) == {}


def test_a_batch_of_nothing_to_wait_for_is_flushed_at_once(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, batch_ms=0)
    begin_burst(redis)
    tasks.send_changes([minor(1)])
    (flush,) = messages(redis, "coalesce")
    assert flush.eta is None


def test_a_flush_becomes_one_recompute_that_is_held_back_for_further_changes(
    redis: Redis, now: datetime
) -> None:
    buffer.push({SHARDS: 1, 2 * SHARDS: 3}, POLICY)
    tasks.coalesce_line_changes(0)
    sent = all_messages(redis)
    assert sent.keys() == {"valuation"}
    (held,) = sent["valuation"]
    assert (held.task, sorted(held.args[0]), held.args[1]) == (
        "valuation.recompute_markets",
        [SHARDS, 2 * SHARDS],
        "batch",
    )
    assert held.is_due_in(POLICY.debounce_ms / 1000, since=now)


def test_what_a_change_has_waited_for_its_batch_counts_towards_its_debounce(
    redis: Redis,
) -> None:
    buffer.push({SHARDS: 1}, POLICY)
    seconds, _ = redis.time()
    redis.set("hardline:buffer:0:since", (seconds - 60) * 1000)
    tasks.coalesce_line_changes(0)
    (sent,) = messages(redis, "valuation")
    assert sent.eta is None


def test_without_debounce_a_recompute_is_due_at_once(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, debounce_ms=0)
    buffer.push({SHARDS: 1}, POLICY)
    tasks.coalesce_line_changes(0)
    (sent,) = messages(redis, "valuation")
    assert sent.eta is None


def test_a_flush_of_an_empty_shard_sends_nothing(redis: Redis) -> None:
    tasks.coalesce_line_changes(0)
    assert all_messages(redis) == {}


def test_many_markets_are_split_into_messages_of_bounded_size(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, recompute_markets=3)
    valuation_tasks.send_recomputes(range(1, 9), "sweep")
    sent = messages(redis, "valuation")
    assert [each.args for each in sent] == [
        [[1, 2, 3], "sweep"],
        [[4, 5, 6], "sweep"],
        [[7, 8], "sweep"],
    ]
    assert {each.eta for each in sent} == {None}


@pytest.mark.django_db
def test_a_tick_orders_one_poll_of_each_provider_that_expires_with_its_interval(
    redis: Redis, now: datetime
) -> None:
    ids = [make_provider(interval_seconds=20.0).pk for _ in range(3)]
    make_provider(enabled=False)

    tasks.tick()
    tasks.tick()

    sent = all_messages(redis)
    assert sent.keys() == {"poll"}
    assert sorted(each.args for each in sent["poll"]) == [[provider] for provider in sorted(ids)]
    for each in sent["poll"]:
        assert each.task == "streaming.poll_provider"
        assert each.eta is None
        assert each.expires is not None
        assert now <= each.expires - timedelta(seconds=20) <= datetime.now(UTC)


@pytest.mark.django_db
def test_providers_whose_poll_could_not_be_sent_are_due_at_once(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {make_provider(interval_seconds=3_600.0).pk for _ in range(3)}
    send = tasks.poll_provider.apply_async

    def send_one(args: Any, **options: Any) -> None:
        if all_messages(redis):
            raise OperationalError("the broker is away")
        send(args, **options)

    monkeypatch.setattr(tasks.poll_provider, "apply_async", send_one)
    with pytest.raises(OperationalError):
        tasks.tick()
    monkeypatch.undo()

    (first,) = all_messages(redis)["poll"]
    tasks.tick()
    sent = all_messages(redis)["poll"]
    assert sorted(each.args for each in sent) == [[provider] for provider in sorted(ids)]
    assert Counter(each.args[0] for each in sent)[first.args[0]] == 1


@pytest.mark.django_db
def test_a_poll_sends_on_every_market_that_it_changed(
    redis: Redis, simulator: RunningSimulator
) -> None:
    provider = polled_provider(simulator)
    tasks.poll_provider(provider.pk)
    assert PollRun.objects.get().changes == LineChange.objects.count() > 100
    # First prices are news, not moves: nothing major.
    assert all_messages(redis).keys() == {"valuation"}
    sent = messages(redis, "valuation")
    assert {message.args[1] for message in sent} == {"first"}
    markets = sorted(market for message in sent for market in message.args[0])
    assert markets == list(Market.objects.order_by("pk").values_list("pk", flat=True))


@pytest.mark.django_db
def test_a_poll_in_a_burst_has_every_market_that_it_changed_wait(
    redis: Redis, simulator: RunningSimulator
) -> None:
    begin_burst(redis)
    tasks.poll_provider(polled_provider(simulator).pk)
    assert all_messages(redis).keys() == {"coalesce"}
    markets = set(Market.objects.values_list("pk", flat=True))
    drained = [buffer.drain(shard, POLICY) for shard in range(SHARDS)]
    assert {market for batch in drained for market in batch.market_ids} == markets
    assert sum(batch.changes for batch in drained) == LineChange.objects.count()


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_replayed_poll_that_brings_no_answer_is_no_success() -> None:
    provider = make_provider(enabled=False)
    tasks.poll_provider(provider.pk)
    tasks.poll_provider.push_request(**{REPLAY_HEADER: 4711})  # as the worker reads it
    try:
        with pytest.raises(PollUnansweredError):
            tasks.poll_provider.run(provider.pk)
    finally:
        tasks.poll_provider.pop_request()


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("feed", [EPL, NBA])
def test_a_replayed_poll_is_a_success_if_its_letter_s_own_feed_answers(
    simulator: RunningSimulator, feed: str
) -> None:
    simulator.fail(EPL, "wrong_schema")
    provider = polled_provider(simulator, sports=[EPL, NBA])
    letter = make_dead_letter(
        task="streaming.poll_provider",
        args=[provider.pk],
        provider=provider.key,
        feed=f"/v4/sports/{feed}/odds?markets=h2h,totals",
    )
    action = make_dead_letter_action(letter, outcome="sent")
    tasks.poll_provider.push_request(**{REPLAY_HEADER: action.pk})
    try:
        if feed == NBA:
            tasks.poll_provider.run(provider.pk)
        else:
            with pytest.raises(PollUnansweredError):
                tasks.poll_provider.run(provider.pk)
    finally:
        tasks.poll_provider.pop_request()
    assert PollRun.objects.filter(feed=letter.feed).count() == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_a_replayed_poll_that_the_provider_answers_is_one(simulator: RunningSimulator) -> None:
    provider = polled_provider(simulator)
    tasks.poll_provider.push_request(**{REPLAY_HEADER: 4711})
    try:
        tasks.poll_provider.run(provider.pk)
    finally:
        tasks.poll_provider.pop_request()
    assert PollRun.objects.get().outcome == "ok"


@pytest.mark.django_db
def test_a_sweep_sends_the_markets_that_wait_too_long(redis: Redis) -> None:
    forgotten = make_market(version=1, dirty_at=datetime.now(UTC) - timedelta(seconds=10))
    make_market(version=1, dirty_at=datetime.now(UTC))
    make_market(version=1, valued_version=1)
    tasks.sweep()
    tasks.sweep()
    assert all_messages(redis) == {
        "valuation": [Message("valuation.recompute_markets", [[forgotten.pk], "sweep"], None, None)]
    }


@pytest.mark.django_db
def test_a_sweep_sends_the_markets_a_price_of_which_has_become_too_old(redis: Redis) -> None:
    aged = make_market(version=4, valued_version=4)
    now = datetime.now(UTC)
    book = make_feed_bookmaker(
        make_feed(),
        lagging_markets=[aged.pk],
        lagging_ats=[now - timedelta(minutes=3)],
        next_stale_at=now - timedelta(minutes=1),
    )

    tasks.sweep()
    tasks.sweep()

    book.refresh_from_db()
    aged.refresh_from_db()
    assert (book.stale_markets, book.next_stale_at, aged.version) == ([aged.pk], None, 5)
    assert all_messages(redis) == {
        "major": [Message("valuation.recompute_markets", [[aged.pk], "major"], None, None)]
    }


@pytest.mark.django_db(transaction=True)
def test_letters_of_a_provider_whose_circuit_has_opened_wait_until_it_has_closed(
    redis: Redis,
) -> None:
    provider, other = make_provider(), make_provider()
    circuit = make_circuit(provider, state="open")
    for key in (provider.key, other.key):
        make_dead_letter(provider=key)
    replay.request_replays(DeadLetter.objects.all(), "ana")

    def waiting() -> list[str]:
        tasks.send_replays()
        letters = DeadLetterAction.objects.filter(outcome=ActionOutcome.WAITING)
        return list(letters.values_list("letter__provider", flat=True))

    assert waiting() == [provider.key]
    Circuit.objects.filter(pk=circuit.pk).update(state="half_open")
    assert waiting() == [provider.key]
    assert redis.llen("valuation") == 1, "the other provider's"
    Circuit.objects.filter(pk=circuit.pk).update(state="closed")
    assert waiting() == []
    assert redis.llen("valuation") == 2
