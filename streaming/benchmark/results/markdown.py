"""A result as Markdown, with its charts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from streaming.benchmark.compare import Spread, format_value
from streaming.benchmark.results import charts
from streaming.benchmark.results.document import Machine, Measurement, Result, ResultError
from streaming.benchmark.results.measures import BY_KEY, MEASURES, Measure
from streaming.benchmark.results.ratios import Ratio, ratios, spread_of

_DRAWN = ("changes_per_second", "quotes_per_second", "p95_ms")
Marks = tuple[str, str]
"""What stands before and after figures in a document."""
FIGURES: Marks = (
    "<!-- figures: written by `manage.py benchmark publish` -->",
    "<!-- end of figures -->",
)
RELEASES: Marks = (
    "<!-- releases: written by `manage.py benchmark releases` -->",
    "<!-- end of releases -->",
)
NOT_IDLE = "**The machine was not idle before the run: take the {}, not the figures.**"


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes:
        text: Markdown; its pictures are beside it.
        pictures: file name → SVG.
    """

    text: str
    pictures: Mapping[str, str]


def report(result: Result) -> Report:
    """Return a result for people: the machine, then each profile's ratios, figures and charts."""
    pictures = dict(_pictures(result))
    made = f"Made at {result.made_at:%Y-%m-%d %H:%M} UTC, seed {result.seed}."
    rounds = "Each figure is of one round."
    if result.rounds > 1:
        rounds = (
            f"Each figure is the median of {result.rounds} rounds, with the lowest and the highest."
        )
    parts = [f"{made} {rounds}", *_machine(result.machine)]
    found = ratios(result)
    for profile in dict.fromkeys(each.profile for each in result.measurements):
        parts.append(f"### {profile}")
        here = [each for each in found if each.profile == profile]
        if here:
            parts += ["Times better (above 1) than:", _ratio_table(here)]
        parts.append(_figure_table([e for e in result.measurements if e.profile == profile]))
        parts += [
            f"![{name.removesuffix('.svg')}]({name})"
            for name in pictures
            if name.startswith(f"{profile}-")
        ]
    return Report("\n\n".join(parts) + "\n", pictures)


def summary(result: Result, directory: str) -> str:
    """Return what the bursts came to, for a page that names the report's directory.

    Raises:
        ResultError: no burst was measured.
    """
    bursts = [each for each in result.measurements if each.profile == "burst"]
    if not bursts:
        raise ResultError("The result has no burst.")
    measure = BY_KEY[_DRAWN[0]]
    cases = list(dict.fromkeys(each.case for each in bursts))
    rows = [
        (who, *(cell(rounds_of(bursts, case, who, measure), measure.unit) for case in cases))
        for who in dict.fromkeys(each.contender for each in bursts)
    ]
    machine = f"{result.machine.processor}, {result.machine.cores} cores"
    made = f"Medians of {result.rounds} rounds, with the lowest and the highest; {machine}."
    parts = [table((measure.name, *cases), rows), made]
    if not result.machine.was_idle:
        parts.append(NOT_IDLE.format(f"[ratios]({directory}/README.md#burst)"))
    parts.append(f"![{measure.name}, by burst]({directory}/burst-{measure.key}.svg)")
    return "\n\n".join(parts) + "\n"


def put_into(document: str, figures: str, marks: Marks = FIGURES) -> str:
    """Replace what stands between two marks of a document.

    Raises:
        ValueError: it has no marks.
    """
    before, start, rest = document.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (start and end):
        raise ValueError("The document has no place for figures.")
    return f"{before}{start}\n\n{figures.strip()}\n\n{end}{after}"


def shown(spread: Spread, unit: str) -> str:
    """Format a median, with its rounds where they differ.

    >>> shown(Spread(2.0, 1.0, 3.5), "ms"), shown(Spread(2.0, 2.0, 2.0), "")
    ('2 ms (1 … 3.5)', '2')
    """
    text = format_value(spread.median, unit)
    if spread.low == spread.high:
        return text
    return f"{text} ({format_value(spread.low, '')} … {format_value(spread.high, '')})"


def times(spread: Spread) -> str:
    """Format a ratio.

    >>> times(Spread(9.04, 8.0, 10.5))
    '9.04 × (8 … 10.5)'
    """
    return shown(spread, "×")


def _machine(machine: Machine) -> Iterator[str]:
    yield table(
        ("machine", ""),
        [
            ("processor", f"{machine.processor}, {machine.cores} cores"),
            ("memory", f"{machine.memory_bytes / 2**30:.1f} GiB"),
            ("system", machine.system),
            ("versions", ", ".join(f"{name} {which}" for name, which in machine.versions.items())),
            ("PostgreSQL", ", ".join(f"{name} = {is_}" for name, is_ in machine.settings.items())),
            ("load before", f"{machine.load:.2f}"),
        ],
    )
    if not machine.was_idle:
        yield NOT_IDLE.format("ratios")


def _ratio_table(found: Sequence[Ratio]) -> str:
    columns = list(dict.fromkeys((each.case, each.against) for each in found))
    measures = [measure for measure in MEASURES if any(e.measure is measure for e in found)]
    cells = {(each.case, each.against, each.measure.key): each.spread for each in found}
    return table(
        ("case", "than", *(measure.name for measure in measures)),
        [
            (case, against, *(cell(cells.get((case, against, m.key)), "×") for m in measures))
            for case, against in columns
        ],
    )


def _figure_table(measurements: Sequence[Measurement]) -> str:
    measures = [m for m in MEASURES if any(m.key in each.figures for each in measurements)]
    sides = list(dict.fromkeys((each.case, each.contender) for each in measurements))
    return table(
        ("case", "contender", *(measure.name for measure in measures)),
        [
            (case, who, *(cell(rounds_of(measurements, case, who, m), m.unit) for m in measures))
            for case, who in sides
        ],
    )


def rounds_of(
    measurements: Iterable[Measurement], case: str, contender: str, measure: Measure
) -> Spread | None:
    """Return a contender's figure over the rounds of a case; None where it has none."""
    return spread_of(
        [
            each.figures[measure.key]
            for each in measurements
            if (each.case, each.contender) == (case, contender) and measure.key in each.figures
        ]
    )


def cell(spread: Spread | None, unit: str) -> str:
    """Return a table's cell; a dash for a figure that is not there."""
    return "–" if spread is None else shown(spread, unit)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _pictures(result: Result) -> Iterator[tuple[str, str]]:
    for profile in dict.fromkeys(each.profile for each in result.measurements):
        measurements = [each for each in result.measurements if each.profile == profile]
        for key in _DRAWN:
            cases: dict[str, dict[str, Spread]] = {}
            for each in measurements:
                spread = rounds_of(measurements, each.case, each.contender, BY_KEY[key])
                if spread is not None and spread.low > 0:
                    cases.setdefault(each.case, {})[each.contender] = spread
            if cases:
                title, unit = f"{profile}: {BY_KEY[key].name}", BY_KEY[key].unit
                yield f"{profile}-{key}.svg", charts.bars(title, unit, cases)
    for profile, key in dict.fromkeys((each.profile, each.measure) for each in result.curves):
        lines = {
            f"{each.contender}, round {each.round}": each.points
            for each in result.curves
            if (each.profile, each.measure) == (profile, key) and each.points
        }
        if lines:
            title, unit = f"{profile}: {BY_KEY[key].name}", BY_KEY[key].unit
            yield f"{profile}-{key}-curve.svg", charts.curve(title, "seconds", unit, lines)
