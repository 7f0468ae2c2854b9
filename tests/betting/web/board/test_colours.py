"""Every colour of text on the board can be read on every ground, in both schemes.

The browser tests judge the pages that a run happens to show; which text meets which ground there
depends on the prices of the moment.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

STYLES = Path(__file__).parents[4] / "betting/web/static/board/board.css"
TEXTS = ("ink", "muted", "accent", "good", "bad", "warn")
GROUNDS = ("paper", "raised", "line", "good-soft", "bad-soft", "warn-soft", "best-soft")
ENOUGH = 4.5
"""WCAG 2.2, 1.4.3 (AA), for text below 18 pt."""


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`, 0 to 1 (WCAG 2.2)."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_the_board_can_be_read_on_every_ground(scheme: str) -> None:
    light, dark = re.findall(r":root \{(.*?)\}", STYLES.read_text(), re.DOTALL)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", light if scheme == "light" else dark))
    faint = {
        f"{text} on {ground}": round(contrast(colours[text], colours[ground]), 2)
        for text, ground in product(TEXTS, GROUNDS)
        if contrast(colours[text], colours[ground]) < ENOUGH
    }
    assert faint == {}


def test_black_on_white_has_the_largest_contrast() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
