"""The simulated market: a board of events per sport, on one clock.

The same seed, start and request times give the same market.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from math import floor
from random import Random

from streaming.simulator.catalogue import BOOKMAKERS, SPORTS, Sport, players_of
from streaming.simulator.event import SimulatedEvent
from streaming.simulator.policy import MarketPolicy
from streaming.simulator.quoting import Fixture

_ENDED_KEPT = 200
"""The events of each sport whose scores are still known after their end."""

_BREAK_SECONDS = 60.0
"""The break between the two games of a doubleheader."""


class Board:
    """The open events of one sport. Times are market seconds since the market began."""

    def __init__(self, sport: Sport, policy: MarketPolicy, seed: str) -> None:
        self.sport = sport
        self._policy = policy
        self._seed = f"{seed}:{sport.key}"
        self._rng = Random(self._seed)  # noqa: S311 - a simulation, repeatable by its seed
        self._clock = 0.0
        self._serial = 0
        self._events: list[SimulatedEvent] = []
        self._ended: deque[SimulatedEvent] = deque(maxlen=_ENDED_KEPT)
        for slot in range(policy.events_per_sport):
            self._events.append(self._opening_event(slot))

    def advance(self, until: float) -> None:
        """Simulate up to `until`, in whole steps; a time already simulated changes nothing."""
        policy = self._policy
        due = floor((until - self._clock) / policy.step_seconds)
        steps = min(due, policy.max_steps)
        for _ in range(steps):
            self._step(due / steps * policy.step_seconds)

    def events(self) -> list[SimulatedEvent]:
        """Return the open events, in the order in which they start."""
        return sorted(self._events, key=lambda event: (event.commence, event.id))

    def ended(self) -> list[SimulatedEvent]:
        """Return the last events that are over, in the order in which they ended."""
        return list(self._ended)

    @property
    def clock(self) -> float:
        """The time up to which the events have been simulated."""
        return self._clock

    def _step(self, dt: float) -> None:
        self._clock += dt
        for slot, event in enumerate(self._events):
            if self._clock >= event.end:
                self._ended.append(event)
                self._events[slot] = self._next_event(slot)
            else:
                event.step(self._clock, dt)

    def _opening_event(self, slot: int) -> SimulatedEvent:
        """Return an event of the first board, of which some are in play already."""
        if slot == 1 and self.sport.has_doubleheaders:
            return self._second_game()
        duration = self._rng.uniform(*self._policy.duration_seconds)
        longest_lead = self._policy.lead_seconds[1]
        commence = self._rng.uniform(-0.9 * duration, longest_lead)
        return self._event(self._idle_pair(), commence, duration)

    def _next_event(self, slot: int) -> SimulatedEvent:
        if slot == 1 and self.sport.has_doubleheaders:
            return self._second_game()
        commence = self._clock + self._rng.uniform(*self._policy.lead_seconds)
        return self._event(
            self._idle_pair(), commence, self._rng.uniform(*self._policy.duration_seconds)
        )

    def _second_game(self) -> SimulatedEvent:
        """Return another game of the first slot's pair, after its first: a new id, the same day."""
        first = self._events[0]
        commence = max(first.end, self._clock) + _BREAK_SECONDS
        pair = (first.fixture.home, first.fixture.away)
        return self._event(pair, commence, self._rng.uniform(*self._policy.duration_seconds))

    def _idle_pair(self) -> tuple[str, str]:
        busy = {t for event in self._events for t in (event.fixture.home, event.fixture.away)}
        home, away = self._rng.sample([team for team in self.sport.teams if team not in busy], 2)
        return home, away

    def _event(self, pair: tuple[str, str], commence: float, duration: float) -> SimulatedEvent:
        self._serial += 1
        seed = f"{self._seed}:{self._serial}"
        players = tuple(p for team in pair for p in players_of(team)) if self.sport.prop else ()
        commence = float(floor(commence))  # the API gives starts in whole seconds
        return SimulatedEvent(
            blake2b(seed.encode(), digest_size=16).hexdigest(),
            Fixture(self.sport, *pair, players),
            (commence, commence + duration),
            BOOKMAKERS,
            self._policy,
            Random(seed),  # noqa: S311 - a simulation, repeatable by its seed
            self._clock,
        )


class Market:
    """Boards of several sports on one clock.

    Args:
        start: wall-clock time at which the market begins; timezone-aware.
        seed: the same seed, start and sequence of calls give the same market.
        sports: sport keys; all of the catalogue when empty.
        policy: the market's tunables.

    Raises:
        ValueError: a sport that is not in the catalogue.
    """

    def __init__(
        self,
        start: datetime,
        seed: int = 1,
        sports: Sequence[str] = (),
        policy: MarketPolicy | None = None,
    ) -> None:
        known = {sport.key: sport for sport in SPORTS}
        unknown = sorted(set(sports) - set(known))
        if unknown:
            raise ValueError(
                f"no simulated sport {', '.join(unknown)}; there are {', '.join(known)}"
            )
        self._start = start
        self._policy = policy or MarketPolicy()
        # The start is part of every event's identity: a restarted market has new events.
        identity = f"{seed}:{start.isoformat()}"
        self._boards = {
            key: Board(known[key], self._policy, identity) for key in dict.fromkeys(sports or known)
        }

    @property
    def sports(self) -> list[Sport]:
        """The sports on offer."""
        return [board.sport for board in self._boards.values()]

    def board(self, sport: str, now: datetime) -> Board:
        """Return the board of one sport as it stands at `now`.

        Raises:
            KeyError: a sport that is not on offer.
        """
        board = self._boards[sport]
        board.advance((now - self._start).total_seconds() * self._policy.speed)
        return board

    def wall_time(self, seconds: float) -> datetime:
        """Convert a market time to wall-clock time."""
        return self._start + timedelta(seconds=seconds / self._policy.speed)
