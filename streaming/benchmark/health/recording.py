"""A recording of the checks while faults strike, as JSON.

A look holds only the checks that differ from the look before, which makes it small enough to keep.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from streaming.core.health import Check, Status, check

_GZIP = b"\x1f\x8b"

Class = Literal["fault", "blip", "minor"]
"""A fault that somebody has to be called for, one that is over by itself, one that can wait."""

Seen = tuple[str, float | None, float | None, float | None]
"""A check's status, its figure, and its limits of a warning and a failure; None for infinite."""


class Look(msgspec.Struct, frozen=True):
    """The checks at one moment.

    Attributes:
        at: seconds from when its episode was begun.
        checks: check → how it was, where that differs from the look before.
    """

    at: float
    checks: dict[str, Seen]


class Episode(msgspec.Struct, frozen=True):
    """One fault, with the time before it.

    Attributes:
        name: of the fault.
        kind: its class.
        struck_at: when it struck, in seconds.
        ended_at: when it had ended, in seconds.
        looks: the checks, in order.
    """

    name: str
    kind: Class
    struck_at: float
    ended_at: float
    looks: tuple[Look, ...]

    def moments(self) -> Iterator[tuple[float, list[Check]]]:
        """Yield each look's time and all its checks."""
        known: dict[str, Check] = {}
        for look in self.looks:
            known |= {name: _check(name, seen) for name, seen in look.checks.items()}
            yield look.at, list(known.values())


class Recording(msgspec.Struct, frozen=True):
    """A run of episodes.

    Attributes:
        seed: of the order, the victims and the lengths.
        machine: what it ran on.
        every_seconds: from one look to the next.
        episodes: in order.
    """

    seed: int
    machine: str
    every_seconds: float
    episodes: tuple[Episode, ...]


def with_figure(recording: Recording, name: str, figure: float) -> Recording:
    """Return a recording in which a check has the same figure all the time.

    Args:
        recording: the recording.
        name: of the check.
        figure: its figure, which its recorded limits grade.
    """
    return msgspec.structs.replace(
        recording,
        episodes=tuple(_with_figure(episode, name, figure) for episode in recording.episodes),
    )


def _with_figure(episode: Episode, name: str, figure: float) -> Episode:
    looks: list[Look] = []
    for look in episode.looks:
        others = {each: seen for each, seen in look.checks.items() if each != name}
        if not looks and name in look.checks:
            limits = _check(name, look.checks[name]).thresholds
            others[name] = _seen(check(name, figure, limits, "", ""))
        looks.append(Look(look.at, others))
    return msgspec.structs.replace(episode, looks=tuple(looks))


class Recorder:
    """Collects the looks of one episode."""

    def __init__(self) -> None:
        self._looks: list[Look] = []
        self._known: Mapping[str, Seen] = {}

    def add(self, at: float, checks: Iterable[Check]) -> None:
        """Add what was seen at a time, in seconds."""
        seen = {each.name: _seen(each) for each in checks}
        more = {name: each for name, each in seen.items() if self._known.get(name) != each}
        self._known = seen
        self._looks.append(Look(round(at, 2), more))

    def looks(self) -> tuple[Look, ...]:
        """Return the looks up to now."""
        return tuple(self._looks)


def _seen(found: Check) -> Seen:
    observed = None if found.observed is None else float(f"{found.observed:.4g}")
    warn, fail = (limit if math.isfinite(limit) else None for limit in found.thresholds)
    return found.status.value, observed, warn, fail


def _check(name: str, seen: Seen) -> Check:
    status, observed, warn, fail = seen
    limits = (math.inf if warn is None else warn, math.inf if fail is None else fail)
    return Check(name, Status(status), observed, limits, "", "")


def encode(recording: Recording) -> bytes:
    """Return a recording as JSON."""
    return msgspec.json.encode(recording)


def decode(document: bytes) -> Recording:
    """Return the recording of a document, which gzip may have compressed.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    if document.startswith(_GZIP):
        document = gzip.decompress(document)
    return msgspec.json.decode(document, type=Recording)
