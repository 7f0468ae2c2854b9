"""Results as Markdown: what was measured, what a unit costs, and what loads would need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from streaming.benchmark.results.document import Machine
from streaming.benchmark.scaling.document import Row, Scaling, times
from streaming.benchmark.scaling.needs import Load, Units, need, processes, units_of

LOADS = tuple(
    Load(quotes, changes)
    for quotes in (100_000, 1_000_000, 10_000_000)
    for changes in (1_000, 10_000, 50_000)
)
_DAY = 86_400
_CPU = "CPU of "
_SERVERS = ("PostgreSQL", "Redis")


def markdown(result: Scaling) -> str:
    """Return all of a result."""
    parts = [_machine(result.machine), f"Made at {result.made_at:%Y-%m-%d %H:%M} UTC."]
    if result.plan.kind == "costs":
        units = units_of(result.rows)
        parts += [_measured(result.rows), _units(units), _figures(result.figures), _needs(units)]
        parts += [_disk(units, result.figures)]
    else:
        parts.append(_machines(result.rows))
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    >>> print(table(("a", "b"), [("1", "2")]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Format a number to three digits.

    >>> number(1234.5), number(12.345), number(0.012345), number(0)
    ('1,230', '12.3', '0.0123', '0')
    """
    if not value:
        return "0"
    if abs(value) >= 1_000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}"


def _machine(machine: Machine) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    settings = ", ".join(f"{name} = {value}" for name, value in machine.settings.items())
    return table(
        ("machine", ""),
        [
            ("processor", f"{machine.processor}, {machine.cores} cores"),
            ("memory", f"{machine.memory_bytes / 2**30:.1f} GiB"),
            ("system", machine.system),
            ("versions", versions),
            ("PostgreSQL", settings),
            ("load before", f"{machine.load:.2f}"),
        ],
    )


def _roles(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(role for row in rows for role in row.spent.cpu_seconds))


def _measured(rows: Sequence[Row]) -> str:
    roles = _roles(rows)
    head = (
        "measured", "polls", "quotes", "changes", "seconds", *(f"CPU s, {role}" for role in roles),
        "WAL, MB", "statements", "Redis commands",
    )  # fmt: skip
    lines = [
        (
            row.case,
            *(number(row.amounts.get(unit, 0)) for unit in ("polls", "quotes", "changes")),
            number(row.spent.seconds),
            *(number(row.spent.cpu_seconds.get(role, 0)) for role in roles),
            number(row.spent.wal_bytes / 1e6),
            number(row.spent.statements),
            number(row.spent.commands),
        )
        for row in rows
    ]
    return table(head, lines)


def _units(units: Units) -> str:
    parts: Mapping[str, Mapping[str, float]] = {
        "a poll": units.poll,
        "1,000 quotes that stay": times(1_000, units.quote),
        "1,000 changes, ten of a market": times(1_000, units.change),
        "1,000 changes, one of a market": times(1_000, units.lone_change),
        "a second of nothing": units.second,
    }
    names = list(dict.fromkeys(name for part in parts.values() for name in part))
    head = ("cost of", *(_head(name) for name in names))
    return table(
        head,
        [(of, *(_cell(name, part.get(name, 0.0)) for name in names)) for of, part in parts.items()],
    )


def _head(name: str) -> str:
    if name.startswith(_CPU):
        return f"{name}, ms"
    return "WAL, kB" if name == "WAL" else name


def _cell(name: str, value: float) -> str:
    if name.startswith(_CPU):
        return number(1_000 * value)
    return number(value / 1e3 if name == "WAL" else value)


def _figures(figures: Mapping[str, float]) -> str:
    lines = [
        (name, number(value) if ": ms" in name else f"{number(value)} bytes")
        for name, value in figures.items()
    ]
    return table(("figure", "measured"), lines)


def _needs(units: Units) -> str:
    names = [name for name in need(units, LOADS[0]) if name.startswith(_CPU)]
    head = (
        "quotes", "changes a second", *(name.removeprefix(_CPU) for name in names), "WAL, MB/s",
        "statements a second", "Redis commands a second",
    )  # fmt: skip
    return table(head, [_needed(units, load, names) for load in LOADS])


def _needed(units: Units, load: Load, names: Sequence[str]) -> tuple[str, ...]:
    needed = need(units, load)
    return (
        f"{load.quotes:,.0f}",
        f"{load.changes:,.0f}",
        *(_cores(name, needed[name]) for name in names),
        number(needed["WAL"] / 1e6),
        number(needed["statements"]),
        number(needed["Redis commands"]),
    )


def _cores(name: str, cores: float) -> str:
    """Return cores, and of our own roles the processes that take them.

    >>> _cores("CPU of PostgreSQL", 1.5), _cores("CPU of worker-io", 1.5)
    ('1.5 cores', '1.5 cores: 3 processes')
    """
    if name.removeprefix(_CPU) in _SERVERS:
        return f"{number(cores)} cores"
    count = processes(cores)
    return f"{number(cores)} cores: {count} process{'es' if count > 1 else ''}"


def _disk(units: Units, figures: Mapping[str, float]) -> str:
    of_quote, of_change = (
        next(value for name, value in figures.items() if name.startswith(f"disk of a {what}"))
        for what in ("quote", "change")
    )
    lines = [
        (
            f"{load.quotes:,.0f}",
            f"{load.changes:,.0f}",
            number(load.quotes * of_quote / 1e9),
            number(load.changes * _DAY * of_change / 1e9),
            number(need(units, load)["WAL"] * _DAY / 1e9),
        )
        for load in LOADS
    ]
    head = ("quotes", "changes a second", "board, GB", "history, GB a day", "WAL, GB a day")
    return table(head, lines)


def _machines(rows: Sequence[Row]) -> str:
    roles = _roles(rows)
    cases = list(dict.fromkeys(row.case for row in rows))
    head = (
        "work", "a second", *(f"CPU ms of 1,000, {role}" for role in roles), "WAL of 1,000, kB",
        "cores busy",
    )  # fmt: skip
    return table(head, [_of_machines(case, rows, roles) for case in cases])


def _of_machines(case: str, rows: Sequence[Row], roles: Sequence[str]) -> tuple[str, ...]:
    """Return a line: medians of the rounds, with the lowest and the highest of the rate."""
    same = [row for row in rows if row.case == case]
    amount = same[0].amounts[case.split(maxsplit=1)[0]]
    rates = sorted(amount / row.spent.seconds for row in same)
    return (
        case,
        f"{number(_median(rates))} ({number(rates[0])} … {number(rates[-1])})",
        *(
            number(1e6 * _median([row.spent.cpu_seconds.get(role, 0.0) for row in same]) / amount)
            for role in roles
        ),
        number(_median([row.spent.wal_bytes for row in same]) / amount),
        number(_median([sum(row.spent.cpu_seconds.values()) / row.spent.seconds for row in same])),
    )


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
