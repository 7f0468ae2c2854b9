"""The chart's odds: written by its script as by the tables."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import betting.web
from betting.words import odds
from streaming.core.odds_formats import OddsFormat

SCRIPT = Path(betting.web.__file__).parent / "static" / "board" / "odds.js"

PRICES = [
    *(1 + each / 1_000 for each in range(1, 4_000, 7)),
    *(1.5, 1.909, 2.0, 2.125, 2.5, 6.0, 10.0, 101.0, 1_000.0),
]

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def written(prices: list[float | None], style: str) -> list[str]:
    call = f"{json.dumps(prices)}.map((each) => hardlineOdds(each, {json.dumps(style)}))"
    program = f"{SCRIPT.read_text()}\nconsole.log(JSON.stringify({call}))"
    answer = subprocess.run(["node", "-e", program], capture_output=True, check=True, timeout=60)
    found: list[str] = json.loads(answer.stdout)
    return found


@pytest.mark.parametrize("style", ["american", "fractional"])
def test_the_chart_writes_odds_as_the_tables_do(style: OddsFormat) -> None:
    assert written([*PRICES], style) == [odds(price, style) for price in PRICES]


def test_decimal_odds_have_two_places_below_ten_and_one_above() -> None:
    assert written([1.909, 2.0, 12.34], "decimal") == ["1.91", "2.00", "12.3"]


@pytest.mark.parametrize("style", ["decimal", "american", "fractional"])
def test_a_mark_of_the_axis_that_is_no_price_has_no_text(style: str) -> None:
    assert written([None, -1.0, 0.0, 0.5, 1.0], style) == [""] * 5
