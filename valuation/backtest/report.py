"""A backtest in words: the cells of its tables, a Markdown document, and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple

import msgspec

from valuation.backtest.chart import chart
from valuation.backtest.estimates import Estimate, Gain
from valuation.backtest.learning import Fit, Learnt
from valuation.backtest.run import Backtest, Row
from valuation.backtest.scores import Quality, Tenth

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Headers, and rows of as many cells."""

_CHART_FILE = "backtest.svg"


def subject(of: Backtest) -> str:
    """Return in words what was played on."""
    graded = "" if of.graded == of.matches else f", {of.graded:,} of them with a result"
    return (
        f"{of.matches:,} matches of {', '.join(of.seasons)}{graded};"
        f" prices of {', '.join(of.bookmakers)}"
    )


def policies_table(of: Backtest) -> Table:
    """Return what the policies came to, a row for each."""
    headers = (
        "policy",
        "lines",
        "log-loss",
        "Brier",
        "calibration error",
        "bets",
        "claimed EV",
        f"CLV, {of.sharp} judges",
        "beats",
        "CLV, others judge",
        "beats",
        "CLV less the first's (95 %)",
        "ROI",
    )
    return headers, [_cells(row) for row in of.rows]


def calibration_table(tenths: Sequence[Tenth]) -> Table:
    """Return a policy's fair prices by tenths of the probability scale."""
    headers = ("fair probability", "outcomes", "mean", "came", "s.e.")
    return headers, [
        (
            f"{tenth.low:.1f} to {tenth.low + 0.1:.1f}",
            f"{tenth.count:,}",
            f"{tenth.probability:.3f}",
            f"{tenth.frequency:.3f}",
            f"{tenth.standard_error:.3f}",
        )
        for tenth in tenths
    ]


def _weights_table(learnt: Learnt) -> Table:
    """Return the learnt weights of all seasons, and those that each season was tested with."""
    headers = ("bookmaker", "all seasons", *(f"without {fold.season}" for fold in learnt.folds))
    keys = sorted(learnt.weights, key=lambda key: -learnt.weights[key])
    sources = [learnt.weights, *(fold.weights for fold in learnt.folds)]
    return headers, [(key, *(_weight(each.get(key)) for each in sources)) for key in keys]


def _fits_table(learnt: Learnt, like: str) -> Table:
    """Return how far from the closes the pools are, with equal, with present and learnt weights."""
    headers = (
        "mean squared error, log-odds × 1,000",
        "in sample: equal",
        like,
        "learnt",
        "out of sample: equal",
        like,
        "learnt",
    )
    rows = [
        (
            f"tested on {fold.season}",
            *_thousandths(fold.in_sample),
            *_thousandths(fold.out_of_sample),
        )
        for fold in learnt.folds
    ]
    whole = (*_thousandths(learnt.in_sample), *_thousandths(learnt.out_of_sample))
    return headers, [*rows, ("all seasons", *whole)]


def files(of: Backtest, learnt: Learnt | None, like: str, seed: int) -> Mapping[str, bytes]:
    """Return the files of a backtest by their names: JSON, Markdown and the chart.

    Args:
        of: the backtest.
        learnt: weights, if any were learnt.
        like: the policy whose weights those are compared with.
        seed: of the intervals.
    """
    return {
        "backtest.json": _json(of, learnt, seed),
        "backtest.md": markdown(of, learnt, like).encode(),
        _CHART_FILE: chart(of).encode(),
    }


def evidence(of: Backtest, learnt: Learnt) -> str:
    """Return in a sentence what learnt weights rest on."""
    fit = learnt.out_of_sample
    return (
        f"learnt from {of.matches:,} matches of {', '.join(of.seasons)}; mean squared error of"
        f" log-odds out of sample {fit.learnt:.5f}, with equal weights {fit.equal:.5f}"
    )


