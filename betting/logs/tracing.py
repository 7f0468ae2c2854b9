"""Export of spans by OpenTelemetry: those of operations, tasks, messages, requests and statements.

Imported by `betting.logs.spans` where a standard variable asks for it, because it needs the
libraries of requirements-tracing.txt.

A trace of the logs is a trace of OpenTelemetry, under the same id. Messages carry the position in
it by the standard header; the coalescing buffer carries ids of traces alone. So the id of a trace's
root span follows from the id of the trace, and any process that knows a trace can continue it: see
`root_of`.

Nothing here waits for the collector. A thread of the SDK sends spans from a bounded queue.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from celery.signals import worker_process_shutdown
from django.db import connection
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)
from opentelemetry.util.types import Attributes

from betting.logs.context import is_trace_id
from streaming.core.redaction import BLANK, is_secret, scrub_text

SHUTDOWN_SECONDS = 2.0
"""The longest time that a process waits at its end for its last spans to be sent."""

LAST_TRY_SECONDS = 1.0
"""A collector that does not answer for so long has no part in a process's end."""

MAX_TEXT_CHARS = 4_000
"""The characters that are kept of a text, such as a statement; of a traceback its last ones."""

EXCLUDED_URLS = "^https?://[^/]*/(health/|metrics$|static/)"
"""The requests that have no span: probes come every few seconds."""

_PREFIX = "hardline"
_ALONE = "hardline.is_outside_of_any_work"
_WORD = re.compile("[A-Za-z]+")
_planned: ContextVar[tuple[int, int] | None] = ContextVar("hardline_planned_ids", default=None)


class PlannedIds(IdGenerator):
    """A generator of random ids, except for the root of a trace that has its id already."""

    def generate_trace_id(self) -> int:
        """Return the planned id of a trace, or a random one."""
        planned = _planned.get()
        return secrets.randbits(128) or 1 if planned is None else planned[0]

    def generate_span_id(self) -> int:
        """Return the planned id of a span, or a random one."""
        planned = _planned.get()
        return secrets.randbits(64) or 1 if planned is None else planned[1]

    def is_trace_id_random(self) -> bool:
        """Return True: samplers may decide by the id."""
        return True


def root_of(trace_id: str) -> tuple[int, int]:
    """Return the ids of a trace and of its root span, which is the first half of it.

    >>> root_of("000000000000000b0000000000000001")
    (202914184810805067777, 11)
    """
    return int(trace_id, 16), int(trace_id[:16], 16) or 1


