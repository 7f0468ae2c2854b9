"""Edited arguments are checked against the task before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from streaming import tasks
from streaming.deadletters.signatures import fault_of
from valuation.tasks import recompute_markets

TASK = recompute_markets.name


@pytest.mark.parametrize(
    ("args", "kwargs", "fault"),
    [
        ([[1, 2], "batch"], {}, ""),
        ([[1]], {"trigger": "major"}, ""),
        ([[1]], {}, "missing a required argument: 'trigger'"),
        ([[1], "batch", 3], {}, "too many positional arguments"),
        ([["one"], "batch"], {}, "market_ids: Expected `int`, got `str`"),
        ([[1], "batch"], {"speed": 2}, "unexpected keyword argument 'speed'"),
    ],
)
def test_arguments_have_to_fit_the_task(
    args: list[Any], kwargs: dict[str, Any], fault: str
) -> None:
    found = fault_of(TASK, args, kwargs)
    assert fault in found
    assert bool(found) == bool(fault)


def test_a_task_that_is_not_there_is_named_with_its_nearest() -> None:
    assert fault_of("streaming.poll_providr", [], {}) == (
        "there is no task 'streaming.poll_providr'; did you mean streaming.poll_provider?"
    )
    assert not fault_of(tasks.poll_provider.name, [1], {})
