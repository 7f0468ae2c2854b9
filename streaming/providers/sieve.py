"""Sorting of an answer's items: readable ones are kept, others are left out and counted.

The whole body is decoded strictly first, which is fast. Only when that fails is it converted item
by item, so that a bad record does not cost its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from streaming.core.failures import DataFailure
from streaming.core.snapshot import LeftOut, SnapshotEvent, merged
from streaming.core.texts import cleaned
from streaming.providers.fields import misfit

T = TypeVar("T")

Nested = Mapping[type, tuple[str, type]]
"""Type of an item → the name of its field that lists items, and the type of these."""


class Survivors(list[T]):
    """The items of a list that could be read.

    Attributes:
        numbers: the index of each in the list as received.
        lost: how many could not be read.
    """

    numbers: list[int]
    lost: int


def numbered(items: list[T]) -> Iterable[tuple[int, T]]:
    """Return the items of a list, each with its index in the answer."""
    return (
        zip(items.numbers, items, strict=True) if isinstance(items, Survivors) else enumerate(items)
    )


@dataclass(slots=True)
class Sieve:
    """The collection of what is left out of one answer.

    Attributes:
        read: items that could be read; an item is the smallest thing that has a price.
        lost: items that were left out, each by itself or within something larger.
        cleaned: texts from which characters were removed.
        missed_events: ids of the events that were left out.
        has_nameless: whether an event was left out whose id is not known.
    """

    read: int = 0
    lost: int = 0
    cleaned: int = 0
    missed_events: list[str] = field(default_factory=list)
    has_nameless: bool = False
    _found: dict[str, LeftOut] = field(default_factory=dict)

    def leave_out(self, fault: DataFailure, items: int = 1) -> None:
        """Count what cannot be read, and keep the first of each reason as its sample.

        Args:
            fault: the reason, and the place in the answer.
            items: how many items are lost with it.
        """
        self.lost += items
        self._add(LeftOut(fault.code, fault.where, fault.message))

    def take_over(self, other: Sieve) -> None:
        """Add the counts of another sieve of the same answer."""
        self.read += other.read
        self.lost += other.lost
        self.cleaned += other.cleaned
        for each in other.left_out:
            self._add(each)

    def miss_event(self, external_id: object) -> None:
        """Record that the answer lists an event of which nothing else could be read."""
        # As ids are stored: `text` cleans them.
        if isinstance(external_id, str) and (clean := cleaned(external_id)):
            self.missed_events.append(clean)
        else:
            self.has_nameless = True

    def text(self, text: str) -> str:
        """Return the text without control and direction characters; count a changed text."""
        if text.isprintable():
            return text
        clean = cleaned(text)
        self.cleaned += clean != text
        return clean

    def key(self, text: str, where: str) -> str:
        """Return the same of a text that has to name something.

        Args:
            text: an id or a key, not empty.
            where: its place.

        Raises:
            DataFailure: nothing of it is left.
        """
        if clean := self.text(text):
            return clean
        raise DataFailure("no_name", "An id has no visible character.", where)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The items that were left out, one entry per reason."""
        return tuple(self._found.values())

    @property
    def unreadable_share(self) -> float:
        """The share of the answer's items that were left out."""
        return self.lost / (self.read + self.lost) if self.lost else 0.0

    def _add(self, found: LeftOut) -> None:
        known = self._found.get(found.reason)
        if known is not None:
            found = msgspec.structs.replace(known, count=known.count + found.count)
        self._found[found.reason] = found

    def require_any(self) -> None:
        """Refuse an answer of which nothing could be read.

        Raises:
            DataFailure: items were left out and none was read; it is the first reason.
        """
        if self._found and not self.read:
            first = self.left_out[0]
            raise DataFailure(first.reason, first.message, first.place)


def add_event(
    sieve: Sieve, read: dict[str, SnapshotEvent], event: SnapshotEvent, place: str
) -> None:
    """Add an event to those read of an answer; merge it with an earlier listing.

    Args:
        sieve: counts the repetition.
        read: id → event, of the events read so far.
        event: the next one, which takes precedence where the two differ.
        place: the place of its id.
    """
    known = read.get(event.external_id)
    if known is not None:
        sieve.leave_out(DataFailure("repeated_event", "The event is listed twice.", place))
        event = merged(known, event)
    read[event.external_id] = event


def salvage(value: object, kind: type[T], nested: Nested, sieve: Sieve, place: str) -> T | None:
    """Return what can be read of an item; None if nothing can.

    Args:
        value: the item as plain JSON values.
        kind: its type.
        nested: which types list items of their own.
        sieve: collects what is left out.
        place: the item's place in the answer.
    """
    name, inner = nested.get(kind, ("", None))
    listed = value.get(name) if isinstance(value, dict) else None
    shell = {**value, name: []} if isinstance(value, dict) and isinstance(listed, list) else value
    try:
        item = msgspec.convert(shell, kind)
    except msgspec.ValidationError as error:
        sieve.leave_out(misfit("wrong_schema", str(error), place), items_in(value))
        return None
    if inner is not None and isinstance(listed, list):
        setattr(item, name, salvaged(listed, inner, nested, sieve, f"{place}.{name}"))
    return item


def salvaged(
    values: Iterable[object], kind: type[T], nested: Nested, sieve: Sieve, place: str
) -> Survivors[T]:
    """Return the items that can be read; see `salvage`."""
    kept: Survivors[T] = Survivors()
    kept.numbers, kept.lost = [], 0
    for number, value in enumerate(values):
        item = salvage(value, kind, nested, sieve, f"{place}[{number}]")
        if item is None:
            kept.lost += 1
        else:
            kept.append(item)
            kept.numbers.append(number)
    return kept


def items_in(value: object) -> int:
    """Return the number of innermost objects in a JSON value; at least 1.

    >>> items_in({"markets": [{"outcomes": [{"price": 2}, {"price": 3}]}]}), items_in(None)
    (2, 1)
    """
    return max(1, sum(1 for _ in _innermost(value)))


def _innermost(value: object) -> Iterator[Mapping[str, Any]]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    below = [each for each in inside if isinstance(each, dict | list) and each]
    if not below and isinstance(value, dict):
        yield value
    for each in below:
        yield from _innermost(each)
