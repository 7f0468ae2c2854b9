"""The rate at which a feed will change, from the starts of its events and the rate of each band."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from streaming.core.poll_rates import BAND_ENDS_SECONDS, band_of

IN_PLAY_SECONDS = 2.5 * 3_600.0
"""The time for which an event is expected to stay listed after its start."""

OVERDUE_SECONDS = 900.0
"""The time for which an event is expected to stay listed that has been so for longer."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time during which a feed changes at one rate.

    Attributes:
        seconds: its length, above 0.
        rate: changes a second.
    """

    seconds: float
    rate: float


def forecast(
    seconds_to_starts: Iterable[float], rates: Sequence[float], horizon_seconds: float
) -> list[Stretch]:
    """Return the stretches from now to the horizon, in their order.

    Args:
        seconds_to_starts: of each event that the feed lists; below 0 for one in play.
        rates: changes a second of an event in each band, (`poll_rates.BANDS`,).
        horizon_seconds: the length of the forecast, above 0.

    >>> day = forecast([7200.0], (9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0), 86_400.0)
    >>> [(stretch.seconds / 3600, stretch.rate) for stretch in day]
    [(1.0, 6.0), (0.75, 7.0), (0.25, 8.0), (2.5, 9.0), (19.5, 0.0)]
    """
    return forecast_feeds([(seconds_to_starts, rates)], horizon_seconds)


def forecast_feeds(
    feeds: Iterable[tuple[Iterable[float], Sequence[float]]], horizon_seconds: float
) -> list[Stretch]:
    """Return the stretches of several feeds together, each with its own rates: see `forecast`.

    >>> usual, busy = (1.0,) * 8, (3.0,) * 8
    >>> forecast_feeds([([1e6], usual), ([1e6], busy)], 60.0)
    [Stretch(seconds=60.0, rate=4.0)]
    """
    now, steps = 0.0, defaultdict[float, float](float)
    for starts, rates in feeds:
        for to_start in starts:
            band = band_of(to_start)
            now += rates[band]
            for nearer in range(band):
                steps[to_start - BAND_ENDS_SECONDS[nearer]] += rates[nearer] - rates[nearer + 1]
            steps[max(to_start + IN_PLAY_SECONDS, OVERDUE_SECONDS)] -= rates[0]
    stretches, begin = list[Stretch](), 0.0
    for moment in sorted(steps):
        if moment >= horizon_seconds:
            break
        if moment > begin:
            stretches.append(Stretch(moment - begin, max(now, 0.0)))
        now, begin = now + steps[moment], max(moment, begin)
    return [*stretches, Stretch(horizon_seconds - begin, max(now, 0.0))]
