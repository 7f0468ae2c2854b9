"""The result of measuring costs or machines, as one document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from streaming.benchmark.results.document import Machine


class ScalingPlan(msgspec.Struct, frozen=True):
    """The instructions of the measuring process.

    Attributes:
        kind: ``costs`` or ``machines``.
        seed: of the work.
        polls: of each case.
        markets: in an answer, 100 at most; of `machines`, those that are valued.
        quotes: beside which the standing cost and the sizes of tables are measured.
        standing_seconds: the time for which nothing is polled.
        workers: the numbers of value workers.
        rounds: of each number of workers.
        servers: server → its process id.
    """

    kind: str
    seed: int = 1
    polls: int = 20
    markets: int = 100
    quotes: int = 100_000
    standing_seconds: float = 20.0
    workers: tuple[int, ...] = (1, 2, 4)
    rounds: int = 3
    servers: dict[str, int] = {}


class Spent(msgspec.Struct, frozen=True):
    """The resources that some work took.

    Attributes:
        seconds: by the wall's clock.
        cpu_seconds: role → CPU time.
        wal_bytes: of PostgreSQL's log.
        statements: that PostgreSQL ran, each a round trip.
        commands: that Redis ran.
    """

    seconds: float
    cpu_seconds: dict[str, float]
    wal_bytes: int
    statements: int
    commands: int

    @property
    def resources(self) -> dict[str, float]:
        """All but the time, by name.

        >>> Spent(1.0, {"web": 0.5}, 10, 2, 3).resources
        {'CPU of web': 0.5, 'WAL': 10, 'statements': 2, 'Redis commands': 3}
        """
        cpu = {f"CPU of {role}": seconds for role, seconds in self.cpu_seconds.items()}
        return {
            **cpu,
            "WAL": self.wal_bytes,
            "statements": self.statements,
            "Redis commands": self.commands,
        }


class Row(msgspec.Struct, frozen=True):
    """A case that was measured.

    Attributes:
        case: its name, for people.
        amounts: what was done, by unit: polls, quotes, changes, markets or seconds.
        spent: what that took.
    """

    case: str
    amounts: dict[str, float]
    spent: Spent


class Scaling(msgspec.Struct, frozen=True):
    """All that was measured.

    Attributes:
        made_at: when it ended.
        plan: what was asked for.
        machine: where.
        rows: in their order.
        figures: further figures by name, such as bytes a quote.
    """

    made_at: datetime
    plan: ScalingPlan
    machine: Machine
    rows: list[Row]
    figures: dict[str, float]


def row_named(rows: list[Row], case: str) -> Row:
    """Return the row of a case.

    Raises:
        LookupError: there is none.
    """
    for row in rows:
        if row.case == case:
            return row
    raise LookupError(case)


def minus(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """Return the difference of two amounts of the same resources, each at least 0.

    >>> minus({"WAL": 5.0}, {"WAL": 7.0})
    {'WAL': 0.0}
    """
    return {name: max(0.0, value - other.get(name, 0.0)) for name, value in one.items()}


def times(factor: float, amounts: Mapping[str, float]) -> dict[str, float]:
    """Return amounts times a factor."""
    return {name: factor * value for name, value in amounts.items()}


def plus(*parts: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of amounts.

    >>> plus({"WAL": 1.0}, {"WAL": 2.0, "statements": 3.0})
    {'WAL': 3.0, 'statements': 3.0}
    """
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}
