"""Edited arguments are checked against the task before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from streaming import tasks
from streaming.dead_letters.signatures import fault_of
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


@pytest.mark.parametrize("task", sorted(settings.CELERY_TASK_ROUTES))
def test_the_arguments_of_every_task_can_be_checked(task: str) -> None:
    assert task in fault_of(task, [], {"no_such_argument": 1})


def test_the_arguments_of_letters_fit_their_tasks() -> None:
    assert not fault_of("streaming.deliver", ["webhook:desk", "an id", [{"type": "x"}]], {})
    assert "events: Expected `array`" in fault_of(
        "streaming.deliver", ["webhook:desk", "id", 5], {}
    )
    answer = {
        "provider": "a", "path": "/odds", "params": {}, "status": 200, "content_type": "",
        "received_at": "2026-03-01T12:00:00Z", "packed": "",
    }  # fmt: skip
    assert not fault_of("streaming.replay_payload", [], answer)
    assert "status: Expected `int`" in fault_of(
        "streaming.replay_payload", [], {**answer, "status": "good"}
    )


def test_a_task_that_is_not_there_is_named_with_its_nearest() -> None:
    assert fault_of("streaming.poll_providr", [], {}) == (
        "there is no task 'streaming.poll_providr'; did you mean streaming.poll_provider?"
    )
    assert not fault_of(tasks.poll_provider.name, [1], {})
