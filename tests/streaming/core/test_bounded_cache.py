"""The cache that is bounded by the size of what it holds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.core.bounded_cache import BoundedCache


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.booleans())))
def test_it_holds_the_most_recently_used_values_that_are_together_small_enough(
    calls: list[tuple[int, int, bool]],
) -> None:
    cache, used = BoundedCache[int, int](limit=10), dict[int, int]()
    for key, size, is_put in calls:
        if is_put:
            cache.put(key, size, size)
            used.pop(key, None)
            used[key] = size
            while sum(used.values()) > 10:
                used.pop(next(iter(used)))
        else:
            assert cache.get(key) == used.get(key)
            if key in used:
                used[key] = used.pop(key)


def test_a_value_above_the_limit_is_not_held() -> None:
    cache = BoundedCache[str, str](limit=3)
    cache.put("a", "A", size=4)
    assert cache.get("a") is None


def test_after_clearing_it_holds_nothing_and_has_room_again() -> None:
    cache = BoundedCache[str, str](limit=3)
    cache.put("a", "A", size=3)
    cache.clear()
    assert cache.get("a") is None
    cache.put("b", "B", size=3)
    assert cache.get("b") == "B"
