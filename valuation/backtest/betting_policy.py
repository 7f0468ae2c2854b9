"""The rules of a backtest: how to value, whose prices count how much, where to bet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np

from betting.bookmaker_terms import TERMS, terms_of
from valuation.arrays import BoolArray, FloatArray, IntArray
from valuation.backtest.sample import Bookmakers, Sample
from valuation.policy import Method, ValuationPolicy

SHARP = "pinnacle"
"""The bookmaker whose close judges, unless another one is named."""

DEFAULT_NO_VENUES = frozenset(key for key, terms in TERMS.items() if not terms.is_venue)
"""Bookmakers whose prices inform the consensus and are no bets, by the shipped defaults."""


MAX_NAMED = 3
"""Bookmakers that the name of a policy lists."""


class PolicyError(ValueError):
    """A text that names no policy."""


@dataclass(frozen=True, slots=True)
class BettingPolicy:
    """Rules that turn prices into bets.

    Attributes:
        name: for people.
        valuation: how prices are valued.
        weights: bookmaker → its weight in the consensus; None for the bookmakers' own.
        other_weight: the weight of bookmakers that are not in `weights`.
        no_venues: bookmakers at which nothing is bet; None for those that are no venues.
        only_venues: if any, nothing is bet elsewhere.
        groups: bookmaker → the name of its group, which counts once with the largest weight of its
            members; None for the bookmakers' own groups.
    """

    name: str
    valuation: ValuationPolicy = field(default_factory=ValuationPolicy)
    weights: Mapping[str, float] | None = field(default_factory=dict)
    other_weight: float = 1.0
    no_venues: frozenset[str] | None = frozenset()
    only_venues: frozenset[str] = frozenset()
    groups: Mapping[str, str] | None = None

    def weights_of(self, sample: Sample) -> FloatArray:
        """Return the weight of each quote."""
        if self.weights is None:
            return sample.weight
        return self.weights_by_key(sample.bookmakers.keys)[sample.bookmaker]

    def weights_by_key(self, keys: Sequence[str]) -> FloatArray:
        """Return the weight of each bookmaker; of the shipped terms if it names none."""
        if self.weights is None:
            return np.array([terms_of(key).weight for key in keys])
        return np.array([self.weights.get(key, self.other_weight) for key in keys])

    def venues_of(self, bookmakers: Bookmakers) -> BoolArray:
        """Return which bookmakers are venues."""
        keys = bookmakers.keys
        if self.no_venues is None:
            is_venue = bookmakers.is_venue
        else:
            is_venue = np.array([key not in self.no_venues for key in keys], dtype=np.bool_)
        return is_venue & np.array(
            [not self.only_venues or key in self.only_venues for key in keys], dtype=np.bool_
        )

    def groups_of(self, bookmakers: Bookmakers) -> IntArray:
        """Return the group of each bookmaker: the place of its first member."""
        if self.groups is None:
            return bookmakers.group
        first: dict[str, int] = {}
        return np.array(
            [
                first.setdefault(self.groups[key], at) if key in self.groups else at
                for at, key in enumerate(bookmakers.keys)
            ],
            dtype=np.int64,
        )


def shipped(
    valuation: ValuationPolicy | None = None, no_venues: Collection[str] = DEFAULT_NO_VENUES
) -> tuple[BettingPolicy, ...]:
    """Return the policies that are compared where none is named: the baseline first.

    Args:
        valuation: the rules of valuation.
        no_venues: the bookmakers that are no venues by the history's own terms.
    """
    rules = valuation or ValuationPolicy()
    named = (
        ", ".join(sorted(no_venues))
        if len(no_venues) <= MAX_NAMED
        else f"{len(no_venues)} bookmakers"
    )
    never = f"never betting at {named}"
    return (
        BettingPolicy("equal weights, every venue", rules),
        *([BettingPolicy(never, rules, no_venues=None)] if no_venues else []),
        BettingPolicy("default", rules, weights=None, no_venues=None),
    )


def parse_policy(text: str, valuation: ValuationPolicy | None = None) -> BettingPolicy:
    """Read a policy from text: a name, then what differs from the defaults, after semicolons.

    Raises:
        PolicyError: a part is not understood; the message lists those that are.

    >>> policy = parse_policy("sharp; weights=pinnacle:10,bwin:0; no_venues=pinnacle; min_books=2")
    >>> policy.name, policy.weights, sorted(policy.no_venues or ()), policy.valuation.min_books
    ('sharp', {'pinnacle': 10.0, 'bwin': 0.0}, ['pinnacle'], 2)
    >>> parse_policy("skins; groups=unibet_uk:kindred,unibet_eu:kindred; weights=default").groups
    {'unibet_uk': 'kindred', 'unibet_eu': 'kindred'}
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


OWN = "default"
"""The value of a part that takes what the bookmakers' own rows, or the shipped terms, say."""

_PARTS = (
    "there are method, min_books, ev, outlier_mads, outlier_floor, weights=KEY:W,…, other_weight,"
    " no_venues=KEY,…, only_venues=KEY,… and groups=KEY:GROUP,…; weights, no_venues and groups may"
    f" be {OWN}"
)


def _with(policy: BettingPolicy, key: str, value: str) -> BettingPolicy:
    keys = [item.strip() for item in value.split(",") if item.strip()]
    pairs = [] if value == OWN else [item.rsplit(":", 1) for item in keys]
    match key:
        case "weights":
            weights = {book: _weight(weight) for book, weight in pairs}
            changed = replace(policy, weights=None if value == OWN else weights)
        case "groups":
            groups = {book: _group(group) for book, group in pairs}
            changed = replace(policy, groups=None if value == OWN else groups)
        case "other_weight":
            changed = replace(policy, other_weight=_weight(value))
        case "no_venues":
            changed = replace(policy, no_venues=None if value == OWN else frozenset(keys))
        case "only_venues":
            changed = replace(policy, only_venues=frozenset(keys))
        case _:
            changed = replace(policy, valuation=_valued(policy.valuation, key, value))
    return changed


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


def _group(text: str) -> str:
    if not text:
        raise ValueError("a group without a name")
    return text
