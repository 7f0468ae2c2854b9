"""Faults of Redis: emptied, stopped, killed, full."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import psutil

from betting.runtime.embedded.redis import SETTINGS
from betting.runtime.embedded.state import exclusive
from streaming.chaos.faults.base import Fault, stopped
from streaming.chaos.plan import Kind
from streaming.chaos.slow import slow
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


@contextmanager
def _slow(stage: Stage, choice: int) -> Iterator[str]:
    """Delay what passes and cut connections; those that are open are ended, so that it has all."""
    with stage.redis_client() as client, slow(stage.state.redis_socket, Random(choice)):  # noqa: S311 - repeatable chance, not a secret
        client.client_kill_filter(_type="normal", skipme=True)
        client.client_kill_filter(_type="pubsub")
        yield "Redis"


FAULTS = (
    Fault(Kind("Redis flushed", "redis", loses_messages=True), _flushed),
    Fault(Kind("Redis stopped", "redis", (6.0, 6.0), loses_messages=True), _stopped),
    Fault(Kind("Redis killed", "redis", loses_messages=True), _killed),
    Fault(Kind("Redis killed with its data", "redis", loses_messages=True), _killed_with_its_data),
    Fault(Kind("Redis full", "redis", (2.0, 5.0), leaves_letters=True), _full),
    Fault(Kind("Redis slow", "redis", (3.0, 6.0), loses_messages=True), _slow),
)
