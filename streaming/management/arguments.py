"""Parsers for numbers that are given to commands."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError

LAST_PORT = 65_535


def positive(text: str) -> float:
    """Read a number above 0.

    >>> positive("0.5")
    0.5
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def one_or_more(text: str) -> int:
    """Read a whole number above 0.

    >>> one_or_more("2")
    2
    """
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def whole_numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers above 0 between commas.

    >>> whole_numbers("5,1_000")
    (5, 1000)
    """
    return tuple(one_or_more(part.replace("_", "")) for part in text.split(","))


def free_port(text: str) -> int:
    """Read a port to listen on; 0 for any that is free.

    >>> free_port("8099")
    8099
    """
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise ArgumentTypeError(f"{text!r} is not a port from 0 to {LAST_PORT}")
    return int(text)
