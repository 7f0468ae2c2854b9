"""The result of a benchmark, as one document."""

from __future__ import annotations

from datetime import datetime

import msgspec

SCHEMA = 1
"""Raised when a field changes its meaning or is removed; other schemas are refused."""


class ResultError(Exception):
    """A document is not a result that can be read; the message says why."""


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine and the programs that were measured.

    Attributes:
        processor: its name, as the system has it.
        cores: logical ones.
        memory_bytes: all of it.
        system: the operating system.
        versions: program or library → version.
        settings: of PostgreSQL, those that decide what a commit costs.
        load: processes that wanted to run in the minute before the benchmark.
    """

    processor: str
    cores: int
    memory_bytes: int
    system: str
    versions: dict[str, str]
    settings: dict[str, str]
    load: float

    @property
    def was_idle(self) -> bool:
        """True if so little else ran before the benchmark that its figures count, not ratios alone.

        >>> Machine("a processor", 2, 1, "Linux", {}, {}, load=0.6).was_idle
        False
        """
        return self.load <= self.cores / 4


class Measurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The figures of one contender in one round.

    Attributes:
        profile: e.g. ``burst``.
        case: the size or kind of the work, for people.
        contender: who did it.
        round: from 1.
        figures: key of a `Measure` → value.
    """

    profile: str
    case: str
    contender: str
    round: int
    figures: dict[str, float]


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure over the time of a round.

    Attributes:
        profile: e.g. ``soak``.
        measure: the key of a `Measure`.
        contender: who was measured.
        round: from 1.
        points: seconds since the round began, and the value.
    """

    profile: str
    measure: str
    contender: str
    round: int
    points: list[tuple[float, float]]


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a run of the benchmark has measured.

    Attributes:
        schema: `SCHEMA`.
        made_at: when it ended.
        seed: of the work.
        rounds: of each profile.
        machine: where.
        measurements: in their order.
        curves: in their order.
        commit: of the checkout that ran, with a plus if its files differed from it; empty if
            that is not known.
    """

    schema: int
    made_at: datetime
    seed: int
    rounds: int
    machine: Machine
    measurements: list[Measurement]
    curves: list[Curve] = []
    commit: str = ""


def encode(result: Result) -> bytes:
    """Write a result, for people as well."""
    return msgspec.json.format(msgspec.json.encode(result)) + b"\n"


def decode(document: bytes) -> Result:
    """Read a result.

    Raises:
        ResultError: it is none, or one of another version.
    """
    try:
        result = msgspec.json.decode(document, type=Result)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ResultError(f"This is not the result of a benchmark: {error}") from error
    if result.schema != SCHEMA:
        raise ResultError(f"Results of schema {result.schema} cannot be read, only {SCHEMA}.")
    return result
