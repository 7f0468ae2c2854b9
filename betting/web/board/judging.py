"""Judging rows a few at a time: to judge one costs a hundred times as much as to read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.db.models import QuerySet

JUDGED_AT_ONCE = 75

T = TypeVar("T")


def first_standing(
    best_first: QuerySet[Any], judged: Callable[[Sequence[int]], Mapping[int, T]], enough: int
) -> dict[int, T]:
    """Return the first rows that still stand, by id, in their order.

    Args:
        best_first: the rows by what is stored of them, in order.
        judged: returns those of some rows that stand, by id.
        enough: how many to return at most.
    """
    ids = list(best_first.values_list("pk", flat=True))
    found: dict[int, T] = {}
    for start in range(0, len(ids), JUDGED_AT_ONCE):
        some = ids[start : start + JUDGED_AT_ONCE]
        standing = judged(some)
        found |= {pk: standing[pk] for pk in some if pk in standing}
        if len(found) >= enough:
            break
    return dict(islice(found.items(), enough))
