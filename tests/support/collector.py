"""A collector of traces on the loopback, which reads OTLP over HTTP."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

NEEDED = "exporting traces needs requirements-tracing.txt, which is not installed"


@dataclass(frozen=True)
class Seen:
    """A span as it has arrived.

    Attributes:
        name: its name.
        trace_id: its trace.
        span_id: its id.
        parent_id: the id of its parent; empty for a root.
        links: the traces that it is linked to.
        attributes: its attributes, and those of its events.
        service: the name of the service.
        error: the description of its failure.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    attributes: Mapping[str, Any]
    service: str
    error: str


@dataclass
class Collector:
    """What has arrived.

    Attributes:
        endpoint: for OTEL_EXPORTER_OTLP_ENDPOINT.
        spans: all spans until now, in the order in which they came.
        bodies: the requests as they were.
        hangs: whether requests are left without an answer until `released` is set.
        released: set at the end.
        arrived: set with the first request.
    """

    endpoint: str = ""
    spans: list[Seen] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    hangs: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)

    def named(self, name: str) -> list[Seen]:
        """The spans of a name."""
        return [span for span in self.spans if span.name == name]

    def of_trace(self, trace_id: str) -> dict[str, Seen]:
        """The spans of a trace by their ids."""
        return {span.span_id: span for span in self.spans if span.trace_id == trace_id}

    def take(self, body: bytes) -> None:
        """Read a request's spans."""
        self.bodies.append(body)
        self.arrived.set()
        service = pytest.importorskip(
            "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason=NEEDED
        )
        for of_resource in service.ExportTraceServiceRequest.FromString(body).resource_spans:
            named = _values(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                self.spans += [_seen(span, str(named["service.name"])) for span in of_scope.spans]


def _seen(span: Any, service: str) -> Seen:
    attributes = _values(span.attributes)
    for event in span.events:
        attributes |= _values(event.attributes)
    return Seen(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        tuple(link.trace_id.hex() for link in span.links),
        attributes,
        service,
        span.status.message,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector that listens while the block runs."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.take(body)
            if collector.hangs:
                collector.released.wait()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collector.endpoint = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield collector
        finally:
            collector.released.set()
            server.shutdown()
