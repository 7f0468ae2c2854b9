from __future__ import annotations

import threading
from typing import Any

import pytest
from redis import Redis

from betting.config import get_config
from betting.runtime.embedded import redis_url
from streaming.chaos.faults import FAULTS
from streaming.chaos.faults.base import repeating
from tests.integration.conftest import wait_until

pytestmark = pytest.mark.usefixtures("redis")


class Stage:
    """The part of a stage that faults of messages use."""

    def redis_client(self) -> Redis:
        return Redis.from_url(redis_url(get_config()))


def test_a_message_that_waits_is_there_three_times_and_no_more() -> None:
    stage: Any = Stage()
    with stage.redis_client() as client, FAULTS["messages doubled"].strike(stage, 0):
        client.lpush("poll", "a", "b")
        wait_until(lambda: client.llen("poll") == 6, "copies")
        client.lpush("poll", "c")
        wait_until(lambda: client.llen("poll") == 9, "copies of the third")
        assert sorted(client.lrange("poll", 0, -1)) == [b"a"] * 3 + [b"b"] * 3 + [b"c"] * 3


def test_a_fault_whose_action_fails_says_so_at_its_end() -> None:
    was_called = threading.Event()

    def fail() -> None:
        was_called.set()
        raise LookupError

    with pytest.raises(LookupError), repeating(fail, 0.01):
        assert was_called.wait(10)
