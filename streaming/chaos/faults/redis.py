"""Faults of Redis: emptied, stopped, killed, full."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from betting.runtime.embedded.redis import SETTINGS
from betting.runtime.embedded.state import exclusive
from streaming.chaos.faults.base import Fault, stopped
from streaming.chaos.plan import Kind
from streaming.chaos.stage import ANSWER_SECONDS, Stage, kill

_DATA = "appendonlydir"


@contextmanager
def _flushed(stage: Stage, _choice: int) -> Iterator[str]:
    with stage.redis_client() as client:
        client.flushall()
    yield "Redis"


@contextmanager
def _stopped(stage: Stage, _choice: int) -> Iterator[str]:
    with stopped(stage.redis()):
        yield "Redis"


@contextmanager
def _killed(stage: Stage, _choice: int) -> Iterator[str]:
    kill(stage.redis())
    yield "Redis"


@contextmanager
def _killed_with_its_data(stage: Stage, _choice: int) -> Iterator[str]:
    with exclusive(stage.state):  # nothing starts it again in between
        servers = stage.redis()
        kill(servers)
        psutil.wait_procs(servers, timeout=ANSWER_SECONDS)
        shutil.rmtree(stage.state.redis_data / _DATA, ignore_errors=True)
    yield "Redis"


@contextmanager
def _full(stage: Stage, _choice: int) -> Iterator[str]:
    with stage.redis_client() as client:
        client.config_set("maxmemory", "1")
        try:
            yield "Redis"
        finally:
            client.config_set("maxmemory", SETTINGS["maxmemory"])


FAULTS = (
    Fault(Kind("Redis flushed", "redis"), _flushed),
    Fault(Kind("Redis stopped", "redis", (6.0, 6.0)), _stopped),
    Fault(Kind("Redis killed", "redis"), _killed),
    Fault(Kind("Redis killed with its data", "redis"), _killed_with_its_data),
    Fault(Kind("Redis full", "redis", (2.0, 5.0), leaves_letters=True), _full),
)
