"""What Hardline's processes send to a collector of traces, what they keep back, and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest
from django.db.models import F
from redis import Redis

from betting.config import Config
from betting.models import Market, Provider
from betting.runtime.supervisor import Program
from streaming.runner.processes import pollers, value_workers
from streaming.simulator.running import RunningSimulator, running_simulator
from streaming.tasks import poll_provider
from tests.integration.conftest import (
    CHECKOUT,
    all_valued,
    environment_of_workers,
    running,
    wait_until,
)
from tests.integration.stack import CALM
from tests.support.collector import NEEDED, Collector, Seen, running_collector
from tests.support.logs import read_logs
from tests.support.moved_market import MovedMarket, begin_burst
from tests.support.polling import EPL, KEY, KEY_ENV, polled_provider
from tests.support.tcp_servers import free_port
from valuation.tasks import send_recomputes

SECRET = "5ecre7c0ffee5ecre7c0ffee"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]

exporting = pytest.mark.skipif(find_spec("opentelemetry") is None, reason=NEEDED)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that processes which are started from now on send to."""
    with running_collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("HARDLINE_LOG_LEVEL", "INFO")
        yield collector


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    monkeypatch.setenv(KEY_ENV, KEY)
    monkeypatch.setenv("HARDLINE_POLL_DEDUPE_MS", "0")
    with running_simulator(sports=[EPL], policy=CALM, api_key=KEY) as simulator:
        yield simulator


def run(script: str, servers: Config, **environ: str) -> subprocess.CompletedProcess[str]:
    """A process of Hardline's, as it is configured for the workers."""
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        env={**os.environ, **environment_of_workers(servers), **environ},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )


SET_UP = "import django; django.setup(); "


def workers(servers: Config, *names: str) -> list[Program]:
    """Those of these names; without beat, nothing is polled but what a test has polled."""
    programs = [*value_workers(servers), *pollers(servers, KEY)]
    return [program for program in programs if program.name in names]


def poll(provider: Provider, collector: Collector) -> None:
    """Poll, and wait until what it has changed is valued, and the spans of that have come."""
    before = len(collector.named("streaming.cycle"))
    poll_provider.delay(provider.pk)
    wait_until(
        lambda: len(cycles(collector)) > before and cycles(collector) <= valued(collector),
        "the spans of the poll and of its recomputes",
    )
    wait_until(all_valued, "the values")


def cycles(collector: Collector) -> set[str]:
    """The traces that polls have begun."""
    return {span.trace_id for span in collector.named("streaming.cycle")}


def valued(collector: Collector) -> set[str]:
    """The traces to which recomputes belong: one for several polls is linked to the older ones."""
    spans = collector.named("valuation.recompute")
    return {trace_id for span in spans for trace_id in (span.trace_id, *span.links)}


