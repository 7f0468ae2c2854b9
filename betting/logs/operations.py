"""Operations, which log one line when they end, and notes, which log at once.

>>> with operation("streaming", "ingest", provider="simulated") as op:
...     op.add(markets=3, changes=40)
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from contextvars import Token
from functools import cache
from itertools import count
from types import TracebackType
from typing import Any, Self, Unpack, cast

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from structlog.stdlib import BoundLogger, ProcessorFormatter

from betting.config import get_config
from betting.log_schema import Action, Category, Facts, Status
from betting.logs import context, spans
from betting.logs.context import Context

_LEVELS: Mapping[Status, int] = {
    "ok": logging.INFO,
    "skipped": logging.INFO,
    "failed": logging.WARNING,
    "timeout": logging.WARNING,
    "degraded": logging.WARNING,
    "recovering": logging.WARNING,
}
_TOLD = "_hardline_is_logged"


class Operation:
    """Timed work; as a context manager it logs one line at its end.

    An exception that leaves the block sets the status to ``failed``, or to ``timeout`` if time ran
    out. The innermost operation logs its traceback; those around it log its name and message only.

    Attributes:
        status: the outcome; ``ok`` unless it is set.
        error: an exception that the block has handled; its traceback is logged.
    """

    __slots__ = (
        "_action",
        "_category",
        "_facts",
        "_is_silent",
        "_span",
        "_started",
        "_token",
        "error",
        "status",
    )

    def __init__(self, category: Category, action: Action, facts: Facts) -> None:
        self.status: Status = "ok"
        self.error: BaseException | None = None
        self._category = category
        self._action = action
        self._facts: dict[str, Any] = cast("dict[str, Any]", facts)
        self._is_silent = False
        self._started = 0.0
        self._token: Token[Context] | None = None
        self._span: spans.Span | None = None

    def add(self, **facts: Unpack[Facts]) -> None:
        """Set facts that were not known before."""
        self._facts.update(facts)

    def count(self, **facts: Unpack[Facts]) -> None:
        """Add to facts that are numbers."""
        for name, number in cast("dict[str, Any]", facts).items():
            self._facts[name] = self._facts.get(name, 0) + number

    def follow(self, trace_ids: Iterable[str]) -> None:
        """Assign work and messages, from here to the operation's end, to these traces."""
        context.follow(trace_ids)
        self._move(is_new=False)

    def begin_trace(self) -> None:
        """Begin a trace; work and messages, from here to the operation's end, belong to it."""
        context.follow([context.new_trace_id()])
        self._move(is_new=True)

    def _move(self, *, is_new: bool) -> None:
        if self._span is not None and context.trace_ids():
            self._span.move(context.trace_ids(), is_new=is_new)

    def silence(self) -> None:
        """Log no line unless it raises: nothing happened, or it is logged elsewhere."""
        self._is_silent = True

    def __enter__(self) -> Self:
        self._token = context.bind(context.current())
        self._span = spans.begin(f"{self._category}.{self._action}", context.trace_ids())
        self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seconds = time.perf_counter() - self._started
        level = None
        if error is not None:
            self.status, self.error, level = _status_of(error), error, logging.ERROR
        was_told = is_told(self.error)
        try:
            if level or not self._is_silent:
                facts = {**self._facts, "duration_ms": round(seconds * 1000, 3)}
                _log(self._category, self._action, self.status, facts, self.error, level)
        finally:
            if self._span is not None:
                self._span.end(self.status, self._facts, self.error, is_told=was_told)
            assert self._token is not None
            context.unbind(self._token)


def operation(category: Category, action: Action, **facts: Unpack[Facts]) -> Operation:
    """Return an operation for a ``with`` statement, whose start is its start.

    Args:
        category: the part of Hardline that logs.
        action: the action.
        **facts: the facts that are known before; `Operation.add` adds others.
    """
    return Operation(category, action, facts)


def note(
    category: Category,
    action: Action,
    words: str,
    *,
    status: Status = "ok",
    level: int | None = None,
    error: BaseException | None = None,
    **facts: Unpack[Facts],
) -> None:
    """Log something that takes no time.

    Args:
        category: the part of Hardline that logs.
        action: the action.
        words: the message for people.
        status: the outcome.
        level: the severity, if it follows neither from the status nor from an error.
        error: an exception, whose traceback is logged unless an operation has logged it.
        **facts: other fields of the line.
    """
    if level is None and error is not None:
        level = logging.ERROR
    _log(category, action, status, {"event": words, **facts}, error, level)


def is_told(error: BaseException | None) -> bool:
    """Return True if this exception's traceback has been logged already."""
    return getattr(error, _TOLD, False)


def _status_of(error: BaseException) -> Status:
    return "timeout" if isinstance(error, TimeoutError | SoftTimeLimitExceeded) else "failed"


def _log(
    category: Category,
    action: Action,
    status: Status,
    facts: Mapping[str, Any],
    error: BaseException | None,
    level: int | None,
) -> None:
    """Log one line, if its level is enabled and sampling selects it."""
    level = level or _LEVELS[status]
    logger = _logger(category)
    if not logger.isEnabledFor(level):
        return
    line: dict[str, Any] = {"category": category, "action": action, "status": status}
    every = _every().get(action, 1) if status in {"ok", "skipped"} else 1
    if every > 1:
        if next(_turns(action)) % every:
            return
        line["sample"] = every
    event = f"{action} {status}"
    if error is not None:
        line |= _described(error)
        event = f"{event}: {type(error).__name__}"
    logger.log(level, **{"event": event, **line, **facts})


def _described(error: BaseException) -> dict[str, Any]:
    """Return an exception's traceback the first time, then its name and message."""
    if is_told(error):
        return {"exception": f"{type(error).__name__}: {error}"}
    # An exception without `__dict__` cannot be marked: its traceback is logged again.
    getattr(error, "__dict__", {})[_TOLD] = True
    return {"exc_info": error}


@cache
def _logger(category: Category) -> BoundLogger:
    """Return structlog's wrapper of ``hardline.<category>``, by which levels can be set."""
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(f"hardline.{category}"),
        processors=[ProcessorFormatter.wrap_for_formatter],
        wrapper_class=BoundLogger,
        context_class=dict,
    ).bind()
    return logger


@cache
def _every() -> Mapping[str, int]:
    return get_config().log.sampling()


@cache
def _turns(_action: Action) -> count[int]:
    return count()
