"""The rules of a backtest: how to value, whose prices count how much, where to bet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import get_args

import numpy as np

from betting.bookmaker_terms import TERMS, USUAL
from valuation.arrays import BoolArray, FloatArray
from valuation.policy import Method, ValuationPolicy

SHARP = "pinnacle"
"""The bookmaker whose close judges, unless another one is named."""

DEFAULT_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {key: terms.weight for key, terms in TERMS.items() if terms.weight != USUAL.weight}
)
"""Weights of the shipped defaults; of others it is 1."""

DEFAULT_NO_VENUES = frozenset(key for key, terms in TERMS.items() if not terms.is_venue)
"""Bookmakers whose prices inform the consensus and are no bets, by the shipped defaults."""


class PolicyError(ValueError):
    """A text that names no policy."""


@dataclass(frozen=True, slots=True)
class BettingPolicy:
    """Rules that turn prices into bets.

    Attributes:
        name: for people.
        valuation: how prices are valued.
        weights: bookmaker → its weight in the consensus.
        other_weight: the weight of bookmakers that are not in `weights`.
        no_venues: bookmakers at which nothing is bet.
        only_venues: if any, nothing is bet elsewhere.
    """

    name: str
    valuation: ValuationPolicy = field(default_factory=ValuationPolicy)
    weights: Mapping[str, float] = field(default_factory=dict)
    other_weight: float = 1.0
    no_venues: frozenset[str] = frozenset()
    only_venues: frozenset[str] = frozenset()

    def weights_of(self, bookmakers: Sequence[str]) -> FloatArray:
        """Return the weight of each bookmaker."""
        return np.array([self.weights.get(key, self.other_weight) for key in bookmakers])

    def venues_of(self, bookmakers: Sequence[str]) -> BoolArray:
        """Return which bookmakers are venues."""
        return np.array(
            [
                key not in self.no_venues and (not self.only_venues or key in self.only_venues)
                for key in bookmakers
            ],
            dtype=np.bool_,
        )


def shipped(valuation: ValuationPolicy | None = None) -> tuple[BettingPolicy, ...]:
    """Return the policies that are compared where none is named: the baseline first."""
    rules = valuation or ValuationPolicy()
    never = f"never betting at {SHARP}"
    return (
        BettingPolicy("equal weights, every venue", rules),
        BettingPolicy(never, rules, no_venues=DEFAULT_NO_VENUES),
        BettingPolicy("default", rules, weights=DEFAULT_WEIGHTS, no_venues=DEFAULT_NO_VENUES),
    )


def parse_policy(text: str, valuation: ValuationPolicy | None = None) -> BettingPolicy:
    """Read a policy from text: a name, then what differs from the defaults, after semicolons.

    Raises:
        PolicyError: a part is not understood; the message lists those that are.

    >>> policy = parse_policy("sharp; weights=pinnacle:10,bwin:0; no_venues=pinnacle; min_books=2")
    >>> policy.name, dict(policy.weights), sorted(policy.no_venues), policy.valuation.min_books
    ('sharp', {'pinnacle': 10.0, 'bwin': 0.0}, ['pinnacle'], 2)
    """
    name, *parts = (part.strip() for part in text.split(";"))
    if not name or "=" in name:
        raise PolicyError(f"{text!r} does not begin with a name, as in 'sharp; min_books=2'")
    policy = BettingPolicy(name, valuation or ValuationPolicy())
    for part in filter(None, parts):
        key, _, value = (piece.strip() for piece in part.partition("="))
        try:
            policy = _with(policy, key, value)
        except (KeyError, ValueError) as error:
            raise PolicyError(f"{part!r} is no part of a policy; {_PARTS}") from error
    return policy


_PARTS = (
    "there are method, min_books, ev, outlier_mads, outlier_floor, weights=KEY:W,…, other_weight,"
    " no_venues=KEY,… and only_venues=KEY,…"
)


def _with(policy: BettingPolicy, key: str, value: str) -> BettingPolicy:
    keys = [item.strip() for item in value.split(",") if item.strip()]
    match key:
        case "weights":
            pairs = [item.rsplit(":", 1) for item in keys]
            return replace(policy, weights={book: _weight(weight) for book, weight in pairs})
        case "other_weight":
            return replace(policy, other_weight=_weight(value))
        case "no_venues":
            return replace(policy, no_venues=frozenset(keys))
        case "only_venues":
            return replace(policy, only_venues=frozenset(keys))
    return replace(policy, valuation=_valued(policy.valuation, key, value))


def _valued(rules: ValuationPolicy, key: str, value: str) -> ValuationPolicy:
    match key:
        case "method":
            (method,) = (each for each in get_args(Method) if each == value)
            return replace(rules, method=method)
        case "min_books":
            return replace(rules, min_books=int(value))
        case "ev":
            return replace(rules, min_edge_ev=float(value))
        case "outlier_mads":
            return replace(rules, outlier_mads=float(value))
        case "outlier_floor":
            return replace(rules, outlier_floor=float(value))
    raise KeyError(key)


def _weight(text: str) -> float:
    weight = float(text)
    if not 0 <= weight < np.inf:
        raise ValueError(f"{text} is no weight")
    return weight
