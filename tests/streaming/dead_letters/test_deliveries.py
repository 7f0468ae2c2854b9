"""A message that kills whatever runs it is stopped after so many deliveries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from betting.config import get_config
from streaming.dead_letters import deliveries
from streaming.dead_letters.deliveries import DeliveriesExhaustedError, begin_again, end

LIMIT = 3

pytestmark = pytest.mark.usefixtures("redis")


@pytest.fixture(autouse=True)
def _limit(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = replace(get_config().dead_letters, max_deliveries=LIMIT)
    config = replace(get_config(), dead_letters=limits)
    monkeypatch.setattr(deliveries, "get_config", lambda: config)


def test_it_runs_as_often_as_is_allowed_and_not_once_more() -> None:
    for _ in range(LIMIT - 1):  # the first delivery is not counted
        begin_again("t", 0)
    with pytest.raises(DeliveriesExhaustedError, match="3 times"):
        begin_again("t", 0)


def test_another_try_and_another_message_are_counted_for_themselves() -> None:
    for task_id, retries in (("t", 0), ("t", 1), ("u", 0)) * (LIMIT - 1):
        begin_again(task_id, retries)


def test_a_message_that_came_to_its_end_starts_afresh(redis: Redis) -> None:
    for _ in range(3 * LIMIT):
        begin_again("t", 0)
        end("t", 0)
    assert redis.keys("hardline:deliveries:*") == []


def test_while_redis_is_away_the_task_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise RedisConnectionError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Redis, "execute_command", refuse)
        patch.setattr("redis.client.Pipeline.execute", refuse)
        for _ in range(2 * LIMIT):
            begin_again("t", 0)
        end("t", 0)
