"""The rules for large fields once more, runner by runner in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from valuation.policy import ValuationPolicy

Prices = Mapping[tuple[int, int], float]


@dataclass
class HandField:
    """What is known of a field: its runners, and who has which part in it.

    `ranks` are the bookmakers that each rule leaves: listing enough, plausible, sound, agreeing.
    """

    runners: list[int]
    weights: Mapping[int, float]
    ranks: list[list[int]]
    logits: dict[int, dict[int, float]]
    votes: dict[int, list[int]]
    listing: dict[int, list[int]]
    holds: dict[int, float]

    @property
    def sound(self) -> list[int]:
        return sorted(self.logits)

    def pool(self, without: int | None = None) -> dict[int, tuple[float, int]]:
        """The probability of each runner and the number of votes on it."""
        everyone = [book for book in self.ranks[-1] if book != without]
        odds, books = {}, {}
        for runner in self.runners:
            votes = [book for book in self.votes[runner] if book != without]
            books[runner] = len(votes)
            who = votes or everyone
            total = sum(self.weights[book] for book in who)
            if not who:
                odds[runner] = math.nan
                continue
            mean = sum(self.weights[book] * self.logits[book][runner] for book in who) / total
            odds[runner] = 1 / (1 + math.exp(-mean))
        return {runner: (p / sum(odds.values()), books[runner]) for runner, p in odds.items()}


def runners_of(backs: Prices, weights: Mapping[int, float], policy: ValuationPolicy) -> list[int]:
    """The outcomes that two bookmakers with a weight back; one is enough where policy says so."""
    outcomes = sorted({outcome for _, outcome in backs})
    shared_by = min(max(policy.min_books, 1), 2)
    return [
        outcome
        for outcome in outcomes
        if sum(weights[book] > 0 for book, other in backs if other == outcome) >= shared_by
    ]


def field_by_hand(
    backs: Prices,
    standing: Callable[[int, Sequence[int]], Sequence[float]],
    weights: Mapping[int, float],
    runners: list[int],
    policy: ValuationPolicy,
    devig: Callable[[Sequence[float]], Sequence[float]],
) -> HandField:
    """Apply the rules to the books of a line.

    Args:
        backs: fresh back prices by bookmaker and outcome.
        standing: the prices that stand for a bookmaker on runners it lists.
        weights: of the bookmakers.
        runners: the field.
        policy: the limits.
        devig: probabilities of whole fields.
    """
    lists = {
        book: [runner for runner in runners if (book, runner) in backs]
        for book in sorted({book for book, _ in backs})
    }
    prices = {
        book: dict(zip(listed, standing(book, listed), strict=True))
        for book, listed in lists.items()
    }
    centre = {
        runner: median(
            -math.log(prices[book][runner] - 1)
            for book, listed in lists.items()
            if runner in listed and weights[book] > 0
        )
        for runner in runners
    }
    typical = {runner: 1 / (1 + math.exp(-value)) for runner, value in centre.items()}
    own = _without_slips(prices, centre, weights, policy)

    covering, plausible = [], []
    whole: dict[int, dict[int, float]] = {}
    holds = {}
    for book, kept in own.items():
        share = sum(typical[runner] for runner in kept) / sum(typical.values())
        listed = sum(1 / backs[book, runner] for runner in lists[book])
        other = sum(1 / d for (who, outcome), d in backs.items()
                    if who == book and outcome not in runners)  # fmt: skip
        if share < 0.9 or other > 0.1 * (other + listed):
            continue
        covering.append(book)
        level = sum(1 / prices[book][runner] for runner in kept) / sum(typical[r] for r in kept)
        whole[book] = {
            runner: 1 / prices[book][runner] if runner in kept else typical[runner] * level
            for runner in runners
        }
        margin = (policy.max_booksum - 1) * min(len(runners) / 10, 3)
        if policy.min_booksum <= sum(whole[book].values()) <= 1 + margin:
            plausible.append(book)
        holds[book] = 1 - share / sum(1 / backs[book, runner] for runner in kept)

    logits = {}
    for book in plausible:
        probabilities = devig([1 / whole[book][runner] for runner in runners])
        if all(0 < p < 1 for p in probabilities):
            logits[book] = {
                runner: math.log(p / (1 - p))
                for runner, p in zip(runners, probabilities, strict=True)
            }
    voters = [book for book in logits if weights[book] > 0]
    voting = {runner: [book for book in voters if runner in own[book]] for runner in runners}
    agreeing = {runner: _agreeing(runner, logits, voting[runner], policy) for runner in runners}
    taking_part = [
        book
        for book in voters
        if sum(book not in agreeing[runner] for runner in own[book]) <= len(own[book]) / 4
    ]
    return HandField(
        runners=runners,
        weights=weights,
        ranks=[
            [book for book in covering if weights[book] > 0],
            [book for book in plausible if weights[book] > 0],
            voters,
            taking_part,
        ],
        logits=logits,
        votes={r: [book for book in agreeing[r] if book in taking_part] for r in runners},
        listing={r: [book for book in taking_part if r in lists[book]] for r in runners},
        holds=holds,
    )


def _without_slips(
    prices: Mapping[int, Mapping[int, float]],
    centre: Mapping[int, float],
    weights: Mapping[int, float],
    policy: ValuationPolicy,
) -> dict[int, list[int]]:
    """The runners of each bookmaker whose prices are not off by more than margins explain."""
    distance: dict[int, dict[int, float]] = {}
    for book, listed in prices.items():
        off = {runner: -math.log(d - 1) - centre[runner] for runner, d in listed.items()}
        level = median(off.values()) if off else 0.0
        distance[book] = {runner: abs(value - level) for runner, value in off.items()}
    limit = {}
    for runner in centre:
        seen = [distance[book][runner] for book in prices
                if weights[book] > 0 and runner in prices[book]]  # fmt: skip
        limit[runner] = max(policy.outlier_mads * median(seen), 4 * policy.outlier_floor)
    return {
        book: [runner for runner in listed if distance[book][runner] <= limit[runner]]
        for book, listed in prices.items()
    }


def _agreeing(
    runner: int,
    logits: Mapping[int, Mapping[int, float]],
    voting: Sequence[int],
    policy: ValuationPolicy,
) -> list[int]:
    if not voting:
        return []
    middle = median(logits[book][runner] for book in voting)
    spread = median(abs(logits[book][runner] - middle) for book in voting)
    limit = max(policy.outlier_mads * spread, policy.outlier_floor)
    return [book for book in voting if abs(logits[book][runner] - middle) <= limit]
