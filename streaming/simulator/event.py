"""One simulated event: its truth, which moves, and the bookmakers' desks that follow it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor, inf, sqrt
from random import Random

from streaming.simulator.catalogue import Bookmaker
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.quoting import Fixture, Offer, View, quote

_TOLERANCE = 0.03
"""A desk keeps its prices while the truth is within this many standard deviations."""

_MIN_REMAINING = 0.02
"""The least share of an event that counts as still to be played: uncertainty never vanishes."""


@dataclass(slots=True)
class Desk:
    """A bookmaker's opinion of one event, and the time of its next repricing.

    Times are market seconds.

    Attributes:
        book: whose desk it is.
        fixture: what the event is.
        bias: its mean error about this event, in standard deviations.
        seen: the truth as it was when the desk last looked.
        changed_at: when that was.
        due_at: when it will look again; infinite while no repricing is due.
        suspended_until: until when it is off the board.
        view: its opinion, derived from `seen`.
    """

    book: Bookmaker
    fixture: Fixture
    bias: float
    seen: View
    changed_at: float
    due_at: float = inf
    suspended_until: float = -inf
    view: View = field(init=False)
    _shown: dict[str, list[Offer]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.view = biased(self.seen, self.bias)

    def offers(self, kind: str) -> list[Offer]:
        """Return what the desk shows for a market; computed once per repricing."""
        if kind not in self._shown:
            self._shown[kind] = quote(kind, self.fixture, self.view, self.book)
        return self._shown[kind]

    def is_suspended(self, at: float) -> bool:
        """Return True if the bookmaker has taken the event off the board."""
        return at < self.suspended_until

    def last_update(self, at: float) -> float:
        """Return the timestamp the bookmaker shows: it moves at intervals without a repricing."""
        period = self.book.refresh_seconds
        phase = self.bias * period  # any constant that differs between desks
        return max(self.changed_at, floor((at - phase) / period) * period + phase)

    def follow(self, truth: View, at: float, policy: MarketPolicy, rng: Random) -> None:
        """Reprice if due; otherwise schedule a repricing once the truth has moved away."""
        if at >= self.due_at:
            self._reprice(truth, at, rng)
        elif self.due_at == inf and self.seen.distance(truth) > _TOLERANCE:
            self.due_at = at + self._lag(truth, policy, rng)

    def suspend(self, until: float) -> None:
        """Go off the board, and reprice on return."""
        self.suspended_until = self.due_at = until

    def _lag(self, truth: View, policy: MarketPolicy, rng: Random) -> float:
        lag = self.book.lag_seconds * rng.expovariate(1.0)
        if truth.is_in_play:
            lag *= policy.in_play_lag
        return lag * policy.slow_factor if rng.random() < policy.slow_rate else lag

    def _reprice(self, truth: View, at: float, rng: Random) -> None:
        self.seen = truth
        self.view = biased(truth, self.bias + rng.gauss(0.0, 0.2 * self.book.noise))
        self.changed_at, self.due_at = at, inf
        self._shown.clear()


def biased(truth: View, error: float) -> View:
    """Return the truth as seen with an error of `error` standard deviations.

    >>> biased(View(3.0, 12.0, 226.0, 17.0, False, (20.0,)), 0.1).margin
    4.2
    """
    return View(
        margin=truth.margin + error * truth.margin_sd,
        margin_sd=truth.margin_sd,
        total=truth.total - error * truth.total_sd,
        total_sd=truth.total_sd,
        is_in_play=truth.is_in_play,
        props=tuple(mean * (1.0 + 0.35 * error) for mean in truth.props),
    )


class SimulatedEvent:
    """An event from its first listing to its end. Times are market seconds."""

    def __init__(
        self,
        event_id: str,
        fixture: Fixture,
        span: tuple[float, float],
        books: tuple[Bookmaker, ...],
        policy: MarketPolicy,
        rng: Random,
        listed_at: float,
    ) -> None:
        sport = fixture.sport
        self.id = event_id
        self.fixture = fixture
        self.commence, self.end = span
        self._policy = policy
        self._rng = rng
        self._margin = rng.gauss(sport.home_edge, sport.strength_sd)
        self._total = sport.total_mean * rng.uniform(0.93, 1.07)
        self._props = [rng.uniform(*sport.prop_range) for _ in fixture.players]
        truth = self.truth(listed_at)
        self.desks = [
            Desk(book, fixture, rng.gauss(0.0, book.noise), truth, listed_at) for book in books
        ]

    def is_in_play(self, at: float) -> bool:
        """Return True if the event has started."""
        return at >= self.commence

    def truth(self, at: float) -> View:
        """Return the true view at a time: the opinion that lacks only knowledge of the future."""
        sport = self.fixture.sport
        remaining = 1.0 - (at - self.commence) / (self.end - self.commence)
        spread = sqrt(min(1.0, max(_MIN_REMAINING, remaining)))
        return View(
            margin=self._margin,
            margin_sd=sport.margin_sd * spread,
            total=self._total,
            total_sd=sport.total_sd * spread,
            is_in_play=self.is_in_play(at),
            props=tuple(self._props),
        )

    def score(self, at: float) -> tuple[int, int] | None:
        """Return the scores of home and away at a time; None before the start.

        They grow towards the truth, which is the final result once the event is over.

        Only a sport with draws ends in one.
        """
        if not self.is_in_play(at):
            return None
        played = min(1.0, (at - self.commence) / (self.end - self.commence))
        total, margin = max(self._total, abs(self._margin)) * played, self._margin * played
        home, away = round((total + margin) / 2), round((total - margin) / 2)
        if home == away and played == 1.0 and not self.fixture.sport.has_draw:
            return (home + 1, away) if margin > 0 else (home, away + 1)
        return home, away

    def step(self, at: float, dt: float) -> None:
        """Move the truth over `dt` seconds ending at `at`, and let every desk follow."""
        has_jumped = self._play(dt) if self.is_in_play(at) else self._drift(dt)
        if has_jumped:
            self._suspend_some(at)
        truth = self.truth(at)
        for desk in self.desks:
            if not desk.is_suspended(at):
                desk.follow(truth, at, self._policy, self._rng)

    def _drift(self, dt: float) -> bool:
        """Move the truth before the start by a slow walk; return True if there was news."""
        rng, sport, policy = self._rng, self.fixture.sport, self._policy
        is_news = rng.random() < policy.news_per_second * dt
        sd = policy.drift * sqrt(dt) + (policy.news_size if is_news else 0.0)
        self._margin += rng.gauss(0.0, sd) * sport.margin_sd
        self._total += rng.gauss(0.0, sd) * sport.total_sd
        self._props = [max(0.6, mean * (1.0 + rng.gauss(0.0, sd))) for mean in self._props]
        return is_news

    def _play(self, dt: float) -> bool:
        """Move the truth in play: half of the margin's variance as a walk, the rest as scores."""
        rng, sport = self._rng, self.fixture.sport
        played = dt / (self.end - self.commence)
        sd = sqrt(0.5 * played)
        self._margin += rng.gauss(0.0, sd) * sport.margin_sd
        self._total = max(0.0, self._total + rng.gauss(0.0, sd) * sport.total_sd)
        if rng.random() >= sport.scores_per_event * played:
            return False
        self._margin += rng.choice((-sport.score, sport.score))
        self._total = max(0.0, self._total + rng.choice((-0.5, 0.5)) * sport.score)
        return True

    def _suspend_some(self, at: float) -> None:
        policy, rng = self._policy, self._rng
        for desk in self.desks:
            if rng.random() < policy.suspend_rate:
                desk.suspend(at + rng.uniform(*policy.suspend_seconds))
