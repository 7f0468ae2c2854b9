"""The judgment on letters and deliveries: each failure has its letter, each delivery its end.

Pure: what a worker saw (`streaming.chaos.witness`) and a subscriber received
(`streaming.chaos.receiver`) is compared with what the product says of it in its rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

from streaming.chaos.receiver import Receipt
from streaming.chaos.witness import Seen

OF_TASKS = frozenset({"exception", "worker_lost", "hook", "result", "rejected"})
"""The kinds of letters of failures that Celery signals; it is silent on a hard time limit."""

_UNDER_WAY = timedelta(seconds=60)
"""A message that a killed worker held has come back within this time."""


@dataclass(frozen=True, slots=True)
class Ends:
    """The failures that the product has counted.

    Attributes:
        kinds: kind of each failure, by the id of its end.
        counted: how many failures its letters say that there were.
        answers: answers of providers that could not be read.
        samples: of records that were left out of an answer, at most.
        missed: deliveries that failed or were held back.
    """

    kinds: Mapping[UUID, str]
    counted: int
    answers: int
    samples: int
    missed: int


def unsound_letters(
    seen: Iterable[Seen],
    ends: Ends,
    earlier: Collection[UUID],
    alive: Collection[int],
    *,
    may_lack: bool,
) -> list[str]:
    """Return what is wrong with the letters of a seed, in words.

    A failure whose whole worker ended may have none: its message comes back.

    Args:
        seen: the failures that workers have seen, those of earlier seeds included.
        ends: all that were counted.
        earlier: those of them that were there before the seed.
        alive: the main processes of workers that still run.
        may_lack: whether a worker has ended, between a row and its letter say.
    """
    failures = {_end(each): each for each in seen if each.what == "failed"}
    new = {end: kind for end, kind in ends.kinds.items() if end not in earlier}
    wrong = [
        f"no letter of the failure of {each.task} at {each.at:%H:%M:%S}"
        for end, each in failures.items()
        if end not in ends.kinds and each.worker in alive
    ]
    strange = [kind for end, kind in new.items() if kind in OF_TASKS and end not in failures]
    wrong += [f"a letter of no failure that a worker saw: {kind}" for kind in strange]
    if ends.counted != len(ends.kinds):
        wrong.append(f"letters count {ends.counted} failures, there were {len(ends.kinds)}")
    kinds = Counter(new.values())
    least = 0 if may_lack else 1
    if not least * ends.answers <= kinds["payload"] <= ends.answers + ends.samples:
        wrong.append(f"{kinds['payload']} letters of {ends.answers} answers that were unreadable")
    if not least * ends.missed <= kinds["delivery"] <= ends.missed:
        wrong.append(f"{kinds['delivery']} letters of {ends.missed} deliveries that were missed")
    return wrong


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The deliveries that the product says have ended.

    Attributes:
        recorded: when the arrival of each was on record.
        put_aside: those that have a letter.
    """

    recorded: Mapping[UUID, datetime]
    put_aside: Collection[UUID]


def lost(
    sent: Iterable[Seen], arrivals: Arrivals, losing: Sequence[tuple[datetime, datetime]]
) -> list[Seen]:
    """Return the deliveries that were sent and have no end.

    Args:
        sent: what was sent to the queue of deliveries.
        arrivals: those that have ended.
        losing: the times in which a fault may have lost messages.
    """
    ended = {*arrivals.recorded, *arrivals.put_aside}
    return [
        each
        for each in {each.id: each for each in sent}.values()
        if UUID(each.id) not in ended
        and not any(begin - _UNDER_WAY <= each.at <= end for begin, end in losing)
    ]


def needless(receipts: Iterable[Receipt], arrivals: Arrivals) -> list[Receipt]:
    """Return what was received again after its arrival was on record: it must not be sent again.

    What was received once was not sent again, even if a clock that was set between says otherwise.
    """
    recorded = arrivals.recorded
    again = repeated(receipts)
    return [each for each in again if each.at > recorded.get(UUID(each.delivery), each.at)]


def unreceived(receipts: Iterable[Receipt], arrivals: Arrivals) -> list[UUID]:
    """Return the deliveries that are on record as arrived, and that nobody received."""
    taken = {UUID(each.delivery) for each in receipts}
    return [delivery for delivery in arrivals.recorded if delivery not in taken]


def repeated(receipts: Iterable[Receipt]) -> list[Receipt]:
    """Return the receipts of deliveries that had been received before."""
    taken: set[str] = set()
    again = []
    for each in receipts:
        if each.delivery in taken:
            again.append(each)
        taken.add(each.delivery)
    return again


def _end(failure: Seen) -> UUID:
    """Return the id of a failure's letter (`streaming.core.letters`)."""
    return uuid5(NAMESPACE_OID, f"{failure.id}:{failure.retries}")
