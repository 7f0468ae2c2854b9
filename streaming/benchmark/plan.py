"""The plan of a benchmark: the instructions of its process."""

from __future__ import annotations

import msgspec

PROFILES = ("burst", "ordinary", "major", "unchanged", "grow", "soak", "match-day")
USUAL = ("burst", "ordinary", "major", "unchanged")
"""The profiles that run if none is named: about ten minutes together."""
CONTENDERS = ("naive", "batched", "hardline", "floor")


class Plan(msgspec.Struct, frozen=True):
    """The work that is measured, and the number of rounds.

    Attributes:
        profiles: some of `PROFILES`.
        contenders: some of `CONTENDERS`.
        rounds: of each profile.
        sizes: markets of each burst; each has ten changes.
        seed: of the work.
        samples: single changes of a round of `ordinary` and `major`.
        during_burst: the changes of the burst during which major moves are measured; 0 for none.
        unchanged_markets: whose quotes `unchanged` repeats, twenty a market.
        grow: quotes in the tables, for each case of `grow`.
        history: rows of history for each of those quotes.
        soak_seconds: the length of a round of `soak`.
        soak_rate: its changes a second.
        match_day_seconds: the length of a round of `match-day`.
        servers: process ids of PostgreSQL and Redis, where they are known.
        batches_python: the interpreter that has celery-batches; empty where it is not needed.
    """

    profiles: tuple[str, ...] = USUAL
    contenders: tuple[str, ...] = CONTENDERS
    rounds: int = 3
    sizes: tuple[int, ...] = (100, 1_000, 5_000)
    seed: int = 1
    samples: int = 10
    during_burst: int = 0
    unchanged_markets: int = 1_000
    grow: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    history: int = 1
    soak_seconds: float = 60.0
    soak_rate: int = 1_000
    match_day_seconds: float = 900.0
    servers: tuple[int, ...] = ()
    batches_python: str = ""


QUICK = Plan(profiles=("burst",), contenders=("naive", "hardline", "floor"), rounds=1, sizes=(5,))
"""A check of seconds, which needs no network."""
