"""The tunables of the simulated market."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MarketPolicy:
    """The simulated market's tunables; all durations are market seconds.

    Attributes:
        speed: market seconds per second of the wall clock.
        events_per_sport: events on the board of each sport at any time.
        lead_seconds: shortest and longest time from an event's first listing to its start.
        duration_seconds: shortest and longest time from an event's start to its end.
        step_seconds: resolution of the simulation; answers within one step are equal.
        max_steps: most steps taken to catch up with a request; longer gaps take longer steps.
        drift: pre-match movement, in standard deviations of the final margin per √second.
        news_per_second: pre-match jumps of one event, such as an injury report.
        news_size: standard deviation of such a jump, in that of the final margin.
        suspend_rate: chance that a book goes off the board when an event jumps.
        suspend_seconds: shortest and longest time off the board.
        in_play_lag: the part of its usual lag that a book takes once the event has started.
        slow_rate: chance that a book is late to follow a move, which is where edges come from.
        slow_factor: how many times its usual lag a late book takes.
    """

    speed: float = 1.0
    events_per_sport: int = 12
    lead_seconds: tuple[float, float] = (60.0, 900.0)
    duration_seconds: tuple[float, float] = (180.0, 360.0)
    step_seconds: float = 0.5
    max_steps: int = 240
    drift: float = 0.004
    news_per_second: float = 1 / 300
    news_size: float = 0.2
    suspend_rate: float = 0.3
    suspend_seconds: tuple[float, float] = (2.0, 6.0)
    in_play_lag: float = 0.25
    slow_rate: float = 0.01
    slow_factor: float = 15.0

    def __post_init__(self) -> None:
        if self.speed <= 0 or self.step_seconds <= 0:
            raise ValueError("speed and step_seconds must be above 0")
        if not 2 <= self.events_per_sport <= 13:
            raise ValueError("events_per_sport must be 2 to 13: no team plays two events at once")
