from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from redis import Redis

from betting.logs import operation
from betting.logs.messages import TRACES_HEADER, UntoldFailures
from streaming.tasks import coalesce_line_changes

TRACE = "a" * 32


def headers_sent(redis: Redis) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(redis.lpop("coalesce"))  # type: ignore[arg-type]  # as it is never awaitable here
    headers: dict[str, Any] = message["headers"]
    return headers


def test_a_message_carries_the_traces_that_it_is_sent_in(redis: Redis) -> None:
    with operation("streaming", "cycle") as op:
        op.follow([TRACE])
        coalesce_line_changes.delay(0)
    assert headers_sent(redis)[TRACES_HEADER] == [TRACE]


def test_a_message_sent_outside_a_trace_carries_none(redis: Redis) -> None:
    coalesce_line_changes.delay(0)
    assert TRACES_HEADER not in headers_sent(redis)


@pytest.mark.parametrize("is_told", [True, False])
def test_celery_tells_of_a_failure_what_no_operation_has_told(*, is_told: bool) -> None:
    error = ValueError("no such price")
    if is_told:
        with pytest.raises(ValueError, match="price"), operation("streaming", "ingest"):
            raise error
    try:
        raise error
    except ValueError:
        exc_info = sys.exc_info()
    record = logging.LogRecord("celery.app.trace", logging.ERROR, "t.py", 1, "raised", (), exc_info)
    assert UntoldFailures().filter(record) is not is_told
