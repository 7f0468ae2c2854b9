"""The coalescing buffer: batches, markers, bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis

from betting.logs.context import MAX_TRACES
from streaming.coalescing import buffer
from streaming.coalescing.buffer import Flush
from streaming.core.coalesce import CoalescePolicy

ONE_SHARD = CoalescePolicy(shards=1, batch_changes=5)
PATIENT = replace(ONE_SHARD, batch_ms=10_000)
"""Its buffer outlives a busy machine's pause between two pushes."""

pytestmark = pytest.mark.usefixtures("redis")


def test_a_quiet_market_goes_at_once_and_once_in_a_window(redis: Redis) -> None:
    assert buffer.claim_first({7: 1, 8: 1}, PATIENT) == {7, 8}
    assert buffer.claim_first({8: 1, 9: 1}, PATIENT) == {9}
    assert 5_000 < redis.pttl("hardline:first:7") <= 10_000
    redis.pexpire("hardline:first:8", 1_000)
    assert buffer.claim_first({8: 1}, PATIENT) == set()
    assert redis.pttl("hardline:first:8") <= 1_000


def test_an_answer_that_fills_a_batch_goes_at_once_where_its_markets_were_quiet() -> None:
    assert buffer.claim_first({7: 3, 8: PATIENT.batch_changes}, PATIENT) == {7, 8}


def test_markets_that_go_on_changing_in_large_answers_are_not_quiet(redis: Redis) -> None:
    large = {7: PATIENT.batch_changes}
    buffer.claim_first(large, PATIENT)
    redis.pexpire("hardline:first:7", 1_000)
    assert buffer.claim_first(large, PATIENT) == set()
    assert redis.pttl("hardline:first:7") > 5_000


def test_answers_beyond_those_of_a_window_are_a_burst_until_the_window_ends(redis: Redis) -> None:
    policy = replace(PATIENT, first_answers=2)
    went = [buffer.claim_first({number: 1}, policy) for number in range(4)]
    assert went == [{0}, {1}, set(), set()]
    assert 5_000 < redis.pttl("hardline:first:answers") <= 10_000
    redis.delete("hardline:first:answers")
    assert buffer.claim_first({3: 1}, policy) == {3}


def test_without_windows_nothing_has_to_go_ahead() -> None:
    assert buffer.claim_first({7: 1}, replace(ONE_SHARD, batch_ms=0, debounce_ms=0)) == set()


def test_a_batch_says_how_long_its_first_change_has_waited(redis: Redis) -> None:
    buffer.push({7: 1}, PATIENT)
    seconds, _ = redis.time()
    redis.set("hardline:buffer:0:since", (seconds - 60) * 1000)
    buffer.push({8: 1}, PATIENT)
    assert 59_000 <= buffer.drain(0, PATIENT).waited_ms < 120_000
    buffer.push({7: 1}, PATIENT)
    assert buffer.drain(0, PATIENT).waited_ms < 30_000


def test_the_first_change_of_an_empty_shard_asks_for_a_flush_after_the_window() -> None:
    assert buffer.push({7: 1}, ONE_SHARD) == {0: Flush.LATER}


def test_further_changes_wait_for_the_flush_already_asked_for() -> None:
    buffer.push({7: 1}, ONE_SHARD)
    assert buffer.push({8: 1}, ONE_SHARD) == {}


def test_the_change_that_fills_a_batch_asks_for_a_flush_at_once() -> None:
    buffer.push({7: 4}, ONE_SHARD)
    assert buffer.push({8: 1}, ONE_SHARD) == {0: Flush.NOW}


def test_a_push_larger_than_a_batch_asks_for_a_flush_at_once() -> None:
    assert buffer.push({7: 12}, ONE_SHARD) == {0: Flush.NOW}


def test_every_further_full_batch_asks_again_in_case_the_first_message_is_lost() -> None:
    asked = [buffer.push({7: 1}, ONE_SHARD) for _ in range(15)]
    assert asked.count({0: Flush.NOW}) == 3


def test_nothing_to_push_asks_for_nothing() -> None:
    assert buffer.push({}, ONE_SHARD) == {}


