from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from betting import timing
from betting.config import known_variables, load
from betting.config.reference import value_text
from betting.config.removed import CONSTANTS, REMOVED, REPLACED, removed_settings
from betting.web.api.views.stream import StreamPolicy
from streaming.coalescing import sweep
from streaming.dead_letters import celery_hooks, payloads, replay, spool, transport
from streaming.notifications import bus, webhooks
from streaming.polling import poll

HOME = {"HARDLINE_HOME": "/srv/hardline"}
KNOWN = {variable.name for variable in known_variables()}

CONSTANTS_OF_MODULES = {
    "HARDLINE_API_STREAM_HEARTBEAT_SECONDS": StreamPolicy().heartbeat_seconds,
    "HARDLINE_API_STREAM_MAX_SECONDS": StreamPolicy().max_seconds,
    "HARDLINE_API_STREAM_OVERLAP_SECONDS": StreamPolicy().overlap_seconds,
    "HARDLINE_API_STREAM_POLL_MS": StreamPolicy().poll_seconds * 1_000,
    "HARDLINE_API_STREAM_REPLAY_SECONDS": StreamPolicy().replay_seconds,
    "HARDLINE_BUS_CONNECT_TIMEOUT_SECONDS": webhooks.CONNECT_TIMEOUT_SECONDS,
    "HARDLINE_BUS_MAX_WAITING": bus.MAX_WAITING,
    "HARDLINE_BUS_MESSAGE_EVENTS": bus.MESSAGE_EVENTS,
    "HARDLINE_BUS_ROUTE_CACHE_MS": bus.ROUTE_CACHE_SECONDS * 1_000,
    "HARDLINE_CELERY_MAX_MESSAGE_BYTES": transport.MAX_MESSAGE_BYTES,
    "HARDLINE_CELERY_SOCKET_TIMEOUT_SECONDS": timing.REDIS_TIMEOUT_SECONDS,
    "HARDLINE_CELERY_TASK_HARD_LIMIT_SECONDS": timing.TASK_HARD_LIMIT_SECONDS,
    "HARDLINE_CELERY_TASK_SOFT_LIMIT_SECONDS": timing.TASK_SOFT_LIMIT_SECONDS,
    "HARDLINE_CELERY_VISIBILITY_TIMEOUT_SECONDS": timing.VISIBILITY_TIMEOUT_SECONDS,
    "HARDLINE_DEAD_LETTERS_MAX_DELIVERIES": celery_hooks.MAX_DELIVERIES,
    "HARDLINE_DEAD_LETTERS_MAX_PAYLOAD_BYTES": payloads.MAX_PAYLOAD_BYTES,
    "HARDLINE_DEAD_LETTERS_REPLAY_PER_SECOND": replay.PER_SECOND,
    "HARDLINE_DEAD_LETTERS_REPLAY_TIMEOUT_SECONDS": replay.TIMEOUT_SECONDS,
    "HARDLINE_DEAD_LETTERS_SPOOL_BYTES": spool.MAX_BYTES,
    "HARDLINE_DEAD_LETTERS_SPOOL_LETTERS": spool.MAX_LETTERS,
    "HARDLINE_DEAD_LETTERS_STORE_SECONDS": 5.0,  # in the schedule of beat
    "HARDLINE_POLL_JITTER_FRACTION": poll.JITTER_FRACTION,
    "HARDLINE_POLL_TICK_SECONDS": timing.TICK_SECONDS,
    "HARDLINE_SWEEP_INTERVAL_SECONDS": timing.SWEEP_SECONDS,
    "HARDLINE_SWEEP_MAX_MARKETS": sweep.MAX_MARKETS,
}


def constants_of(tree: Any, prefix: str = "HARDLINE_") -> Iterator[tuple[str, object]]:
    """Yield the fields of a tree that no variable sets, under the names of such variables."""
    for field in dataclasses.fields(tree):
        value, name = getattr(tree, field.name), f"{prefix}{field.name.upper()}"
        if dataclasses.is_dataclass(value):
            yield from constants_of(value, f"{name}_")
        elif name not in KNOWN | {"HARDLINE_DATABASE_URL", "HARDLINE_REDIS_URL"}:
            yield name, value


def test_a_removed_setting_is_named_and_is_no_error() -> None:
    environ = HOME | {
        "HARDLINE_CELERY_VISIBILITY_TIMEOUT_SECONDS": "60",
        "HARDLINE_RETENTION_POLL_RUN_DAYS": "3",
        "HARDLINE_SUPPRESSION_WINDOW": " ",
    }

    assert load(environ) == load(HOME)
    constant, replaced = removed_settings(environ)
    assert constant == (
        "HARDLINE_CELERY_VISIBILITY_TIMEOUT_SECONDS was removed in 0.3.0 and has no effect:"
        " the value is now 25 s."
    )
    assert replaced == (
        "HARDLINE_RETENTION_POLL_RUN_DAYS was removed in 0.3.0 and has no effect:"
        " use HARDLINE_RETENTION_OPERATIONS_DAYS."
    )


def test_nothing_is_said_of_settings_that_exist() -> None:
    assert removed_settings(HOME | {"HARDLINE_WEB_PORT": "8001"}) == []
    assert REMOVED.isdisjoint(KNOWN)
    assert {*KNOWN, "SENTRY_RELEASE"}.issuperset(REPLACED.values())


def test_each_is_removed_for_one_reason() -> None:
    assert CONSTANTS.keys().isdisjoint(REPLACED)


@pytest.mark.parametrize("name", CONSTANTS)
def test_the_value_that_is_named_is_the_value_that_holds(name: str) -> None:
    values = {**dict(constants_of(load(HOME))), **CONSTANTS_OF_MODULES}
    said = [float(number) for number in CONSTANTS[name].split()[0].split(",")]

    assert [float(number) for number in value_text(values[name]).split(",")] == said
