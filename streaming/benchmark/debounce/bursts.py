"""A made-up burst: many markets that change all the time, more than recorded streams at hand have.

It says nothing about how prices move, only how many messages and recomputes a policy makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from streaming.benchmark.debounce.replay import Played, play
from streaming.benchmark.debounce.tapes import Answer, Change, Tape
from streaming.benchmark.debounce.windows import Adaptive, Fixed, Windows
from streaming.core.adaptive_debounce import AdaptivePolicy
from streaming.core.coalesce import CoalescePolicy

MARKETS, RATE, SECONDS = 200, 20, 2
"""200 markets, each of which changes 20 times a second for 2 s, as in ADR 43."""

ANSWERS = (1, 4, 40, 200)
"""Markets in an answer."""

MOVE = 0.01
"""The standard deviation of a change, in log-odds."""

WINDOWS_MS = (100, 250, 500)
COLUMNS = (
    "markets in an answer", "windows", "recomputes", "messages", "workers' time, s",
    "p50 → p95, ms", "error, p·s",
)  # fmt: skip


def burst(per_answer: int, seed: int = 1) -> Tape:
    """Return a burst whose answers change so many markets each."""
    chance = np.random.default_rng(seed)
    order = np.concatenate([chance.permutation(MARKETS) for _ in range(RATE * SECONDS)])
    logits = np.zeros(MARKETS)
    fair: list[list[tuple[float, float]]] = [[] for _ in range(MARKETS)]
    answers = []
    for first in range(0, order.size, per_answer):
        changes = []
        for market in dict.fromkeys(order[first : first + per_answer].tolist()):
            move = MOVE * chance.standard_normal()
            logits[market] += move
            probability = 1 / (1 + np.exp(-logits[market]))
            changes.append(Change(market, len(fair[market]), abs(move), is_major=False))
            fair[market].append((probability, 1 - probability))
        answers.append(Answer(first / order.size * SECONDS * 1_000, changes))
    return Tape("burst", answers, [np.array(each) for each in fair])


def markdown(policy: AdaptivePolicy, cap_ms: float) -> str:
    """Return a table of bursts under fixed and adaptive windows."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *_rows(policy, cap_ms)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _rows(policy: AdaptivePolicy, cap_ms: float) -> Iterator[Sequence[str]]:
    for per_answer in ANSWERS:
        tape = burst(per_answer)
        ways: dict[str, Windows] = {
            f"{window} ms": Fixed(CoalescePolicy(batch_ms=window, debounce_ms=window))
            for window in WINDOWS_MS
        }
        ways["adaptive"] = Adaptive(CoalescePolicy(), policy, cap_ms)
        for name, windows in ways.items():
            yield str(per_answer), name, *_cells(play(tape, windows))


def _cells(played: Played) -> Iterator[str]:
    low, high = np.quantile(played.latency_ms, (0.5, 0.95))
    yield f"{played.is_valued.sum():,}"
    yield f"{played.messages:,}"
    yield f"{played.worker_seconds:.2f}"
    yield f"{low:.0f} → {high:.0f}"
    yield f"{played.error.sum():.2f}"
