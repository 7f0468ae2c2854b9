"""Spans of OpenTelemetry, where a process exports them: docs/tracing.md.

This module knows the standard variables and nothing of the libraries. `betting.logs.tracing`, which
does, is imported in a process that exports. In all others a span costs a comparison with None.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, Protocol

logger = logging.getLogger(__name__)

REQUIREMENTS = "requirements-tracing.txt"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER, _PROTOCOL = "otlp", "http/protobuf"


class Span(Protocol):
    """The span of an operation, from its beginning on."""

    def move(self, trace_ids: tuple[str, ...], *, is_new: bool) -> None:
        """Move to the first of these traces, as its root if it is new, with links to the others."""

    def end(
        self,
        status: str,
        facts: Mapping[str, Any],
        error: BaseException | None,
        *,
        is_told: bool,
    ) -> None:
        """End it with its outcome, and the traceback of an error that no other span records."""


class Tracer(Protocol):
    """The source of a process's spans."""

    def begin(self, name: str, trace_ids: tuple[str, ...]) -> Span:
        """Begin the span of an operation in the first of these traces, or in the current one."""

    def statement(self, text: str) -> AbstractContextManager[object]:
        """Return a span around a statement of SQL, without its parameters."""

    def current_trace_id(self) -> str:
        """Return the id of the trace that this thread is in; empty outside of any."""


_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """Take the spans of this process from a tracer; None for no spans."""
    global _tracer  # noqa: PLW0603 - one a process, and read at every operation
    _tracer = tracer


def begin(name: str, trace_ids: tuple[str, ...]) -> Span | None:
    """Begin the span of an operation; return None if spans are not exported."""
    return None if _tracer is None else _tracer.begin(name, trace_ids)


def statement(text: str) -> AbstractContextManager[object]:
    """Return a span around a statement of SQL; without export it does nothing."""
    return nullcontext() if _tracer is None else _tracer.statement(text)


def current_trace_id() -> str:
    """Return the id of this thread's span's trace; empty without export, or outside of any span."""
    return "" if _tracer is None else _tracer.current_trace_id()


def start(environ: Mapping[str, str]) -> None:
    """Start exporting this process's spans if the standard variables want it.

    What keeps it from doing so is logged in one line; the process goes on without.
    """
    if not is_wanted(environ):
        return
    problem = unsupported(environ)
    if problem:
        logger.warning(problem)
        return
    try:
        tracing = import_module("betting.logs.tracing")
    except ModuleNotFoundError as error:
        logger.warning(
            "Traces are not exported: %s is not installed."
            " Install %s, or unset the OTEL_ variables.",
            error.name,
            REQUIREMENTS,
        )
        return
    install(tracing.start())


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Return True if the standard variables name an exporter of traces, or an endpoint for one.

    >>> is_wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
    True
    >>> is_wanted({"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_SERVICE_NAME": "hardline"})
    False
    >>> is_wanted({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"})
    False
    """
    if _value(environ, "OTEL_SDK_DISABLED") == "true":
        return False
    exporter = _value(environ, "OTEL_TRACES_EXPORTER")
    if exporter:
        return exporter != "none"
    return any(_value(environ, name) for name in ENDPOINTS)


def unsupported(environ: Mapping[str, str]) -> str:
    """Return why the variables cannot be followed; empty if they can.

    >>> unsupported({"OTEL_TRACES_EXPORTER": "otlp"})
    ''
    >>> unsupported({"OTEL_TRACES_EXPORTER": "zipkin"})
    'Traces are not exported: OTEL_TRACES_EXPORTER=zipkin is not supported. Set it to otlp.'
    """
    exporter = _value(environ, "OTEL_TRACES_EXPORTER") or _EXPORTER
    if exporter != _EXPORTER:
        return (
            f"Traces are not exported: OTEL_TRACES_EXPORTER={exporter} is not supported."
            f" Set it to {_EXPORTER}."
        )
    name = next((name for name in PROTOCOLS if _value(environ, name)), "")
    if name and _value(environ, name) != _PROTOCOL:
        return (
            f"Traces are not exported: {name}={_value(environ, name)} is not supported."
            f" Set it to {_PROTOCOL}, which a collector serves on port 4318."
        )
    return ""


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip().lower()
