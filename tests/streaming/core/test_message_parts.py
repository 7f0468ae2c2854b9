"""A message's text: within its length, each part's first lines, and a count of the others."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from streaming.core.message_parts import Part, within

lines = st.lists(st.text("abc", min_size=1, max_size=30), max_size=9).map(tuple)
some_parts = st.lists(st.builds(Part, lines=lines, more=st.integers(0, 5)), max_size=3)
COUNTED = re.compile(r"And (\d+) more\.")
ROOM_TO_COUNT = 3 * len("\nAnd 14 more.")


@given(some_parts, st.integers(ROOM_TO_COUNT, 400))
def test_a_text_is_within_its_length_and_leaves_nothing_out_uncounted(
    parts: list[Part], max_chars: int
) -> None:
    text = within(parts, max_chars)
    assert len(text) <= max_chars
    shown = text.splitlines()
    counted = [int(found[1]) for found in map(COUNTED.fullmatch, shown) if found]
    total = sum(len(part.lines) + part.more for part in parts)
    if counted:
        assert len(shown) - len(counted) + sum(counted) == total


@given(some_parts, st.integers(1, 400))
def test_each_part_has_its_first_line_before_any_has_its_second(
    parts: list[Part], max_chars: int
) -> None:
    firsts = [Part(part.lines[:1], len(part.lines[1:]) + part.more) for part in parts]
    if len(within(firsts, 10_000)) <= max_chars:
        shown = within(parts, max_chars).splitlines()
        assert all(part.lines[0] in shown for part in parts if part.lines)


@given(some_parts)
def test_everything_is_listed_where_there_is_room(parts: list[Part]) -> None:
    shown = within(parts, 10_000).splitlines()
    listed = [line for line in shown if not COUNTED.fullmatch(line)]
    assert listed == [line for part in parts for line in part.lines]


@given(st.text("abc", min_size=1, max_size=30), st.integers(1, 29))
def test_a_line_that_is_longer_than_the_message_is_cut(line: str, max_chars: int) -> None:
    text = within([Part((line,))], max_chars)
    assert len(text) <= max_chars
    assert line.startswith(text.removesuffix("…"))