def test_a_drain_merges_changes_by_market_and_leaves_the_shard_empty() -> None:
    buffer.push({7: 2, 8: 1}, ONE_SHARD)
    buffer.push({7: 3}, ONE_SHARD)
    batch = buffer.drain(0, ONE_SHARD)
    assert (sorted(batch.market_ids), batch.changes, batch.markets) == ([7, 8], 6, 2)
    assert buffer.drain(0, ONE_SHARD) == buffer.Batch([], 0, 0, 0)
    assert buffer.push({7: 1}, ONE_SHARD) == {0: Flush.LATER}


def test_a_market_with_a_recompute_on_its_way_is_not_scheduled_again() -> None:
    buffer.push({7: 1}, ONE_SHARD)
    buffer.drain(0, ONE_SHARD)
    buffer.push({7: 1, 8: 1}, ONE_SHARD)
    assert buffer.drain(0, ONE_SHARD).market_ids == [8]


def test_a_market_whose_marker_was_cleared_is_scheduled_again() -> None:
    buffer.push({7: 1}, ONE_SHARD)
    buffer.drain(0, ONE_SHARD)
    buffer.clear_scheduled([7])
    buffer.push({7: 1}, ONE_SHARD)
    assert buffer.drain(0, ONE_SHARD).market_ids == [7]


def test_a_full_shard_drops_new_markets_counts_them_and_keeps_those_it_has() -> None:
    policy = replace(ONE_SHARD, buffer_max_markets=2, batch_changes=1000)
    buffer.push({1: 1, 2: 1}, policy)
    buffer.push({3: 1, 1: 1}, policy)
    assert buffer.dropped_hints() == 1
    assert buffer.pending_markets(policy) == 2
    assert buffer.drain(0, policy).changes == 3


def test_markets_are_spread_over_shards_and_stay_in_theirs() -> None:
    policy = replace(ONE_SHARD, shards=3, batch_changes=1000)
    buffer.push(dict.fromkeys(range(30), 1), policy)
    buffer.push(dict.fromkeys(range(30), 1), policy)
    drained = [sorted(buffer.drain(shard, policy).market_ids) for shard in range(3)]
    assert drained == [list(range(shard, 30, 3)) for shard in range(3)]


def test_every_key_expires_so_that_a_lost_flush_cannot_block_a_shard(redis: Redis) -> None:
    buffer.push({7: 1}, ONE_SHARD)
    assert 0 < redis.pttl("hardline:buffer:0") <= 2000
    assert 0 < redis.pttl("hardline:buffer:0:changes") <= 2000
    buffer.drain(0, ONE_SHARD)
    assert 0 < redis.pttl("hardline:scheduled:7") <= ONE_SHARD.marker_ttl_ms


def test_the_same_request_is_claimed_once_within_its_window() -> None:
    assert buffer.first_within("odds:/h2h", 60_000)
    assert not buffer.first_within("odds:/h2h", 60_000)
    assert buffer.first_within("odds:/totals", 60_000)


def test_a_batch_belongs_to_the_traces_of_its_changes_newest_first() -> None:
    buffer.push({7: 1}, PATIENT, ["a" * 32])
    buffer.push({8: 1}, PATIENT, ["b" * 32])
    buffer.push({9: 1}, PATIENT)
    buffer.push({7: 1}, PATIENT, ["a" * 32])
    assert buffer.drain(0, PATIENT).trace_ids == ("a" * 32, "b" * 32)
    assert buffer.drain(0, PATIENT).trace_ids == ()


def test_a_batch_keeps_the_newest_traces_alone_and_they_expire_with_it(redis: Redis) -> None:
    ids = [f"{number:032x}" for number in range(2 * MAX_TRACES)]
    buffer.push({7: 1}, PATIENT)
    for trace_id in ids:
        buffer.push({7: 1}, PATIENT, [trace_id])
    assert all(redis.pttl(key) > 0 for key in redis.keys("hardline:buffer:0*"))
    assert buffer.drain(0, PATIENT).trace_ids == tuple(reversed(ids[MAX_TRACES:]))
