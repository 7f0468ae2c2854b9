"""The needs of a load, extrapolated from the measured costs of a poll, a quote and a change.

A load costs: polls a second times a poll, plus quotes seen a second times a quote, plus changes a
second times a change, plus what runs anyway. All four were measured; that they add up for larger
loads is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from streaming.benchmark.scaling.document import Row, minus, plus, row_named, times

SMALL = "poll of 20 quotes, none changed"
LARGE = "poll of 2,000 quotes, none changed"
FEW = "poll of 2,000 quotes, 100 changed"
MANY = "poll of 2,000 quotes, 1,000 changed"
IDLE = "value workers alone, nothing polled"
STANDING = "all processes, nothing polled"

QUOTES_IN_ANSWER = 2_000
BUSY = 0.7
"""The share of a core that a process or a server may take, so that bursts find room."""


@dataclass(frozen=True, slots=True)
class Units:
    """The costs of one unit each, by resource.

    Attributes:
        poll: of a poll, without its quotes.
        quote: of a quote in an answer that changes nothing.
        change: of a change, ten of a market together.
        lone_change: of a change, one of a market.
        second: of a second without any work.
    """

    poll: Mapping[str, float]
    quote: Mapping[str, float]
    change: Mapping[str, float]
    lone_change: Mapping[str, float]
    second: Mapping[str, float]


def units_of(rows: list[Row]) -> Units:
    """Return the costs of single units, from cases that differ in one of them.

    Raises:
        LookupError: a case is missing.
    """
    small, large, few, many = (row_named(rows, case) for case in (SMALL, LARGE, FEW, MANY))
    idle = _of_second(row_named(rows, IDLE))
    of_small, of_large = _of_each(small, idle), _of_each(large, idle)
    more = _each(large, "quotes") - _each(small, "quotes")
    quote = times(1 / more, minus(of_large, of_small))
    return Units(
        poll=minus(of_small, times(_each(small, "quotes"), quote)),
        quote=quote,
        change=times(1 / _each(many, "changes"), minus(_of_each(many, idle), of_large)),
        lone_change=times(1 / _each(few, "changes"), minus(_of_each(few, idle), of_large)),
        second=_of_second(row_named(rows, STANDING)),
    )


def _of_second(row: Row) -> dict[str, float]:
    """Return what each second of a case has spent."""
    return times(1 / row.spent.seconds, row.spent.resources)


def _each(row: Row, unit: str) -> float:
    """Return the units of each poll of a case."""
    return row.amounts[unit] / row.amounts["polls"]


def _of_each(row: Row, idle: Mapping[str, float]) -> dict[str, float]:
    """Return what each poll of a case has spent, without what each second spends anyway."""
    work = minus(row.spent.resources, times(row.spent.seconds, idle))
    return times(1 / row.amounts["polls"], work)


@dataclass(frozen=True, slots=True)
class Load:
    """A load.

    Attributes:
        quotes: that are offered.
        changes: a second.
        interval_seconds: between two polls of a quote.
        is_alone: True if each change is the only one of its market in a batch.
    """

    quotes: float
    changes: float
    interval_seconds: float = 30.0
    is_alone: bool = False


def need(units: Units, load: Load) -> dict[str, float]:
    """Return the amounts a second that a load needs: cores, bytes, statements and commands.

    >>> one = {"CPU of web": 1.0}
    >>> units = Units(one, {"CPU of web": 0.001}, {"CPU of web": 0.1}, one, {"CPU of web": 0.5})
    >>> round(need(units, Load(quotes=60_000, changes=10))["CPU of web"], 6)
    4.5
    """
    quotes = load.quotes / load.interval_seconds
    change = units.lone_change if load.is_alone else units.change
    return plus(
        times(quotes / QUOTES_IN_ANSWER, units.poll),
        times(quotes, units.quote),
        times(load.changes, change),
        units.second,
    )


def processes(cores: float) -> int:
    """Return how many processes of one core each take this much CPU, each at most `BUSY`.

    >>> processes(0.1), processes(0.7), processes(1.5)
    (1, 1, 3)
    """
    return max(1, -int(-cores // BUSY))
