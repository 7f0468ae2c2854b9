"""A cache bounded by the size of what it holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values by key, each of a size; the least recently used go first. Threads may share it.

    >>> cache = BoundedCache[str, str](limit=3)
    >>> cache.put("a", "A", size=1)
    >>> cache.put("b", "B", size=2)
    >>> cache.get("a"), cache.put("c", "C", size=2), cache.get("b")
    ('A', None, None)

    Args:
        limit: the largest sum of sizes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        """Return the value of a key; None if there is none."""
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            self._held.move_to_end(key)
            return held[0]

    def put(self, key: K, value: V, size: int) -> None:
        """Hold a value, instead of the key's earlier one; one above the limit is not held."""
        with self._lock:
            _, before = self._held.pop(key, (None, 0))
            self._held[key] = (value, size)
            self._size += size - before
            while self._size > self._limit:
                _, (_, freed) = self._held.popitem(last=False)
                self._size -= freed

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held.clear()
            self._size = 0
