"""Charts as SVG: bars with their spread, and curves. Nothing in them comes from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from xml.sax.saxutils import escape

from streaming.benchmark.compare import Spread, format_value

COLOURS = ("#2563eb", "#d97706", "#059669", "#7c3aed", "#dc2626")
_WIDTH = 720
_NAMES = 150
"""The room for names, left of the plot."""
_FIGURES = 150
"""The room for figures, right of it."""
_BAR = 20
_HEAD = 52
_INK, _FAINT, _GRID = "#1f2937", "#6b7280", "#e5e7eb"

Points = Sequence[tuple[float, float]]


def bars(title: str, unit: str, cases: Mapping[str, Mapping[str, Spread]]) -> str:
    """Return bars on a logarithmic scale, a group a case, with the rounds' ends as whiskers.

    Args:
        title: what is measured.
        unit: of the figures.
        cases: case → contender → the figure, each above 0.
    """
    contenders = list(dict.fromkeys(name for case in cases.values() for name in case))
    spreads = [spread for case in cases.values() for spread in case.values()]
    low = floor(log10(min(spread.low for spread in spreads)))
    high = max(ceil(log10(max(spread.high for spread in spreads))), low + 1)
    room = _WIDTH - _NAMES - _FIGURES

    def place(value: float) -> float:
        return _NAMES + room * (log10(value) - low) / (high - low)

    drawn: list[str] = []
    y = _HEAD
    for case, figures in cases.items():
        drawn.append(_text(12, y + 4, case, weight="bold"))
        y += 14
        for name, spread in figures.items():
            colour = COLOURS[contenders.index(name) % len(COLOURS)]
            middle = y + _BAR / 2
            drawn += [
                _text(_NAMES - 8, middle + 4, name, anchor="end"),
                _bar(y + 3, place(spread.median), colour),
                *_whisker(place(spread.low), place(spread.high), middle),
                _text(
                    max(place(spread.high), place(spread.median)) + 8,
                    middle + 4,
                    format_value(spread.median, unit),
                ),
            ]
            y += _BAR
        y += 18
    grid = []
    for power in range(low, high + 1):
        x = place(10.0**power)
        grid += [
            _line(x, _HEAD - 12, x, y - 12, _GRID),
            _text(x, y + 4, format_value(10.0**power, ""), anchor="middle", ink=_FAINT),
        ]
    return _picture(title, y + 18, [*grid, *drawn])


def curve(title: str, across: str, unit: str, lines: Mapping[str, Points]) -> str:
    """Return curves from 0 upwards.

    Args:
        title: what is measured.
        across: what the horizontal axis is, with its unit.
        unit: of the figures.
        lines: name → points, in order.
    """
    points = [point for line in lines.values() for point in line]
    least, most = min(x for x, _ in points), max(x for x, _ in points)
    top = max(y for _, y in points) or 1.0
    left, right, upper, lower = 80, _WIDTH - 20, _HEAD + 8, 300

    def place(x: float, y: float) -> tuple[float, float]:
        part = (x - least) / (most - least) if most > least else 0.5
        return left + (right - left) * part, lower - (lower - upper) * y / top

    drawn = []
    for part in (0.0, 0.5, 1.0):
        y = lower - (lower - upper) * part
        drawn += [
            _line(left, y, right, y, _GRID),
            _text(left - 8, y + 4, format_value(top * part, unit), anchor="end", ink=_FAINT),
        ]
    for x, anchor in ((least, "start"), (most, "end")):
        at = left if anchor == "start" else right
        drawn.append(_text(at, lower + 18, format_value(x, ""), anchor=anchor, ink=_FAINT))
    drawn.append(_text((left + right) / 2, lower + 18, across, anchor="middle", ink=_FAINT))
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn.append(_text(left + 130 * number, _HEAD - 8, name, ink=colour))
    return _picture(title, lower + 34, drawn)


def _picture(title: str, height: float, drawn: Sequence[str]) -> str:
    # A ground of its own, so that a page in the dark shows it as well.
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}"'
        f' width="{_WIDTH}" height="{height:.0f}" role="img"'
        ' font-family="system-ui, sans-serif" font-size="12">'
    )
    ground = f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
    return "\n".join(
        (
            root,
            f"<title>{escape(title)}</title>",
            ground,
            _text(12, 24, title, weight="bold", size=15),
            *drawn,
            "</svg>\n",
        )
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    ink: str = _INK,
    weight: str = "normal",
    size: int = 12,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{ink}"'
        f' font-weight="{weight}" font-size="{size}">{escape(text)}</text>'
    )


def _bar(y: float, end: float, colour: str) -> str:
    width = max(end - _NAMES, 1)
    return f'<rect x="{_NAMES}" y="{y}" width="{width:.1f}" height="{_BAR - 6}" fill="{colour}"/>'


def _whisker(low: float, high: float, y: float) -> tuple[str, ...]:
    ends = (_line(x, y - 3, x, y + 3, _INK) for x in (low, high))
    return (_line(low, y, high, y, _INK), *ends)


def _line(x1: float, y1: float, x2: float, y2: float, ink: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{ink}"/>'
