"""A message of several parts, and its text within the length that a service takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of one kind.

    Attributes:
        lines: the most important first.
        more: how many there are beside them, which are only counted.
        words: what those that are counted are: "And 3 more on the board."
    """

    lines: tuple[str, ...]
    more: int = 0
    words: str = ""

    def first(self, count: int) -> list[str]:
        """Return the first lines, and one that counts the others.

        >>> Part(("a", "b"), 1, "gone").first(1), Part(("a",)).first(1)
        (['a', 'And 2 more gone.'], ['a'])
        """
        left = len(self.lines) - count + self.more
        counted = [" ".join(filter(None, ("And", str(left), "more", self.words))) + "."]
        return [*self.lines[:count], *(counted if left else ())]


def within(parts: Sequence[Part], max_chars: int) -> str:
    """Return a message's text: the first lines of each part in turn, as many as fit.

    No part takes the room of another: each has its first line before any has its second. Where none
    fits, the first one is cut.

    >>> board = Part(("+9 % Arsenal", "+4 % Over 2.5"), words="on the board")
    >>> within([board], 40).splitlines()
    ['+9 % Arsenal', '+4 % Over 2.5']
    >>> within([board], 12), within([board], 9)
    ('+9 % Arsenal', '+9 % Ars…')
    """
    counts = [0] * len(parts)
    for turn in range(1, max((len(part.lines) for part in parts), default=0) + 1):
        for index, part in enumerate(parts):
            more = [*counts]
            more[index] = min(turn, len(part.lines))
            if len(_text(parts, more)) <= max_chars:
                counts = more
    line = next((line for part in parts for line in part.lines), "")
    if any(counts) or not line:
        return _text(parts, counts)
    return line if len(line) <= max_chars else f"{line[: max_chars - 1]}…"


def _text(parts: Sequence[Part], counts: Sequence[int]) -> str:
    return "\n".join(
        line for part, count in zip(parts, counts, strict=True) for line in part.first(count)
    )
