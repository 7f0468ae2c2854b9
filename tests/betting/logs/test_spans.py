from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from betting.db.sql import fetch_all
from betting.logs import context, operation, spans
from betting.logs.context import is_trace_id, new_trace_id
from tests.support.logs import Lines

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
COLLECTOR = "http://collector:4318"
TRACE, OTHER = "a" * 32, "b" * 32


class Recorder:
    """A tracer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.here = ""

    def begin(self, name: str, trace_ids: tuple[str, ...]) -> spans.Span:
        self.told.append(("begin", name, trace_ids))
        return self

    def move(self, trace_ids: tuple[str, ...], *, is_new: bool) -> None:
        self.told.append(("move", trace_ids, is_new))

    def end(
        self, status: str, facts: Mapping[str, Any], error: BaseException | None, *, is_told: bool
    ) -> None:
        self.told.append(("end", status, dict(facts), type(error).__name__, is_told))

    def statement(self, text: str) -> AbstractContextManager[object]:
        self.told.append(("statement", text))
        return nullcontext()

    def current_trace_id(self) -> str:
        return self.here


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    spans.install(recorder)
    yield recorder
    spans.install(None)


def test_an_operation_is_a_span_with_its_facts_and_its_outcome(recorder: Recorder) -> None:
    with operation("streaming", "ingest", provider="simulated") as op:
        op.add(markets=3)
    assert recorder.told == [
        ("begin", "streaming.ingest", ()),
        ("end", "ok", {"provider": "simulated", "markets": 3}, "NoneType", False),
    ]


def test_a_failure_is_told_by_the_innermost_span_alone(recorder: Recorder) -> None:
    with (
        pytest.raises(ValueError, match="no such price"),
        operation("streaming", "cycle"),
        operation("streaming", "ingest"),
    ):
        raise ValueError("no such price")
    ends = [told[1:] for told in recorder.told if told[0] == "end"]
    assert ends == [("failed", {}, "ValueError", False), ("failed", {}, "ValueError", True)]


def test_a_span_moves_to_the_traces_that_its_operation_follows(recorder: Recorder) -> None:
    with operation("streaming", "cycle") as op:
        op.begin_trace()
        (trace_id,) = context.trace_ids()
        with operation("streaming", "batch_flush") as inner:
            inner.follow([OTHER, TRACE])
    assert recorder.told[1:4] == [
        ("move", (trace_id,), True),
        ("begin", "streaming.batch_flush", (trace_id,)),
        ("move", (OTHER, TRACE), False),
    ]


def test_a_span_stays_where_it_is_if_its_operation_follows_no_trace(recorder: Recorder) -> None:
    with operation("streaming", "batch_flush") as op:
        op.follow([])
    assert [told[0] for told in recorder.told] == ["begin", "end"]


@pytest.mark.usefixtures("db")
def test_a_statement_is_a_span_without_its_parameters(recorder: Recorder) -> None:
    assert fetch_all("SELECT %(secret)s::text", {"secret": "s3cret"}) == [("s3cret",)]
    assert recorder.told == [("statement", "SELECT %(secret)s::text")]


def test_a_line_outside_the_traces_of_the_logs_has_its_spans_trace(
    recorder: Recorder, lines: Lines
) -> None:
    recorder.here = OTHER
    with operation("streaming", "prune"):
        pass
    with operation("streaming", "cycle") as op:
        op.follow([TRACE])
    assert [line["trace_id"] for line in lines()] == [OTHER, TRACE]


def test_without_export_there_are_no_spans_and_no_trace() -> None:
    assert spans.begin("streaming.cycle", (TRACE,)) is None
    assert spans.current_trace_id() == ""
    with spans.statement("SELECT 1") as nothing:
        assert nothing is None


def test_a_trace_id_is_random_in_every_bit() -> None:
    ids = [new_trace_id() for _ in range(300)]
    assert all(map(is_trace_id, ids))
    numbers = [int(trace_id, 16) for trace_id in ids]
    fixed = [bit for bit in range(128) if len({number >> bit & 1 for number in numbers}) == 1]
    assert fixed == [], "each bit is 0 in some and 1 in others"


@pytest.mark.parametrize(
    ("environ", "is_wanted"),
    [
        ({}, False),
        ({ENDPOINT: COLLECTOR}, True),
        ({ENDPOINT: " "}, False),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": COLLECTOR}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({ENDPOINT: COLLECTOR, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({ENDPOINT: COLLECTOR, "OTEL_SDK_DISABLED": "True"}, False),
        ({"OTEL_SERVICE_NAME": "odds", "OTEL_TRACES_SAMPLER": "always_on"}, False),
    ],
)
def test_the_standard_variables_decide(environ: dict[str, str], *, is_wanted: bool) -> None:
    assert spans.is_wanted(environ) is is_wanted


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER=console is not supported"),
        (
            {ENDPOINT: COLLECTOR, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not supported. Set it to http/protobuf",
        ),
        (
            {
                ENDPOINT: COLLECTOR,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
            },
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc is not supported",
        ),
    ],
)
def test_what_is_not_supported_is_said_in_one_line(
    environ: dict[str, str], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    spans.start(environ)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert words in record.getMessage()
    assert spans.begin("streaming.cycle", ()) is None