class OtelTracer:
    """The source of a process's spans.

    Args:
        provider: the SDK's, with a generator of `PlannedIds`.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self.tracer = provider.get_tracer(_PREFIX)

    def begin(self, name: str, trace_ids: tuple[str, ...]) -> OperationSpan:
        """Begin the span of an operation in the first of these traces, or in the current one."""
        return OperationSpan(self, name, trace_ids)

    @contextmanager
    def statement(self, text: str) -> Iterator[None]:
        """Make a span around a statement of SQL, without its parameters."""
        attributes: dict[str, Any] = {
            "db.system": "postgresql",
            "db.name": str(connection.settings_dict["NAME"]),
            "db.statement": text,
        }
        word = _WORD.search(text)
        name = word[0] if word else "SQL"
        with self.tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes):
            yield

    def current_trace_id(self) -> str:
        """Return the id of the trace that this thread is in; empty outside of any."""
        here = trace.get_current_span().get_span_context()
        return trace.format_trace_id(here.trace_id) if here.is_valid else ""

    def root(self, trace_id: str) -> SpanContext:
        """Return the root span of a trace that may have begun in another process."""
        ids = root_of(trace_id)
        # The decision that was taken at the root, taken again: it depends on the id alone.
        decision = self._provider.sampler.should_sample(Context(), ids[0], "").decision
        is_sampled = decision is Decision.RECORD_AND_SAMPLE
        sampled = TraceFlags.SAMPLED if is_sampled else TraceFlags.DEFAULT
        flags = TraceFlags(sampled | TraceFlags.RANDOM_TRACE_ID)
        return SpanContext(*ids, is_remote=True, trace_flags=flags)


class OperationSpan:
    """The span of an operation, and this thread's current one until it ends.

    Args:
        source: where it comes from.
        name: the operation's.
        trace_ids: the traces that the operation belongs to, newest first.
    """

    def __init__(self, source: OtelTracer, name: str, trace_ids: tuple[str, ...]) -> None:
        self._source = source
        self._name = name
        self._started_ns = time.time_ns()
        self._around = otel_context.get_current()
        self._open(trace_ids, is_new=False)

    def move(self, trace_ids: tuple[str, ...], *, is_new: bool) -> None:
        """Move to the first of these traces, as its root if it is new, with links to the others.

        A span cannot change its trace. The one until now is never ended, so it is not exported.
        """
        otel_context.detach(self._token)
        self._open(trace_ids, is_new=is_new)

    def end(
        self,
        status: str,
        facts: Mapping[str, Any],
        error: BaseException | None,
        *,
        is_told: bool,
    ) -> None:
        """End it with its outcome, and the traceback of an error that no other span records."""
        span = self._span
        if span.is_recording():
            span.set_attribute(f"{_PREFIX}.status", status)
            for name, value in facts.items():
                if isinstance(value, str | int | float):
                    span.set_attribute(f"{_PREFIX}.{name}", value)
            if error is not None:
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
                if not is_told:
                    span.record_exception(error)
            span.end()
        otel_context.detach(self._token)

    def _open(self, trace_ids: tuple[str, ...], *, is_new: bool) -> None:
        around = trace.get_current_span(self._around).get_span_context()
        newest, *others = [each for each in trace_ids if is_trace_id(each)] or [""]
        parent, planned = self._around, None
        links = [Link(self._source.root(each)) for each in others]
        if newest and (is_new or trace.format_trace_id(around.trace_id) != newest):
            root = self._source.root(newest)
            # An empty context makes it a root; the ids are those that others will derive.
            parent = Context() if is_new else trace.set_span_in_context(NonRecordingSpan(root))
            planned = root_of(newest) if is_new else None
            if around.is_valid:
                links.append(Link(around))
        token = _planned.set(planned)
        try:
            self._span = self._source.tracer.start_span(
                self._name, parent, links=links, start_time=self._started_ns
            )
        finally:
            _planned.reset(token)
        around_it = trace.set_span_in_context(self._span, self._around)
        self._token = otel_context.attach(around_it)


class OwnProcessor(SpanProcessor):
    """A processor that hands spans to a batch of its process, made with the first one that ends.

    A pool's parent makes none as long as it ends none: to fork beside a thread that is sending
    would leave its locks taken in the child.
    """

    _batch: BatchSpanProcessor | None
    _exporter: CleanExporter
    _is_shut_down: bool

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Mark a statement outside of any work, and what is made within it."""
        around = trace.get_current_span(parent_context)
        is_first = span.parent is None and span.kind is SpanKind.CLIENT
        if is_first or (isinstance(around, ReadableSpan) and _is_alone(around)):
            span.set_attribute(_ALONE, value=True)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span until it is sent, unless it tells of no work: a start makes many."""
        if _is_alone(span):
            return
        with self._lock:
            if self._batch is None and not self._is_shut_down:
                self._exporter = CleanExporter()
                self._batch = BatchSpanProcessor(self._exporter)
        if self._batch is not None and not self._is_shut_down:
            self._batch.on_end(span)

    def shutdown(self) -> None:
        """Send what is left, unless nobody takes it; spans that end later are dropped."""
        self._is_shut_down = True
        if self._batch is not None and self._exporter.hurry():
            self._batch.shutdown()  # type: ignore[no-untyped-call]

    def _forget(self) -> None:
        """Begin without what the parent process had: it sends that itself."""
        self._lock = threading.Lock()
        self._batch = None
        self._is_shut_down = False


class CleanExporter(SpanExporter):
    """An exporter of spans without secrets, to the endpoint that the standard variables name.

    The SDK's tries again for 10 s, and a full queue is four requests: nobody may wait for that at
    the end of a process. So a process that ends makes one short try, if any.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._exporter = OTLPSpanExporter()
        self._last: OTLPSpanExporter | None = None
        self._asked_at: float | None = None
        self._has_given_up = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; those of a request that the end has cut short are sent once more."""
        self._asked_at = self._clock()
        clean = [cleaned(span) for span in spans]
        try:
            result = SpanExportResult.FAILURE
            if self._last is None:
                result = self._exporter.export(clean)
            if result is SpanExportResult.FAILURE and self._last and not self._has_given_up:
                result = self._last.export(clean)
                self._has_given_up = result is SpanExportResult.FAILURE
        finally:
            self._asked_at = None
        return result

    def hurry(self) -> bool:
        """Have one short try made for each request from now on, until one fails.

        Returns:
            Whether to wait for it: False while a request is without an answer for so long already.
        """
        asked_at = self._asked_at
        if asked_at is not None and self._clock() - asked_at > LAST_TRY_SECONDS:
            return False
        # Shorter than its first wait between two tries, so that there is no second one.
        self._last = OTLPSpanExporter(timeout=LAST_TRY_SECONDS / 2)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]
        return True

    def shutdown(self) -> None:
        """End; a retry that is under way ends too."""
        (self._last or self._exporter).shutdown()  # type: ignore[no-untyped-call]


def _is_alone(span: ReadableSpan) -> bool:
    return _ALONE in (span.attributes or {})


class OnceAMinute(logging.Filter):
    """A filter that passes one record a minute: while a collector is away, each try logs some."""

    def __init__(self) -> None:
        super().__init__()
        self._next_at = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False within a minute of the last record that was passed."""
        if record.created < self._next_at:
            return False
        self._next_at = record.created + 60.0
        return True


