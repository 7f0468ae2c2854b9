from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betting.logs import context, operation, spans
from tests.support.collector import NEEDED, running_collector
from tests.support.tcp_servers import free_port

pytest.importorskip("opentelemetry.sdk.trace", reason=NEEDED)
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason=NEEDED)

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    ParentBasedTraceIdRatio,
    Sampler,
)

from betting.logs.tracing import (
    LAST_TRY_SECONDS,
    MAX_TEXT_CHARS,
    CleanExporter,
    OtelTracer,
    PlannedIds,
    cleaned,
    root_of,
)

TRACE, OTHER = "a" * 32, "b" * 32
SECRET = "5ecre7c0ffee5ecre7c0ffee"

Ended = Callable[[], list[ReadableSpan]]


def exported(sampler: Sampler) -> Iterator[Ended]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, id_generator=PlannedIds(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.install(OtelTracer(provider))
    yield lambda: list(exporter.get_finished_spans())
    spans.install(None)
    provider.shutdown()


@pytest.fixture
def ended() -> Iterator[Ended]:
    yield from exported(ALWAYS_ON)


@pytest.fixture
def half() -> Iterator[Ended]:
    yield from exported(ParentBasedTraceIdRatio(0.5))


def trace_id_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return trace.format_trace_id(span.context.trace_id)


def span_id_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return trace.format_span_id(span.context.span_id)


def parent_of(span: ReadableSpan) -> str:
    return "" if span.parent is None else trace.format_span_id(span.parent.span_id)


def linked(span: ReadableSpan) -> list[str]:
    return [trace.format_trace_id(link.context.trace_id) for link in span.links]


@given(st.integers(1, 2**128 - 1).map("{:032x}".format))
def test_the_ids_of_a_root_follow_from_its_trace_and_are_valid(trace_id: str) -> None:
    number, span_id = root_of(trace_id)
    assert trace.format_trace_id(number) == trace_id
    assert trace.SpanContext(number, span_id, is_remote=True).is_valid


def test_a_new_trace_has_its_root_under_the_id_of_the_logs(ended: Ended) -> None:
    with operation("streaming", "cycle") as op:
        op.begin_trace()
        (trace_id,) = context.trace_ids()
        with operation("streaming", "ingest"):
            pass
    ingest, cycle = ended()
    assert {trace_id_of(ingest), trace_id_of(cycle)} == {trace_id}
    assert (span_id_of(cycle), parent_of(cycle)) == (trace_id[:16], "")
    assert parent_of(ingest) == span_id_of(cycle)
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_work_that_knows_ids_alone_continues_at_the_root_and_is_linked_to_the_others(
    ended: Ended,
) -> None:
    with operation("streaming", "batch_flush") as op:
        op.follow([TRACE, OTHER, "0" * 32])
        with operation("streaming", "send"):
            pass
    send, flush = ended()
    assert {trace_id_of(send), trace_id_of(flush)} == {TRACE}
    assert (parent_of(flush), linked(flush)) == (TRACE[:16], [OTHER])
    assert parent_of(send) == span_id_of(flush)


def test_an_operation_of_a_message_without_a_span_is_in_the_trace_of_the_logs(ended: Ended) -> None:
    # A publisher that exports no traces, such as a process of the release before.
    token = context.bind(context.Context(trace_ids=(TRACE,)))
    with operation("valuation", "recompute"):
        pass
    context.unbind(token)
    (recompute,) = ended()
    assert (trace_id_of(recompute), parent_of(recompute)) == (TRACE, TRACE[:16])


def test_a_trace_is_exported_whole_or_not_at_all_wherever_it_is_continued(half: Ended) -> None:
    ids: list[str] = []
    for _ in range(200):
        with operation("streaming", "cycle") as op:
            op.begin_trace()
            ids += context.trace_ids()
    begun = {trace_id_of(span) for span in half()}
    assert 0 < len(begun) < len(ids)
    for trace_id in ids:
        with operation("streaming", "batch_flush") as op:
            op.follow([trace_id])
    flushed = {trace_id_of(span) for span in half() if span.name == "streaming.batch_flush"}
    assert flushed == begun


def test_an_exception_is_recorded_by_the_innermost_and_fails_all(ended: Ended) -> None:
    with (
        pytest.raises(ValueError, match="no such price"),
        operation("streaming", "cycle"),
        operation("streaming", "ingest", markets=3),
    ):
        raise ValueError("no such price")
    ingest, cycle = ended()
    assert [event.name for event in ingest.events] == ["exception"]
    assert cycle.events == ()
    assert {span.status.description for span in (ingest, cycle)} == {"ValueError: no such price"}
    assert ingest.attributes == {"hardline.status": "failed", "hardline.markets": 3}


def test_no_secret_is_left_in_any_text_of_a_span() -> None:
    address = f"https://a.example/odds?apiKey={SECRET}&markets=h2h"
    provider = TracerProvider(shutdown_on_exit=False)
    span = provider.get_tracer("tests").start_span(f"GET {address}")
    span.set_attributes(
        {
            "http.url": address,
            "http.request.header.authorization": (f"Bearer {SECRET}",),
            "celery.delivery_info": f"{{'token': '{SECRET}'}}",
            "addresses": (address, "redis://:" + SECRET + "@host/0"),
            "hardline.markets": 3,
        }
    )
    span.add_event("exception", {"exception.stacktrace": f"{address}\n" * 1000})
    span.set_status(trace.StatusCode.ERROR, f"password={SECRET}")
    span.end()
    assert isinstance(span, ReadableSpan)
    clean = cleaned(span)
    assert SECRET in span.to_json()
    assert SECRET not in clean.to_json()
    assert clean.attributes is not None
    assert clean.attributes["http.url"] == "https://a.example/odds?apiKey=•••&markets=h2h"
    assert clean.attributes["hardline.markets"] == 3
    (event,) = clean.events
    assert event.attributes is not None
    assert len(str(event.attributes["exception.stacktrace"])) == MAX_TEXT_CHARS
    assert (clean.context, clean.start_time, clean.kind) == (
        span.context,
        span.start_time,
        span.kind,
    )


# --- The end of a process, whose collector may be away, refuse, or hang. ---


@pytest.fixture
def a_span() -> ReadableSpan:
    span = TracerProvider(shutdown_on_exit=False).get_tracer("tests").start_span("work")
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


class Refusing:
    """A collector that answers each request with 503, and asks to be left alone for a while."""

    def __init__(self) -> None:
        self.requests = threading.Semaphore(0)
        self.answers = [503, 200]
        self.taken = 0
        refusing = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                # Counted before it is answered: who is answered may look at once.
                refusing.taken += 1
                self.send_response(refusing.answers[min(refusing.taken, 2) - 1])
                self.send_header("Retry-After", "8")
                self.send_header("Content-Length", "0")
                self.end_headers()
                refusing.requests.release()

            def log_message(self, *_: Any) -> None:
                """Write nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    refusing = Refusing()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refusing.endpoint)
    yield refusing
    refusing.server.shutdown()
    refusing.server.server_close()


def test_an_end_does_not_wait_for_the_next_try_and_makes_its_own(
    refusing: Refusing, a_span: ReadableSpan
) -> None:
    exporter, results = CleanExporter(), []
    sending = threading.Thread(target=lambda: results.append(exporter.export([a_span])))
    sending.start()
    assert refusing.requests.acquire(timeout=10)
    assert exporter.hurry()
    sending.join(6)
    assert not sending.is_alive(), "it waits for the 8 s that the collector has asked for"
    assert results == [SpanExportResult.SUCCESS]
    assert refusing.taken == 2


def test_an_end_makes_one_try_and_none_after_it_has_failed(
    refusing: Refusing, a_span: ReadableSpan
) -> None:
    refusing.answers = [503, 503]
    exporter = CleanExporter()
    assert exporter.hurry()
    assert [exporter.export([a_span]) for _ in range(4)] == [SpanExportResult.FAILURE] * 4
    assert refusing.taken == 1


def test_an_end_without_a_collector_tries_nothing_twice(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, a_span: ReadableSpan
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    exporter = CleanExporter()
    assert exporter.hurry()
    assert exporter.export([a_span]) is SpanExportResult.FAILURE
    assert "Failed to export" in caplog.text
    assert "retrying" not in caplog.text


def test_an_end_does_not_wait_for_a_collector_that_hangs(
    monkeypatch: pytest.MonkeyPatch, a_span: ReadableSpan
) -> None:
    now = [0.0]
    with running_collector() as collector:
        collector.hangs = True
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        exporter = CleanExporter(lambda: now[0])
        sending = threading.Thread(target=exporter.export, args=([a_span],))
        sending.start()
        assert collector.arrived.wait(10)
        now[0] += 1.01 * LAST_TRY_SECONDS
        assert not exporter.hurry()
        now[0] -= 0.5 * LAST_TRY_SECONDS
        assert exporter.hurry(), "it may answer yet"
        collector.released.set()
        sending.join(10)
