"""Log lines under the names of the Elastic Common Schema, for searching them there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from structlog.typing import EventDict, WrappedLogger

ECS_VERSION = "8.11.0"

NAMES: Mapping[str, str] = {
    "timestamp": "@timestamp",
    "level": "log.level",
    "event": "message",
    "logger": "log.logger",
    "process": "process.pid",
    "category": "event.category",
    "action": "event.action",
    "status": "event.outcome",
    "reason": "event.reason",
    "code": "error.code",
    "trace_id": "trace.id",
    "exception": "error.stack_trace",
    "http_status": "http.response.status_code",
    "bytes": "http.response.body.bytes",
}
"""Our name → ECS's name. ECS's duration is in nanoseconds; other fields go below ``hardline.``."""

_OUTCOMES = {"ok": "success", "recovering": "success", "failed": "failure", "timeout": "failure"}


def to_ecs(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Rename a line's fields. Those without a name in ECS, such as the exact status, are kept.

    >>> line = to_ecs(None, "", {"status": "timeout", "duration_ms": 1.5, "markets": 3})
    >>> line["event.outcome"], line["event.duration"], line["hardline.markets"]
    ('failure', 1500000, 3)
    """
    line: dict[str, Any] = {"ecs.version": ECS_VERSION}
    for name, value in event.items():
        line[NAMES.get(name, f"hardline.{name}")] = value
    if "status" in event:
        line["event.outcome"] = _OUTCOMES.get(event["status"], "unknown")
        line["hardline.status"] = event["status"]
    if "duration_ms" in event:
        line["event.duration"] = round(line.pop("hardline.duration_ms") * 1_000_000)
    return line