def cleaned(span: ReadableSpan) -> ReadableSpan:
    """Return a span whose texts have lost their secrets, by the rule of the logs."""
    return ReadableSpan(
        name=_clean(span.name),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_without_secrets(span.attributes),
        events=[
            Event(event.name, _without_secrets(event.attributes), event.timestamp)
            for event in span.events
        ],
        links=span.links,
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=Status(span.status.status_code, _clean(span.status.description or "") or None),
        start_time=span.start_time,
        end_time=span.end_time,
    )


def _without_secrets(attributes: Attributes) -> dict[str, Any]:
    return {name: _clean_value(name, value) for name, value in (attributes or {}).items()}


def _clean_value(name: str, value: Any) -> Any:
    if is_secret(name):
        return BLANK
    if name == "exception.stacktrace":
        return scrub_text(str(value)[-2 * MAX_TEXT_CHARS :])[-MAX_TEXT_CHARS:]
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Sequence):
        return [_clean(item) if isinstance(item, str) else item for item in value]
    return value


@lru_cache(maxsize=1024)
def _clean(text: str) -> str:
    """Return a text without its secrets; statements and names repeat."""
    return scrub_text(text[: 2 * MAX_TEXT_CHARS])[:MAX_TEXT_CHARS]


def start() -> OtelTracer:
    """Export this process's spans, and those of the processes that it forks."""
    provider = TracerProvider(
        resource=_resource(), id_generator=PlannedIds(), shutdown_on_exit=False
    )
    provider.add_span_processor(OwnProcessor())
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(OnceAMinute())
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]
    # Parameters of statements are values of rows, a password's hash among them.
    PsycopgInstrumentor().instrument(capture_parameters=False, enable_commenter=False)
    DjangoInstrumentor().instrument(
        excluded_urls=os.environ.get("OTEL_PYTHON_DJANGO_EXCLUDED_URLS") or EXCLUDED_URLS
    )

    def end(**_: object) -> None:
        # The SDK's own wait is 30 s, which no process may take to end.
        _in_time(provider.shutdown)

    atexit.register(end)
    # A pool's process ends without what `atexit` has.
    worker_process_shutdown.connect(end, weak=False, dispatch_uid="betting.logs.tracing")
    return OtelTracer(provider)


def _in_time(shut_down: Callable[[], None]) -> None:
    ending = threading.Thread(target=shut_down, name="last spans", daemon=True)
    ending.start()
    ending.join(SHUTDOWN_SECONDS)


def _resource() -> Resource:
    """Return what the standard variables say of this process; without a name it is Hardline."""
    named = OTELResourceDetector().detect().attributes
    return Resource.create({"service.name": "hardline", **named})
