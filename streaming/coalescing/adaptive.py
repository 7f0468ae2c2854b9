"""Adaptive waits: what Redis remembers of markets' changes, and what is decided by it.

`streaming.core.adaptive_debounce` decides; this module reads and stores the markets' paces, in two
round trips an answer, by Redis's own clock. Like all of coalescing they are hints: two answers that
change a market at once may forget one of the two, and a Redis that was emptied takes all markets
for quiet ones.

Keys, all but the counts with an expiry:

* ``hardline:pace:<market id>`` a market's `MarketPace`, as JSON;
* ``hardline:adaptive:answers`` the answers with changes within the current window;
* ``hardline:adaptive:counts`` hash of `COUNTS`, what was decided since Redis was set up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import msgspec

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
COUNTS_KEY = "hardline:adaptive:counts"
COUNTS = ("at_once", "batched", "joined", "wait_ms", "fixed")
"""Changes of markets that go at once, wait for a batch, and are taken along by one that waits; the
sum of their waits; and the valuations that fixed windows sent meanwhile, while these only count."""

PACE_SECONDS = 60
"""A market's pace is forgotten this long after its last change: it is quiet, whatever it was."""

_PACE = "hardline:pace:"
_ANSWERS = "hardline:adaptive:answers"
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class MinorChange:
    """What an answer changes in a market, by less than a major move.

    Attributes:
        changes: how many of its prices, at least 1.
        move: the largest change of a price, in log-odds; None if that is not known.
    """

    changes: int
    move: float | None


@dataclass(frozen=True, slots=True)
class Slot:
    """Markets that begin to wait for the end of the same slot.

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
    """What is decided about an answer's minor changes.

    Attributes:
        first: markets that are valued at once.
        slots: those that begin to wait. The others are taken along by changes that wait already.
    """

    first: Sequence[int] = ()
    slots: Sequence[Slot] = ()


def decide(
    major: Mapping[int, float | None], minor: Mapping[int, MinorChange], policy: CoalescePolicy
) -> Decisions:
    """Decide how long an answer's changes wait, and remember them.

    Beside a major move, and in a burst as `streaming.coalescing.buffer.claim_first` has it, nothing
    goes at once.

    Args:
        major: markets with a major move → the largest change of a price, in log-odds.
        minor: the other markets.
        policy: the bounds.
    """
    markets = [*major, *minor]
    if not markets or not policy.cap_ms:
        return Decisions(first=list(minor))
    now_ms, is_crowded, paces = _read(
        markets, policy, is_crowded=bool(major) or _fills(minor, policy)
    )
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
        elif wait.is_new:
            number = round(wait.due_ms / rules.slot_ms)
            shard = policy.slot_shards[number % len(policy.slot_shards)]
            slots.setdefault(wait.due_ms, Slot(shard, wait_ms)).changes[id_] = change.changes
    batched = sum(len(slot.changes) for slot in slots.values())
    counts.update(at_once=len(first), batched=batched, joined=len(minor) - len(first) - batched)
    _write(after, counts)
    return Decisions(first, list(slots.values()))


def count_fixed(valuations: int) -> None:
    """Count valuations that fixed windows send while adaptive waits are only counted."""
    if valuations:
        redis_client().hincrby(COUNTS_KEY, "fixed", valuations)


def _fills(minor: Mapping[int, MinorChange], policy: CoalescePolicy) -> bool:
    return sum(change.changes for change in minor.values()) >= policy.batch_changes


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
        for name, count in counts.items():
            if count:
                asked.hincrby(COUNTS_KEY, name, count)
        asked.execute()
