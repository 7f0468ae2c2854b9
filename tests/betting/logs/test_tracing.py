from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from betting.logs import context, operation, spans
from tests.support.collector import NEEDED

pytest.importorskip("opentelemetry.sdk.trace", reason=NEEDED)
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason=NEEDED)

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    ParentBasedTraceIdRatio,
    Sampler,
)

from betting.logs.tracing import (
    MAX_TEXT_CHARS,
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
