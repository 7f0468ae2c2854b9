"""Durations as people read them."""

from __future__ import annotations

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def spoken(seconds: float) -> str:
    """Format a duration in its two largest units; to a tenth of a second below ten seconds.

    >>> [spoken(seconds) for seconds in (0.04, 7.25, 20.0, 868.4, 11_100.0, 187_200.0)]
    ['0 s', '7.2 s', '20 s', '14 min 28 s', '3 h 5 min', '2 d 4 h']
    >>> spoken(59.7), spoken(120.0), spoken(-1.0)
    ('1 min', '2 min', '0 s')
    """
    tenths = round(max(0.0, seconds), 1)
    if tenths < 10:
        return f"{tenths:g} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return _joined(whole, (MINUTE, "min"), (1, "s"))
    if whole < DAY:
        return _joined(whole, (HOUR, "h"), (MINUTE, "min"))
    return _joined(whole, (DAY, "d"), (HOUR, "h"))


def _joined(seconds: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    """Format a duration in two units, the smaller one only where it is not 0."""
    count, rest = divmod(seconds, large[0])
    parts = [(count, large[1]), (rest // small[0], small[1])]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