def markdown(of: Backtest, learnt: Learnt | None, like: str) -> str:
    """Return the whole backtest as a Markdown document that shows the chart beside it."""
    parts = [
        "# Backtest",
        f"{subject(of)}.",
        "In parentheses: standard errors, with the bets on a match as one cluster.",
        _markdown_table(policies_table(of)),
        f"![Cumulated CLV by policy]({_CHART_FILE})",
    ]
    for row in of.rows:
        if row.quality and row.quality.tenths:
            parts += [
                f"## Calibration: {row.name}",
                _markdown_table(calibration_table(row.quality.tenths)),
            ]
    if learnt:
        parts += ["## Learnt weights", *map(_markdown_table, learning_tables(learnt, like))]
    return "\n\n".join(parts) + "\n"


def _json(of: Backtest, learnt: Learnt | None, seed: int) -> bytes:
    """Return the whole backtest as JSON."""
    rows = [
        {
            "name": row.name,
            "quality": row.quality and asdict(row.quality),
            "bets": asdict(row.scores),
            "clv_gain": row.clv_gain and asdict(row.clv_gain),
        }
        for row in of.rows
    ]
    whole: Mapping[str, object] = {
        "seed": seed,
        "matches": of.matches,
        "graded": of.graded,
        "seasons": of.seasons,
        "bookmakers": of.bookmakers,
        "sharp": of.sharp,
        "policies": rows,
        "learnt": learnt and asdict(learnt),
    }
    return msgspec.json.format(msgspec.json.encode(whole)) + b"\n"


def groups_table(by: str, scores: Sequence[tuple[str, Estimate, Estimate]]) -> Table:
    """Return what groups of edges claimed and what they paid.

    Args:
        by: what they are grouped by.
        scores: name, claimed EV and profit of each group.
    """
    return (by, "edges", "claimed EV", "profit per unit staked"), [
        (name, f"{claimed.count:,}", _percent(claimed.mean), _mean(roi))
        for name, claimed, roi in scores
    ]


def qualities_table(by: str, qualities: Sequence[tuple[str, Quality]]) -> Table:
    """Return how well groups of fair prices say what happens.

    Args:
        by: what they are grouped by.
        qualities: name and scores of each group.
    """
    return (by, "lines", "log-loss", "Brier", "calibration error"), [
        (
            name,
            f"{of.matches:,}",
            *(
                "" if x is None else f"{x:.4f}"
                for x in (of.log_loss, of.brier, of.calibration_error)
            ),
        )
        for name, of in qualities
    ]


def learning_tables(learnt: Learnt, like: str) -> tuple[Table, Table]:
    """Return the learnt weights, and how good they are beside those of the policy `like`."""
    return _weights_table(learnt), _fits_table(learnt, like)


def _cells(row: Row) -> tuple[str, ...]:
    quality, scores = row.quality, row.scores
    judged: tuple[str, ...] = ("", "", "", "")
    if quality:
        numbers = (quality.log_loss, quality.brier, quality.calibration_error)
        judged = (f"{quality.matches:,}", *(_number(number) for number in numbers))
    return (
        row.name,
        *judged,
        f"{scores.claimed_ev.count:,}",
        _percent(scores.claimed_ev.mean),
        _mean(scores.clv_sharp),
        _share(scores.clv_sharp.above_zero),
        _mean(scores.clv_others),
        _share(scores.clv_others.above_zero),
        _gain(row.clv_gain),
        _mean(scores.roi),
    )


def _mean(of: Estimate) -> str:
    """Format a mean with its error.

    >>> _mean(Estimate(9, -0.0123, 0.004, 0.3)), _mean(Estimate(0, None, None, None))
    ('−1.2 % (0.4)', '–')
    """
    if of.standard_error is None:
        return _percent(of.mean)
    return f"{_percent(of.mean)} ({of.standard_error * 100:.1f})"


def _gain(of: Gain | None) -> str:
    if of is None:
        return ""
    return f"{_percent(of.mean)} ({_percent(of.low)} to {_percent(of.high)})"


def _percent(part: float | None) -> str:
    return "–" if part is None else f"{part * 100:+.1f} %".replace("-", "−")


def _share(part: float | None) -> str:
    return "–" if part is None else f"{part * 100:.0f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _weight(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _thousandths(fit: Fit) -> tuple[str, str, str]:
    equal, present, learnt = (f"{error * 1000:.2f}" for error in astuple(fit))
    return equal, present, learnt


def _markdown_table(table: Table) -> str:
    headers, rows = table
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
