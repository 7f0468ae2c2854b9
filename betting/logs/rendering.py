"""From records, Hardline's own and the libraries', to lines: every one takes the same way."""

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
from betting.logs import context
from betting.logs.ecs import to_ecs
from streaming.core.letters import scrub_text
from streaming.core.texts import escaped, escaped_json, escaped_lines

MAX_TEXT_CHARS = 2_000
MAX_EXCEPTION_CHARS = 8_000
"""Of a traceback, its end. With it a line stays within the 64 KiB that logs are copied in."""

#: Written by us, out of a fixed vocabulary: what nobody can have put a secret into.
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
    """The standard library's logging, as `logging.config.dictConfig` and Django take it."""
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
            # Django's own would write beside ours.
            "django": {"handlers": [], "level": "NOTSET", "propagate": True},
            "django.server": {"handlers": [], "level": "NOTSET", "propagate": True},
            # A line for each task that was received, and that succeeded: operations say more.
            "celery.worker.strategy": {"level": quiet},
            "celery.app.trace": {"level": quiet, "filters": ["untold"]},
            # A line for each request that waits for a thread.
            "waitress.queue": {"level": max(logging.ERROR, quiet)},
            # A line for each task that beat sends.
            "celery.beat": {"level": quiet},
        },
    }


def stream() -> TextIO:
    """Standard output; of a command standard error, for its standard output is its answer."""
    is_command = Path(sys.argv[0]).name == "manage.py"
    return sys.stderr if is_command else sys.stdout


def formatter(config: LogConfig, *, is_terminal: bool) -> ProcessorFormatter:
    """What turns a record into its line.

    Args:
        config: the format, and whether names are Elastic Common Schema's.
        is_terminal: whether people watch, for ``auto``.
    """
    is_json = config.format == "json" or (config.format == "auto" and not is_terminal)
    last: list[Processor] = [spell_out, structlog.dev.ConsoleRenderer(colors=is_terminal)]
    if is_json:
        last = [to_ecs, to_json] if config.ecs else [to_json]
    return ProcessorFormatter(
        foreign_pre_chain=[classify],
        processors=[
            complete,
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            clean,
            *last,
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
    """Add what every line has, and what the thread is at, in the order that people read."""
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
    if now.trace_ids:
        line["trace_id"] = now.trace_ids[0]
    if len(now.trace_ids) > 1:
        line["trace_ids"] = list(now.trace_ids)
    return line


def clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Take secrets out of every text, by the rule that dead letters keep, and bound its length."""
    for name, value in event.items():
        if isinstance(value, str) and name not in _TRUSTED:
            event[name] = _cleaned(name, value)
    return event


def _cleaned(name: str, text: str) -> str:
    """Cut roughly before the rule is applied, for its cost, and exactly after it."""
    if name == "exception":
        return scrub_text(text[-4 * MAX_EXCEPTION_CHARS :])[-MAX_EXCEPTION_CHARS:]
    return scrub_text(text[: 4 * MAX_TEXT_CHARS])[:MAX_TEXT_CHARS]


def spell_out(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Let no text steer the terminal that it is shown on."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = escaped_lines(value) if name == "exception" else escaped(value)
    return event


def to_json(_logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]) -> str:
    """One line of JSON; what JSON does not know is told as text."""
    return escaped_json(msgspec.json.encode(event, enc_hook=str).decode())
