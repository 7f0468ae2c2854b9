"""The script of a Saturday: 200 events in play, three kick-offs, and one provider that flaps.

Two providers list 100 events each, and are asked in turn. A day is as long as it is asked for: its
kick-offs and its flapping take the same parts of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

Case = Literal["in play", "kick-off", "provider flaps"]

EVENTS, PROVIDERS = 200, 2
EVENTS_EACH = EVENTS // PROVIDERS
POLL_SECONDS = 1.0
MOVING_PART = 0.2
"""The part of a provider's events whose prices change from one answer to the next."""
GOALS_PER_POLL = 0.1
KICK_OFFS = (1 / 6, 1 / 2, 5 / 6)
"""Their places in the day: 12:30, 15:00 and 17:30 of one that begins at noon and ends at six."""
KICK_OFF_PART = 0.02
FLAPPING = (0.55, 0.8)
FLAPPER = 1
"""The provider that flaps."""
FLAPS = 8
"""How often it goes away."""


@dataclass(frozen=True, slots=True)
class Step:
    """One answer.

    Attributes:
        at: when it arrives, in seconds of the day.
        case: the part of the day that it belongs to.
        provider: whose it is, from 0.
        events: those whose prices change, of all 200.
        goals: those of them with a major move.
    """

    at: float
    case: Case
    provider: int
    events: tuple[int, ...]
    goals: tuple[int, ...]


def saturday(seed: int, seconds: float) -> Iterator[Step]:
    """Yield the answers of a day, in order.

    Args:
        seed: the same seed gives the same day.
        seconds: its length.
    """
    chance = Random(f"match-day {seed}")  # noqa: S311 - repeatable chance, not a secret
    was_away = False
    for number in range(int(seconds / POLL_SECONDS * PROVIDERS)):
        at, provider = number * POLL_SECONDS / PROVIDERS, number % PROVIDERS
        place = at / seconds
        is_flapping = provider == FLAPPER and FLAPPING[0] <= place < FLAPPING[1]
        if is_flapping and _is_away(place):
            was_away = True
            continue
        is_kick_off = any(0 <= place - each < KICK_OFF_PART for each in KICK_OFFS)
        is_back = provider == FLAPPER and was_away
        # At a kick-off, and after an absence, everything is new.
        count = EVENTS_EACH if is_kick_off or is_back else round(MOVING_PART * EVENTS_EACH)
        first = provider * EVENTS_EACH
        events = sorted(chance.sample(range(first, first + EVENTS_EACH), count))
        goals = tuple(chance.sample(events, 1)) if chance.random() < GOALS_PER_POLL else ()
        case: Case = "in play"
        if is_flapping or is_back:
            case = "provider flaps"
        elif is_kick_off:
            case = "kick-off"
        was_away = was_away and not is_back
        yield Step(at, case, provider, tuple(events), goals)


def _is_away(place: float) -> bool:
    """Return True in the second half of each flap."""
    begin, end = FLAPPING
    return (place - begin) / (end - begin) * FLAPS % 1 >= 0.5
