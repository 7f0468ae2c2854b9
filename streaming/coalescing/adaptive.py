"""Adaptive waits: what Redis remembers of markets' changes, and what is decided by it.

`streaming.core.adaptive_debounce` decides; this module reads and stores the markets' paces, in two
round trips an answer, by Redis's own clock. Like all of coalescing they are hints: two answers that
change a market at once may forget one of the two, and a Redis that was emptied takes all markets
for quiet ones.

Keys, all with an expiry:

* ``hardline:pace:<market id>`` a market's `MarketPace`, as JSON;
* ``hardline:adaptive:answers`` the answers with changes within the current window;
* ``hardline:adaptive:counts:<hour>`` hash, the fields of `AdaptiveCounts` within an hour.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import cast

import msgspec
from redis.client import Pipeline

from betting.db.redis import redis_client
from streaming.core.adaptive_debounce import (
    CAP_SLOTS,
    AdaptivePolicy,
    MarketPace,
    at_once,
    wait_for,
)
from streaming.core.coalesce import CoalescePolicy

POLICY = AdaptivePolicy()
PACE_SECONDS = 60
"""A market's pace is forgotten this long after its last change: it has become quiet."""

HOUR_SECONDS = 3_600
_COUNTS = "hardline:adaptive:counts:"
_PACE = "hardline:pace:"
_ANSWERS = "hardline:adaptive:answers"
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class AdaptiveCounts:
    """Decisions in this hour and the one before.

    Attributes:
        at_once: changes of a market that go at once.
        batched: those that begin to wait for a batch.
        joined: those that are taken along by one that waits already.
        wait_ms: the sum of their waits.
        fixed: the valuations that fixed windows sent meanwhile; 0 while adaptive ones act.
    """

    at_once: int = 0
    batched: int = 0
    joined: int = 0
    wait_ms: int = 0
    fixed: int = 0

    @classmethod
    def of(cls, stored: Sequence[Mapping[bytes, bytes]]) -> AdaptiveCounts | None:
        """Return the sum of stored counts; None where nothing was counted."""
        names = [each.name for each in fields(cls)]
        sums = {name: sum(int(each.get(name.encode(), 0)) for each in stored) for name in names}
        return cls(**sums) if any(sums.values()) else None

    @property
    def changes(self) -> int:
        """The changes decided about: one for each market that an answer changed a little."""
        return self.at_once + self.batched + self.joined

    @property
    def recomputes(self) -> int:
        """The valuations that the decisions come to."""
        return self.at_once + self.batched

    @property
    def mean_wait_ms(self) -> float:
        """The mean wait of a change."""
        return self.wait_ms / self.changes if self.changes else 0.0


@dataclass(frozen=True, slots=True)
class MinorChange:
    """The change that an answer makes to a market, by less than a major move.

    Attributes:
        changes: how many of its prices, at least 1.
        move: the largest change of a price, in log-odds; None if that is not known.
    """

    changes: int
    move: float | None


@dataclass(frozen=True, slots=True)
class Slot:
    """Markets that wait for the end of the same slot.

    Attributes:
        shard: the shard of the buffer that they wait in.
        wait_ms: until the slot ends.
        changes: market id → number of its changes.
    """

    shard: int
    wait_ms: float
    changes: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions about an answer's minor changes.

    Attributes:
        first: markets that are valued at once.
        slots: those that wait, with those that changes which wait already take along.
    """

    first: Sequence[int] = ()
    slots: Sequence[Slot] = ()


def decide(
    major: Mapping[int, float | None], minor: Mapping[int, MinorChange], policy: CoalescePolicy
) -> Decisions:
    """Decide how long an answer's changes wait, and remember them.

    Beside a major move, and beyond `CoalescePolicy.first_answers` answers of a window, nothing
    goes at once.

    Args:
        major: markets with a major move → the largest change of a price, in log-odds.
        minor: the other markets.
        policy: the bounds.
    """
    markets = [*major, *minor]
    if not markets or not policy.cap_ms:
        return Decisions(first=list(minor))
    now_ms, is_crowded, paces = _read(markets, policy, is_crowded=bool(major))
    rules = replace(POLICY, slot_ms=policy.cap_ms / CAP_SLOTS)
    after = {id_: at_once(paces[id_], rules, move, now_ms) for id_, move in major.items()}
    first, slots, counts = list[int](), dict[float, Slot](), Counter[str]()
    for id_, change in minor.items():
        wait = wait_for(
            paces[id_], rules, change.move, now_ms, policy.cap_ms, is_crowded=is_crowded
        )
        after[id_] = wait.pace
        wait_ms = wait.due_ms - now_ms
        counts["wait_ms"] += round(wait_ms)
        if wait_ms <= 0:
            first.append(id_)
            continue
        # One that joins is pushed as well: its slot's shard may have been drained early.
        number = round(wait.due_ms / rules.slot_ms)
        shard = policy.slot_shards[number % len(policy.slot_shards)]
        slots.setdefault(wait.due_ms, Slot(shard, wait_ms)).changes[id_] = change.changes
        counts["batched" if wait.is_new else "joined"] += 1
    counts["at_once"] = len(first)
    _write(after, counts)
    return Decisions(first, list(slots.values()))


def count_fixed(valuations: int) -> None:
    """Count valuations that fixed windows send while adaptive waits are only counted."""
    with redis_client().pipeline(transaction=False) as asked:
        _count(asked, {"fixed": valuations})
        asked.execute()


def count_keys(now_seconds: float) -> tuple[str, str]:
    """Return the keys of this hour's counts and of those of the hour before.

    >>> count_keys(7_200.0)
    ('hardline:adaptive:counts:2', 'hardline:adaptive:counts:1')
    """
    hour = int(now_seconds // HOUR_SECONDS)
    return f"{_COUNTS}{hour}", f"{_COUNTS}{hour - 1}"


def _count(asked: Pipeline, counts: Mapping[str, int]) -> None:
    key, _ = count_keys(time.time())
    for name, count in counts.items():
        if count:
            asked.hincrby(key, name, count)
            asked.expire(key, 2 * HOUR_SECONDS)


def _read(
    markets: Sequence[int], policy: CoalescePolicy, *, is_crowded: bool
) -> tuple[float, bool, dict[int, MarketPace]]:
    """Return the time, whether nothing may go at once, and the markets' paces."""
    with redis_client().pipeline(transaction=False) as asked:
        asked.time()
        asked.mget([f"{_PACE}{market}" for market in markets])
        if not is_crowded:
            asked.incr(_ANSWERS)
            asked.pexpire(_ANSWERS, policy.window_ms, nx=True)
        (seconds, micros), known, *answers = cast(
            "tuple[tuple[int, int], list[bytes | None], int]", asked.execute()
        )
    is_crowded = is_crowded or answers[0] > policy.first_answers
    paces = {id_: MarketPace.of(pace) for id_, pace in zip(markets, known, strict=True)}
    return seconds * 1_000 + micros / 1_000, is_crowded, paces


def _write(paces: Mapping[int, MarketPace], counts: Mapping[str, int]) -> None:
    with redis_client().pipeline(transaction=False) as asked:
        for id_, pace in paces.items():
            asked.set(f"{_PACE}{id_}", _ENCODER.encode(pace), ex=PACE_SECONDS)
        _count(asked, counts)
        asked.execute()
