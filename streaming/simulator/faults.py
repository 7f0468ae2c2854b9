"""Rules per sport key for the requests that fail, and how; changed while the server runs."""

from __future__ import annotations

from random import Random
from typing import Annotated, Literal, get_args

import msgspec

FaultKind = Literal[
    "500",
    "502",
    "503",
    "429",
    "401",
    "out_of_credits",
    "304",
    "403",
    "404",
    "empty",
    "reset",
    "hang",
    "slow_drip",
    "truncated",
    "invalid_json",
    "wrong_schema",
    "huge",
    "gzip_bomb",
]
KINDS: tuple[FaultKind, ...] = get_args(FaultKind)

EVERY_SPORT = "*"


class FaultRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way in which a sport's requests fail.

    Attributes:
        sport: the sport key, or ``*`` for every request.
        kind: how they fail.
        rate: the share of them that fail, 0 to 1.
        retry_after_seconds: the wait that a 429 requests.
        seconds: how long a hang or a slow drip lasts at most.
        megabytes: size of a huge body, or of what a gzip bomb unpacks to.
    """

    sport: Annotated[str, msgspec.Meta(min_length=1)]
    kind: FaultKind
    rate: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 1.0
    retry_after_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 5
    seconds: Annotated[float, msgspec.Meta(gt=0.0, le=600.0)] = 60.0
    megabytes: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 64


class FaultBoard:
    """The rules in force, at most one for each sport and kind."""

    def __init__(self, seed: int = 1) -> None:
        self._rules: dict[tuple[str, str], FaultRule] = {}
        self._rng = Random(seed)  # noqa: S311 - repeatable chance, not a secret

    def put(self, rule: FaultRule) -> None:
        """Add a rule, or replace that of its sport and kind."""
        self._rules[rule.sport, rule.kind] = rule

    def clear(self, sport: str = "", kind: str = "") -> None:
        """Remove the rules of a sport, of a kind, of both, or all."""
        self._rules = {
            key: rule
            for key, rule in self._rules.items()
            if (sport and sport != rule.sport) or (kind and kind != rule.kind)
        }

    def rules(self) -> list[FaultRule]:
        """Return the rules in force, in the order in which they are tried."""
        return list(self._rules.values())

    def pick(self, sport: str) -> FaultRule | None:
        """Return the rule that applies to a request, if any: the first chosen by its rate."""
        for rule in self.rules():
            if rule.sport in (EVERY_SPORT, sport) and self._rng.random() < rule.rate:
                return rule
        return None


def parse_rule(text: str) -> FaultRule:
    """Parse a rule as written on the command line, ``SPORT=KIND[:RATE]``.

    Raises:
        ValueError: not of that form, or an unknown kind, or a rate outside 0 to 1.

    >>> rule = parse_rule("soccer_epl=503:0.25")
    >>> rule.sport, rule.kind, rule.rate
    ('soccer_epl', '503', 0.25)
    """
    sport, _, fault = text.partition("=")
    kind, _, rate = fault.partition(":")
    try:
        return msgspec.convert({"sport": sport, "kind": kind, "rate": float(rate or 1)}, FaultRule)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not SPORT=KIND[:RATE] ({error}); kinds: {', '.join(KINDS)}"
        ) from error
