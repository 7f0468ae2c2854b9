"""The judgment on all deliveries of a run, seed by seed, once it has ended.

A delivery that a killed worker held comes back after half a minute, in a later seed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from streaming.chaos.document import SeedResult
from streaming.chaos.receiver import Receipt
from streaming.chaos.soundness import Arrivals, lost, needless, repeated, unreceived
from streaming.chaos.witness import Seen

_WORKER = "worker-deliver"


@dataclass(frozen=True, slots=True)
class Played:
    """A seed that was played.

    Attributes:
        began_at: when.
        result: what became of it.
        loses_messages: whether one of its faults may have lost messages.
    """

    began_at: datetime
    result: SeedResult
    loses_messages: bool


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The deliveries of a run, by all that know of them.

    Attributes:
        sent: what workers sent to the queue of deliveries.
        receipts: what the subscriber took.
        arrivals: what is on record.
    """

    sent: Sequence[Seen]
    receipts: Sequence[Receipt]
    arrivals: Arrivals


def missing(played: Sequence[Played], deliveries: Deliveries, now: datetime) -> list[Seen]:
    """Return the deliveries that have no end yet, and that no fault can have lost.

    A worker that ends loses the one message at most that Redis is handing to it at that instant.
    """
    ends = [*(each.began_at for each in played[1:]), now]
    losing = [
        (each.began_at, end) for each, end in zip(played, ends, strict=True) if each.loses_messages
    ]
    allowed = [each.result.restarts.get(_WORKER, 0) for each in played]
    left = []
    for each in lost(deliveries.sent, deliveries.arrivals, losing):
        seed = _seed_at(played, each.at)
        if allowed[seed]:
            allowed[seed] -= 1
        else:
            left.append(each)
    return left


def _seed_at(played: Sequence[Played], at: datetime) -> int:
    """Return the number of the seed that was played at a time; the first one for an earlier one."""
    return max(bisect_right(played, at, key=lambda each: each.began_at) - 1, 0)


def judged(
    played: Sequence[Played], deliveries: Deliveries, now: datetime
) -> tuple[SeedResult, ...]:
    """Return the results of the seeds with what is wrong with their deliveries.

    Args:
        played: the seeds, in order, at least one.
        deliveries: all that there were.
        now: when the last seed ended.
    """
    receipts, arrivals = deliveries.receipts, deliveries.arrivals
    wrong: defaultdict[int, list[str]] = defaultdict(list)
    taken: defaultdict[int, int] = defaultdict(int)
    again: defaultdict[int, int] = defaultdict(int)

    for sent in missing(played, deliveries, now):
        wrong[_seed_at(played, sent.at)].append(f"delivery {sent.id} was sent, and lost")
    for receipt in needless(receipts, arrivals):
        words = f"delivery {receipt.delivery} was sent again after it had arrived"
        wrong[_seed_at(played, receipt.at)].append(words)
    for delivery in unreceived(receipts, arrivals):
        words = f"delivery {delivery} is on record as arrived, and was not received"
        wrong[_seed_at(played, arrivals.recorded[delivery])].append(words)
    for receipt in receipts:
        taken[_seed_at(played, receipt.at)] += 1
    for receipt in repeated(receipts):
        again[_seed_at(played, receipt.at)] += 1
    return tuple(
        structs.replace(
            each.result,
            unsound=(*each.result.unsound, *wrong[number]),
            deliveries=taken[number],
            repeated=again[number],
        )
        for number, each in enumerate(played)
    )
