"""The rendering of log records, Hardline's own and the libraries', to lines."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from betting.config import LogConfig
from betting.log_schema import Category, Status
from betting.logs import context, spans
from betting.logs.ecs import to_ecs
from streaming.core.redaction import scrub_text
from streaming.core.texts import escaped, escaped_json, escaped_lines

MAX_TEXT_CHARS = 2_000
MAX_EXCEPTION_CHARS = 8_000
"""The characters that are kept of a traceback's end.

With them a line stays within the 64 KiB pieces in which logs are copied.
"""

#: Fields that are written by us from a fixed vocabulary, so that they cannot hold a secret.
_TRUSTED = frozenset(
    {"timestamp", "level", "category", "action", "status", "logger", "task", "queue", "trace_id"}
)
_WEB_LOGGERS = (
    "django.request",
    "django.server",
    "django.security",
    "waitress",
    "tornado",
    "flower",
)


def logging_settings(config: LogConfig) -> dict[str, Any]:
    """Return the settings for `logging.config.dictConfig` and Django's ``LOGGING``."""
    out = stream()
    quiet = max(logging.WARNING, logging.getLevelNamesMapping()[config.level])
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "config": config, "is_terminal": out.isatty()}},
        "filters": {"untold": {"()": "betting.logs.messages.UntoldFailures"}},
        "handlers": {
            "out": {"class": "logging.StreamHandler", "formatter": "line", "stream": out},
        },
        "root": {"handlers": ["out"], "level": config.level},
        "loggers": {
            # Without this, Django's handlers would write each line again.
            "django": {"handlers": [], "level": "NOTSET", "propagate": True},
            "django.server": {"handlers": [], "level": "NOTSET", "propagate": True},
            # A line for each task that was received or succeeded: operations log more of it.
            "celery.worker.strategy": {"level": quiet},
            "celery.app.trace": {"level": quiet, "filters": ["untold"]},
            # A line for each request that waits for a thread.
            "waitress.queue": {"level": max(logging.ERROR, quiet)},
            # A line for each task that beat sends.
            "celery.beat": {"level": quiet},
        },
    }


def stream() -> TextIO:
    """Return standard output, or standard error for a command, whose output is its result."""
    is_command = Path(sys.argv[0]).name == "manage.py"
    return sys.stderr if is_command else sys.stdout


def formatter(config: LogConfig, *, is_terminal: bool) -> ProcessorFormatter:
    """Return the formatter that renders a record as a line.

    Args:
        config: the format.
        is_terminal: whether the output is a terminal, for ``auto``.
    """
    chosen = config.format
    if chosen == "auto":
        chosen = "console" if is_terminal else "json"
    last: dict[str, list[Processor]] = {
        "json": [to_json],
        "ecs": [to_ecs, to_json],
        "console": [spell_out, structlog.dev.ConsoleRenderer(colors=is_terminal)],
    }
    return ProcessorFormatter(
        foreign_pre_chain=[classify],
        processors=[
            complete,
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            clean,
            *last[chosen],
        ],
    )


def classify(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Give a library's record its category and a status."""
    record: logging.LogRecord = event["_record"]
    category: Category = "web" if record.name.startswith(_WEB_LOGGERS) else "system"
    status: Status = "ok"
    if record.levelno >= logging.WARNING:
        status = "degraded" if record.levelno < logging.ERROR else "failed"
    event.update(category=category, action="library", status=status)
    return event


def complete(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add every line's fields and the thread's context, in the order that people read."""
    record: logging.LogRecord = event["_record"]
    now = context.current()
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    line: dict[str, Any] = {
        "timestamp": moment.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "category": event.pop("category"),
        "action": event.pop("action"),
        "status": event.pop("status"),
        **event,
        "logger": record.name,
        "process": record.process,
    }
    if now.task:
        line |= {"task": now.task, "task_id": now.task_id, "queue": now.queue}
    trace_id = now.trace_ids[0] if now.trace_ids else spans.current_trace_id()
    if trace_id:
        line["trace_id"] = trace_id
    if len(now.trace_ids) > 1:
        line["trace_ids"] = list(now.trace_ids)
    return line


def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Remove secrets from every text, by the same rule as dead letters, and limit its length."""
    for name, value in event.items():
        if isinstance(value, str) and name not in _TRUSTED:
            event[name] = _cleaned(name, value)
    return event


def _cleaned(name: str, text: str) -> str:
    """Remove secrets from a text that is first cut roughly, to save time, and then exactly."""
    if name == "exception":
        return scrub_text(text[-4 * MAX_EXCEPTION_CHARS :])[-MAX_EXCEPTION_CHARS:]
    return scrub_text(text[: 4 * MAX_TEXT_CHARS])[:MAX_TEXT_CHARS]


def spell_out(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape characters in texts that would control the terminal."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = escaped_lines(value) if name == "exception" else escaped(value)
    return event


def to_json(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> str:
    """Return one line of JSON; values of types that JSON lacks become texts."""
    return escaped_json(msgspec.json.encode(event, enc_hook=str).decode())
