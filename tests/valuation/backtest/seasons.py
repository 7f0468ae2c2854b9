"""Made-up seasons in the format of football-data.co.uk: one sharp bookmaker, others that err."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

ERRORS: Mapping[str, float] = {"PS": 0.02, "B365": 0.08, "BW": 0.1, "WH": 0.1, "VC": 0.12}
"""The standard error of each bookmaker's early log-odds; of its closing ones it is half."""


def write_season(path: Path, first_year: int, matches: int = 200, seed: int = 1) -> Path:
    """Write a season of matches whose true chances all bookmakers estimate."""
    rng = np.random.default_rng((seed, first_year))
    rows = [_match(rng, first_year, number) for number in range(matches)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def _match(rng: np.random.Generator, year: int, number: int) -> dict[str, str]:
    truth = rng.dirichlet((6.0, 4.0, 4.0))
    result = int(rng.choice(3, p=truth))
    row = {
        "Date": f"{1 + number % 28:02}/{8 + number % 5:02}/{year}",
        "Time": "15:00",
        "HomeTeam": f"Home {number}",
        "AwayTeam": f"Away {number}",
        "FTHG": "21"[result] if result < 2 else "0",
        "FTAG": "011"[result],
    }
    for name, error in ERRORS.items():
        for suffix, scale in (("", error), ("C", error / 2)):
            margin = 1.02 if name == "PS" else 1.05
            p = truth * np.exp(rng.normal(0, scale, 3))
            for outcome, price in zip("HDA", 1 / (p / p.sum() * margin), strict=True):
                row[f"{name}{suffix}{outcome}"] = f"{price:.3f}"
    return row