@exporting
def test_a_poll_and_all_that_it_has_valued_are_one_trace_under_the_id_of_the_logs(
    collector: Collector,
    simulator: RunningSimulator,
    servers: Config,
    redis: Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = polled_provider(simulator)
    logs = tmp_path / "logs"
    # Changes wait in the buffer, which knows a trace by its id alone.
    begin_burst(redis)
    needed = workers(servers, "worker-io", "worker-value", "worker-major")
    with running(needed, servers, logs, monkeypatch):
        poll(provider, collector)
    # They are stopped: what was left has been sent.
    assert collector.named("streaming.batch_flush")
    for cycle in collector.named("streaming.cycle"):
        spans = collector.of_trace(cycle.trace_id)
        assert cycle.service == "hardline"
        assert [span for span in spans.values() if not span.parent_id] == [cycle]
        assert {span.parent_id for span in spans.values()} - {""} <= spans.keys()
        names = {span.name for span in spans.values()}
        assert names >= {"provider.poll", "streaming.ingest"}
        statements = [str(span.attributes.get("db.statement", "")) for span in spans.values()]
        assert any("betting_quote" in statement for statement in statements)
    for span in collector.named("valuation.recompute"):
        (parent,) = (each for each in runs(collector) if each.span_id == span.parent_id)
        assert parent.parent_id in {
            each.span_id for each in collector.named("apply_async/valuation.recompute_markets")
        }
    # A task that polls belongs to whoever sent it; its cycle is linked to that.
    polled = {span.trace_id for span in collector.named("run/streaming.poll_provider")}
    assert {link for cycle in collector.named("streaming.cycle") for link in cycle.links} == polled

    told = [line for line in read_logs(logs) if line["action"] in LOGGED]
    assert {line["action"] for line in told} == LOGGED
    assert {line["trace_id"] for line in told} == cycles(collector)
    assert not [body for body in collector.bodies if KEY.encode() in body]


LOGGED = {"cycle", "poll", "ingest", "batch_flush", "recompute"}


@exporting
def test_the_processes_of_a_pool_export_after_their_fork(
    collector: Collector,
    servers: Config,
    redis: Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    MovedMarket(redis)
    needed = workers(servers, "worker-value")
    with running(needed, servers, tmp_path / "logs", monkeypatch) as supervisor:
        revalue()
        wait_until(lambda: len(runs(collector)) > 0, "the first process's spans")
        # Its successor is forked from a process that may have exported.
        (worker,) = psutil.Process(supervisor.pids()["worker-value"]).children()
        for child in worker.children():
            child.kill()
        before = len(runs(collector))
        revalue()
        wait_until(lambda: len(runs(collector)) > before, "the successor's spans")


def revalue() -> None:
    """Have the markets valued again, though nothing has changed."""
    Market.objects.update(version=F("version") + 1)
    send_recomputes(list(Market.objects.values_list("pk", flat=True)), "batch")


def runs(collector: Collector, queue: str = "valuation") -> list[Seen]:
    """The tasks that valued markets from a queue."""
    spans = collector.named("run/valuation.recompute_markets")
    return [span for span in spans if span.attributes["messaging.destination"] == queue]


@exporting
def test_no_secret_of_a_request_or_a_statement_leaves_and_probes_have_no_span(
    collector: Collector, servers: Config
) -> None:
    done = run(SET_UP + REQUESTS, servers, TESTS_SECRET=SECRET)
    assert [line for line in done.stdout.splitlines() if line.isdigit()] == ["302", "200"]
    asked = [span for span in collector.spans if span.name.startswith("GET")]
    assert {span.attributes["http.status_code"] for span in asked} == {302}
    assert any("apiKey=" in str(span.attributes) for span in asked)
    assert any("auth_user" in str(span.attributes.get("db.statement")) for span in collector.spans)
    (failed,) = collector.named("provider.poll")
    assert "apiKey=•••" in failed.error
    assert "ValueError" in failed.attributes["exception.stacktrace"]
    assert not [body for body in collector.bodies if SECRET.encode() in body]
    assert not [span for span in collector.spans if "health" in str(span.attributes)]


REQUESTS = """
import os
from contextlib import suppress
from django.contrib.auth.models import User
from django.test import Client
from betting.db.sql import fetch_all
from betting.logs import operation
secret = os.environ["TESTS_SECRET"]
with operation("streaming", "match"):
    User.objects.create_user("reader", password=secret, email=secret + "@example.org")
    User.objects.filter(email=secret + "@example.org").delete()
    fetch_all("SELECT %(secret)s::text", {"secret": secret})
client = Client(SERVER_NAME="localhost")
print(client.get("/", {"apiKey": secret}).status_code)
with suppress(ValueError), operation("provider", "poll"):
    raise ValueError("GET https://a.example/odds?apiKey=" + secret)
print(client.get("/health/live", {"apiKey": secret}).status_code)
"""


@exporting
def test_a_process_ends_while_the_collector_answers_nothing(
    collector: Collector, servers: Config
) -> None:
    collector.hangs = True
    done = run(SET_UP + WORKED, servers)
    assert "worked" in done.stdout.splitlines()
    assert collector.named("streaming.sweep") != []
    assert not collector.released.is_set(), "it is still without an answer"


WORKED = """
from betting.logs import operation
with operation("streaming", "sweep") as op:
    op.begin_trace()
print("worked")
"""


LEFT_WAITING = """
import atexit, threading
names = lambda: [thread.name for thread in threading.enumerate()]
# The first that is registered is called last, after what waits for the spans.
atexit.register(lambda: print("last spans" in names()))
"""


@exporting
def test_a_process_ends_without_waiting_for_a_collector_that_is_away_or_hangs(
    collector: Collector, servers: Config
) -> None:
    away = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    for endpoint in (away, {}):
        collector.hangs = True
        # Nothing is sent before the end.
        done = run(
            LEFT_WAITING + SET_UP + WORKED, servers, OTEL_BSP_SCHEDULE_DELAY="60000", **endpoint
        )
        assert done.stdout.splitlines()[-1] == "False", "it was left waiting for an answer"
    assert collector.named("streaming.sweep") != []
    assert not collector.released.is_set()


@exporting
def test_a_collector_that_is_away_is_said_once_a_minute_by_a_process(servers: Config) -> None:
    done = run(
        SET_UP + WORKED,
        servers,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_BSP_SCHEDULE_DELAY="1",
    )
    said = [line for line in done.stdout.splitlines() if "opentelemetry" in line]
    assert len(said) == 1
    # Of a try that is to be repeated, or of the last one, whichever comes first.
    assert "export" in json.loads(said[0])["event"]


@exporting
def test_a_statement_outside_of_any_work_is_not_sent(collector: Collector, servers: Config) -> None:
    run(SET_UP + STATEMENTS, servers)
    sent = {span.attributes.get("db.statement"): span for span in collector.spans}
    assert not {"SELECT 1", "SELECT 3", "SELECT 4"} & sent.keys()
    assert sent["(SELECT 2)"].name == "SELECT"
    assert sent["(SELECT 2)"].parent_id == collector.named("streaming.sweep")[0].span_id


STATEMENTS = """
from betting.db.sql import fetch_all
from betting.logs import operation, spans
fetch_all("SELECT 1", {})
with spans.statement("SELECT 3"):
    fetch_all("SELECT 4", {})
with operation("streaming", "sweep"):
    fetch_all("(SELECT 2)", {})
"""


@exporting
def test_beats_messages_lead_to_the_tasks_that_run_them(
    collector: Collector,
    servers: Config,
    redis: Redis,  # noqa: ARG001 - asks for a fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(workers(servers, "worker-io", "beat"), servers, tmp_path / "logs", monkeypatch):
        wait_until(lambda: len(collector.named("run/streaming.tick")) >= 2, "two ticks")
    sent = {span.span_id: span for span in collector.named("apply_async/streaming.tick")}
    ticks = collector.named("run/streaming.tick")
    assert {tick.parent_id for tick in ticks} <= sent.keys()
    assert len({tick.trace_id for tick in ticks}) == len(ticks), "each is a trace of its own"


def test_without_the_libraries_a_process_says_what_is_missing_and_works(servers: Config) -> None:
    done = run(
        "import sys; sys.modules['opentelemetry'] = None; " + SET_UP + WORKED,
        servers,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
    )
    said = [line for line in done.stdout.splitlines() if "Traces are not exported" in line]
    assert len(said) == 1
    assert "opentelemetry is not installed. Install requirements-tracing.txt" in said[0]
    assert done.stdout.endswith("worked\n")


def test_without_the_variables_nothing_of_the_libraries_is_imported(servers: Config) -> None:
    # The client of Redis imports their metrics by itself, wherever they are installed.
    script = SET_UP + WORKED + "import sys; print(*sys.modules)"
    done = run(script, servers, OTEL_SERVICE_NAME="odds", OTEL_EXPORTER_OTLP_ENDPOINT="")
    said, imported = done.stdout.splitlines()
    assert said == "worked"
    forbidden = ("opentelemetry.sdk.trace", "opentelemetry.instrumentation", "opentelemetry.proto")
    assert not [name for name in imported.split() if name.startswith(forbidden)]
