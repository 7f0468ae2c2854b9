"""Adaptive waits in Redis: what is remembered, where markets wait, and what is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from streaming.coalescing import adaptive
from streaming.coalescing.adaptive import AdaptiveCounts, Decisions, MinorChange, count_keys, decide
from streaming.core.adaptive_debounce import MarketPace
from streaming.core.coalesce import CoalescePolicy

POLICY = CoalescePolicy(adaptive="on", batch_ms=10_000, debounce_ms=10_000)
"""Its slots outlive a busy machine's pause between two decisions."""

SMALL = MinorChange(1, 0.0001)

pytestmark = pytest.mark.usefixtures("redis")


def counts(redis: Redis) -> AdaptiveCounts | None:
    stored: Any = [redis.hgetall(f"hardline:adaptive:counts:{hour}") for hour in hours(redis)]
    return AdaptiveCounts.of(stored)


def hours(redis: Redis) -> list[int]:
    keys: Any = redis.keys("hardline:adaptive:counts:*")
    return [int(key.decode().rsplit(":", 1)[1]) for key in keys]


def busy(redis: Redis, *markets: int) -> None:
    """Make the markets as they are after many changes in a row."""
    seconds, micros = redis.time()
    pace = MarketPace(changed_ms=seconds * 1_000 + micros / 1_000, weight=1e9)
    for market in markets:
        redis.set(f"hardline:pace:{market}", adaptive._ENCODER.encode(pace))


def waiting(decided: Decisions) -> list[int]:
    return sorted(market for slot in decided.slots for market in slot.changes)


def test_quiet_markets_go_at_once_and_busy_ones_wait_for_a_slot_within_the_cap(
    redis: Redis,
) -> None:
    busy(redis, 8, 9)
    decided = decide({}, {7: SMALL, 8: MinorChange(3, 0.0001), 9: SMALL}, POLICY)
    assert decided.first == [7]
    assert waiting(decided) == [8, 9]
    (slot,) = decided.slots
    assert slot.changes == {8: 3, 9: 1}
    assert slot.shard in POLICY.slot_shards
    assert 0 < slot.wait_ms <= POLICY.cap_ms == 20_000


def test_a_change_joins_one_of_its_market_that_waits(redis: Redis) -> None:
    busy(redis, 8)
    assert waiting(decide({}, {8: SMALL}, POLICY)) == [8]
    # Pushed again, to the same slot: its shard may have been drained early.
    assert waiting(decide({}, {8: SMALL}, POLICY)) == [8]
    found = counts(redis)
    assert found is not None
    assert (found.at_once, found.batched, found.joined, found.changes) == (0, 1, 1, 2)
    assert 0 < found.mean_wait_ms <= POLICY.cap_ms


def test_a_major_move_takes_what_waits_along_so_that_the_next_change_waits_anew(
    redis: Redis,
) -> None:
    busy(redis, 8)
    decide({}, {8: SMALL}, POLICY)
    decide({8: 0.2}, {}, POLICY)
    assert waiting(decide({}, {8: SMALL}, POLICY)) == [8]


def test_beside_a_major_move_and_in_a_burst_nothing_goes_at_once(redis: Redis) -> None:
    assert decide({1: 0.2}, {7: SMALL}, POLICY).first == []
    policy = replace(POLICY, first_answers=2)
    went = [decide({}, {10 + number: SMALL}, policy).first for number in range(4)]
    assert went == [[10], [11], [], []]
    assert 5_000 < redis.pttl("hardline:adaptive:answers") <= 10_000


def test_without_windows_nothing_waits() -> None:
    policy = replace(POLICY, batch_ms=0, debounce_ms=0)
    assert decide({}, {7: SMALL, 8: SMALL}, policy) == Decisions([7, 8])


def test_what_is_remembered_of_a_market_expires_and_what_is_spoilt_begins_again(
    redis: Redis,
) -> None:
    redis.set("hardline:pace:7", b"\xff{")
    assert decide({}, {7: SMALL}, POLICY).first == [7]
    assert 30 < redis.ttl("hardline:pace:7") <= adaptive.PACE_SECONDS
    stored: Any = redis.get("hardline:pace:7")
    assert MarketPace.of(stored).weight == 1.0


def test_counts_are_those_of_this_hour_and_the_one_before(redis: Redis) -> None:
    decide({}, {7: SMALL}, POLICY)
    adaptive.count_fixed(5)
    adaptive.count_fixed(0)
    assert counts(redis) == AdaptiveCounts(at_once=1, fixed=5)
    (hour,) = hours(redis)
    assert count_keys(hour * 3_600.0)[0] == count_keys(hour * 3_600.0 + 3_600)[1]
    assert 3_600 < redis.ttl(f"hardline:adaptive:counts:{hour}") <= 7_200


def test_nothing_counted_is_no_counts() -> None:
    assert AdaptiveCounts.of([{}, {}]) is None
    assert AdaptiveCounts.of([{b"joined": b"2", b"wait_ms": b"100"}, {b"at_once": b"2"}]) == (
        AdaptiveCounts(at_once=2, joined=2, wait_ms=100)
    )
