"""The rules of docs/valuation.md once more, quote by quote in plain Python: the engine's oracle."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from tests.valuation.fields_by_hand import HandField, field_by_hand, runners_of
from valuation.board import Board, Reason
from valuation.policy import ValuationPolicy


class Row(NamedTuple):
    market: int
    outcome: int
    book: int
    price: float
    line: float | None = None
    is_lay: bool = False
    weight: float = 1.0
    commission: float = 0.0
    is_stale: bool = False


class HandEdge(NamedTuple):
    row: int
    probability: float
    books: int
    ev: float
    kelly: float
    hold: float


Fair = dict[tuple[int, int], tuple[Reason, float, int]]


def board_of(rows: Sequence[Row]) -> Board:
    return Board(
        market_id=np.array([row.market for row in rows], dtype=np.int64),
        outcome_id=np.array([row.outcome for row in rows], dtype=np.int64),
        line=np.array([math.nan if row.line is None else row.line for row in rows], np.float64),
        bookmaker_id=np.array([row.book for row in rows], dtype=np.int64),
        is_lay=np.array([row.is_lay for row in rows], dtype=np.bool_),
        price=np.array([row.price for row in rows], dtype=np.float64),
        weight=np.array([row.weight for row in rows], dtype=np.float64),
        commission=np.array([row.commission for row in rows], dtype=np.float64),
        is_stale=np.array([row.is_stale for row in rows], dtype=np.bool_),
    )


def value_by_hand(rows: Sequence[Row], policy: ValuationPolicy) -> tuple[Fair, list[HandEdge]]:
    fair: Fair = {}
    edges: list[HandEdge] = []
    for key in {(row.market, row.line) for row in rows}:
        line = [(index, row) for index, row in enumerate(rows) if (row.market, row.line) == key]
        line_fair, line_edges = _line(line, policy)
        fair.update(line_fair)
        edges.extend(line_edges)
    return fair, sorted(edges)


def _line(line: Sequence[tuple[int, Row]], policy: ValuationPolicy) -> tuple[Fair, list[HandEdge]]:
    market = line[0][1].market
    outcomes = {row.outcome for _, row in line}
    weights = {row.book: row.weight for _, row in line}
    fresh = [row for _, row in line if not row.is_stale]
    backs = {(row.book, row.outcome): row.price for row in fresh if not row.is_lay}
    lays = {(row.book, row.outcome): row.price for row in fresh if row.is_lay}
    whole = _commonest_set(backs, weights)
    runners = runners_of(backs, weights, policy)
    if len(runners) > 10 and not _is_small(whole, backs, weights):
        field = field_by_hand(
            backs,
            lambda book, listed: _prices(backs, lays, book, listed, policy),
            weights,
            runners,
            policy,
            lambda prices: _devig(prices, policy.method),
        )
        return _field(line, field, policy)
    if whole is None:
        return {
            (market, outcome): (
                Reason.NO_TWO_SIDED_BOOK
                if any(row.outcome == outcome for row in fresh)
                else Reason.STALE,
                math.nan,
                0,
            )
            for outcome in outcomes
        }, []

    quoted = {row.book for _, row in line if not row.is_lay and weights[row.book] > 0}
    counts = [len(quoted), len({book for book, _ in backs} & quoted)]
    complete = [book for book in sorted(weights) if _set_of(backs, book) == whole]
    counts.append(len(set(complete) & quoted))
    prices = {book: _prices(backs, lays, book, whole, policy) for book in complete}
    plausible = {
        book: price
        for book, price in prices.items()
        if policy.min_booksum <= sum(1 / d for d in price) <= policy.max_booksum
    }
    counts.append(len(plausible.keys() & quoted))
    devigged = {book: _devig(price, policy.method) for book, price in plausible.items()}
    logits = {
        book: [math.log(p / (1 - p)) for p in probabilities]
        for book, probabilities in devigged.items()
        if all(0 < p < 1 for p in probabilities)
    }
    voters = [book for book in logits if book in quoted]
    counts.append(len(voters))
    taking_part = _without_outliers({book: logits[book] for book in voters}, policy)
    counts.append(len(taking_part))

    reason = _first_short(counts, policy)
    pooled = _pool([(weights[book], logits[book]) for book in taking_part])
    fair: Fair = {}
    for outcome in outcomes:
        if outcome in whole:
            p = pooled[whole.index(outcome)] if reason is Reason.OK else math.nan
            fair[market, outcome] = (reason, p, len(taking_part))
        else:
            is_fresh = any(row.outcome == outcome for row in fresh)
            fair[market, outcome] = (Reason.INCOMPLETE if is_fresh else Reason.STALE, math.nan, 0)

    edges = []
    for index, row in line:
        others = [book for book in taking_part if book != row.book]
        if row.is_stale or row.book not in logits or row.outcome not in whole:
            continue
        if len(others) < policy.min_books:
            continue
        p = _pool([(weights[book], logits[book]) for book in others])[whole.index(row.outcome)]
        hold = 1 - 1 / sum(1 / backs[row.book, outcome] for outcome in whole)
        edges += _edge(index, row, p, len(others), hold, policy)
    return fair, edges


def _edge(
    index: int, row: Row, p: float, others: int, hold: float, policy: ValuationPolicy
) -> list[HandEdge]:
    net = 1 - row.commission
    if row.is_lay:  # one unit laid risks price − 1 to win the stake less commission
        liability = row.price - 1
        ev = ((1 - p) * net - p * liability) / liability
        kelly = ev / (net / liability)
    else:
        ev = p * (row.price - 1) * net - (1 - p)
        kelly = ev / ((row.price - 1) * net)
    return [HandEdge(index, p, others, ev, max(kelly, 0.0), hold)] * (ev >= policy.min_edge_ev)


def _first_short(counts: Sequence[int], policy: ValuationPolicy) -> Reason:
    short = (Reason(i) for i, count in enumerate(counts, 1) if count < policy.min_books)
    return next(short, Reason.OK)


def _is_small(
    whole: Sequence[int] | None,
    backs: dict[tuple[int, int], float],
    weights: dict[int, float],
) -> bool:
    """Return True if more than half of the bookmakers carry one set of at most ten outcomes."""
    if whole is None or len(whole) > 10:
        return False
    sets = [_set_of(backs, book) for book, weight in weights.items() if weight > 0]
    return 2 * sum(listed == whole for listed in sets) > sum(len(listed) > 0 for listed in sets)


def _field(
    line: Sequence[tuple[int, Row]], field: HandField, policy: ValuationPolicy
) -> tuple[Fair, list[HandEdge]]:
    market = line[0][1].market
    backs = [row for _, row in line if not row.is_lay and row.weight > 0]
    counts = [len({row.book for row in backs}), len({r.book for r in backs if not r.is_stale})]
    reason = _first_short(counts + [len(books) for books in field.ranks], policy)
    pooled = field.pool()
    fair: Fair = {}
    for outcome in {row.outcome for _, row in line}:
        is_fresh = any(row.outcome == outcome and not row.is_stale for _, row in line)
        if outcome not in pooled:
            fair[market, outcome] = (Reason.INCOMPLETE if is_fresh else Reason.STALE, math.nan, 0)
            continue
        p, books = pooled[outcome]
        own = reason
        if reason is Reason.OK and len(field.listing[outcome]) < policy.min_books:
            own = Reason.INCOMPLETE
        elif reason is Reason.OK and books < policy.min_books:
            own = Reason.OUTLIER
        fair[market, outcome] = (own, p if own is Reason.OK else math.nan, books)

    edges = []
    quoted = {(row.book, row.outcome) for _, row in line if not row.is_lay and not row.is_stale}
    for index, row in line:
        if row.is_stale or row.book not in field.sound or (row.book, row.outcome) not in quoted:
            continue
        p, books = field.pool(without=row.book).get(row.outcome, (math.nan, 0))
        if books >= policy.min_books:
            edges += _edge(index, row, p, books, field.holds[row.book], policy)
    return fair, edges


def _set_of(backs: dict[tuple[int, int], float], book: int) -> list[int]:
    return sorted(outcome for other, outcome in backs if other == book)


def _commonest_set(
    backs: dict[tuple[int, int], float], weights: dict[int, float]
) -> list[int] | None:
    votes = Counter(
        tuple(quoted)
        for book, weight in weights.items()
        if weight > 0 and len(quoted := _set_of(backs, book)) >= 2
    )
    if not votes:
        return None
    # Of sets equal in votes and size, compare from the highest outcome down: the lower one wins.
    ranked = sorted(votes, key=lambda outcomes: sorted(outcomes, reverse=True))
    best = max(ranked, key=lambda candidate: (votes[candidate], len(candidate)))
    return list(best)


def _prices(
    backs: dict[tuple[int, int], float],
    lays: dict[tuple[int, int], float],
    book: int,
    whole: Sequence[int],
    policy: ValuationPolicy,
) -> list[float]:
    back = [backs[book, outcome] for outcome in whole]
    lay = [lays.get((book, outcome)) for outcome in whole]
    midpoints = []
    for b, a in zip(back, lay, strict=True):
        if a is None:
            return back
        back_logit, lay_logit = (math.log((1 / d) / (1 - 1 / d)) for d in (b, a))
        if abs(back_logit - lay_logit) > policy.max_exchange_width:
            return back
        midpoints.append(1 + math.exp(-(back_logit + lay_logit) / 2))
    return midpoints


def _devig(prices: Sequence[float], method: str) -> list[float]:
    implied = [1 / price for price in prices]
    if method == "additive":
        return [r - (sum(implied) - 1) / len(implied) for r in implied]
    assert method == "power"
    low, high = 0.0, 1.0
    while sum(r**high for r in implied) > 1:
        high *= 2
    for _ in range(64):
        k = (low + high) / 2
        low, high = (k, high) if sum(r**k for r in implied) > 1 else (low, k)
    return [r**low for r in implied]


def _without_outliers(logits: dict[int, list[float]], policy: ValuationPolicy) -> list[int]:
    kept = set(logits)
    for column in zip(*logits.values(), strict=True):
        centre = median(column)
        spread = median(abs(value - centre) for value in column)
        limit = max(policy.outlier_mads * spread, policy.outlier_floor)
        kept -= {
            book for book, value in zip(logits, column, strict=True) if abs(value - centre) > limit
        }
    return sorted(kept)


def _pool(books: Iterable[tuple[float, Sequence[float]]]) -> list[float]:
    weighted = list(books)
    total = sum(weight for weight, _ in weighted)
    means = [
        sum(weight * logit for (weight, _), logit in zip(weighted, column, strict=True)) / total
        for column in zip(*(logits for _, logits in weighted), strict=True)
    ]
    odds = [1 / (1 + math.exp(-mean)) for mean in means]
    return [p / sum(odds) for p in odds]
