"""The chart of a backtest: cumulated CLV, policy by policy, as an SVG file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from valuation.arrays import FloatArray
from valuation.backtest.run import Backtest

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 56, 24, 40, 64
POINTS = 400
"""Points of a curve at most."""

COLORS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2", "#dc2626", "#65a30d")

_TITLE = "Cumulated CLV by the closes of the other bookmakers, in stakes of 1 a bet"

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #374151 }
.title { font-weight: 600; font-size: 15px }
.grid { stroke: #9ca3af; stroke-opacity: 0.35 }
.paper { fill: #ffffff }
polyline { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { .paper { fill: #111827 } text { fill: #d1d5db } }
"""


def chart(of: Backtest) -> str:
    """Return the SVG document."""
    curves = [(row.name, row.cumulated_clv) for row in of.rows if row.quality is not None]
    low = min(0.0, *(float(curve.min(initial=0.0)) for _, curve in curves))
    high = max(0.0, *(float(curve.max(initial=0.0)) for _, curve in curves))
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    legend_height = 20 * len(curves)
    height = HEIGHT + legend_height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>Cumulated closing line value by policy, {of.matches} matches</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="24">{_TITLE}</text>',
    ]
    for tick in ticks:
        y = _height(tick, low, high)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_signed(tick)}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - BOTTOM + 24}" text-anchor="middle">'
        f"matches in the order of time: {escape(_span(of.seasons))}</text>"
    )
    for number, (name, curve) in enumerate(curves):
        color = COLORS[number % len(COLORS)]
        y = HEIGHT - 14 + 20 * number
        parts.append(f'<polyline stroke="{color}" points="{_points(curve, low, high)}"/>')
        parts.append(
            f'<line x1="{LEFT}" x2="{LEFT + 24}" y1="{y}" y2="{y}" stroke="{color}"'
            f' stroke-width="3"/><text x="{LEFT + 32}" y="{y + 4}">{escape(name)}:'
            f" {_last(curve):+.2f}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _span(seasons: Sequence[str]) -> str:
    return seasons[0] if len(seasons) == 1 else f"{seasons[0]} to {seasons[-1]}"


def _last(curve: FloatArray) -> float:
    return float(curve[-1]) if curve.size else 0.0


def _signed(value: float) -> str:
    return f"{value:+g}".replace("-", "−") if value else "0"


def _points(curve: FloatArray, low: float, high: float) -> str:
    """Return a curve from 0 on, as SVG's polyline has its points."""
    values = np.append(0.0, curve)
    places = np.unique(np.linspace(0, curve.size, POINTS).astype(np.int64))
    step = (WIDTH - LEFT - RIGHT) / max(1, curve.size)
    return " ".join(
        f"{LEFT + place * step:.1f},{_height(float(values[place]), low, high):.1f}"
        for place in places.tolist()
    )


def _height(value: float, low: float, high: float) -> float:
    return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers that span a range, four to nine of them.

    >>> _ticks(-0.3, 2.9)
    [-0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    """
    span = max(high - low, 1e-6)
    unit = 10.0 ** np.floor(np.log10(span / 4))
    step = float(next(unit * times for times in (1, 2, 5, 10) if span / (unit * times) <= 7))
    first, last = int(np.floor(low / step)), int(np.ceil(high / step))
    return [round(number * step, 9) for number in range(first, max(last, first + 1) + 1)]
