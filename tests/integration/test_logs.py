"""The logs of real processes: every line keeps to the schema, and a trace leads through them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from betting.log_schema import Line
from tests.integration.installation import CHECKOUT, Installation
from tests.support.cluster import lay
from tests.support.logs import assert_is_line, read_logs

SIMULATED = CHECKOUT / "tests" / "recordings" / "simulated.jsonl.gz"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, cluster: Path) -> Iterator[list[Line]]:
    """What a replay and its workers have logged, in full."""
    home: Path = tmp_path_factory.mktemp("installation") / "home"
    installation = Installation(home)
    lay(cluster, installation.config)
    installation.environ |= {"HARDLINE_LOG_LEVEL": "INFO", "HARDLINE_LOG_SAMPLE": "sweep=1"}
    done = installation.manage("run", "--feed", SIMULATED, "--until-idle", "--json")
    assert done.returncode == 0, done.stderr
    told = [assert_is_line(text) for text in done.stderr.splitlines() if text.startswith("{")]
    yield [*told, *read_logs(home / "logs")]
    installation.remove()


def traces(line: Line) -> set[str]:
    return {*line.get("trace_ids", ()), *([line["trace_id"]] if "trace_id" in line else [])}


def of_action(lines: list[Line], action: str) -> list[Line]:
    return [line for line in lines if line["action"] == action]


def test_every_stage_has_its_lines(lines: list[Line]) -> None:
    stages = {"cycle", "poll", "ingest", "batch_flush", "recompute", "sweep"}
    assert stages <= {line["action"] for line in lines}
    assert {line["level"] for line in lines if line["action"] in stages} == {"info"}
    # Whatever Celery has to say of a task that succeeded.
    assert not [line for line in lines if line["logger"] in {"celery.app.trace", "celery.beat"}]


def test_every_answer_is_a_trace_of_its_own(lines: list[Line]) -> None:
    cycles = of_action(lines, "cycle")
    begun = {line["trace_id"] for line in cycles}
    assert len(begun) == len(cycles) == 28
    assert {line["trace_id"] for line in of_action(lines, "poll")} == begun
    assert {line["trace_id"] for line in of_action(lines, "ingest")} == begun


@pytest.mark.parametrize("trigger", ["major", "batch"])
def test_a_trace_leads_from_its_answer_to_the_recompute_in_another_process(
    lines: list[Line], trigger: str
) -> None:
    answers = {line["trace_id"]: line for line in of_action(lines, "cycle")}
    # The sweeper may come by in between, and marks what has started.
    sweeps = {line["trace_id"] for line in of_action(lines, "sweep")}
    recomputes = [
        line
        for line in of_action(lines, "recompute")
        if line["trigger"] == trigger and not traces(line) & sweeps
    ]
    assert recomputes
    for line in recomputes:
        assert traces(line)
        assert traces(line) <= answers.keys()
        assert all(answers[trace]["process"] != line["process"] for trace in traces(line))
        assert line["task"] == "valuation.recompute_markets"
        assert line["queue"] == {"major": "major", "batch": "valuation"}[trigger]


def test_an_edge_leads_back_to_the_answers_that_opened_it(lines: list[Line]) -> None:
    begun = {line["trace_id"]: line["process"] for line in of_action(lines, "ingest")}
    begun |= {line["trace_id"]: line["process"] for line in of_action(lines, "sweep")}
    opened = [line for line in of_action(lines, "recompute") if line["edges_opened"]]
    assert opened
    for line in opened:
        assert traces(line)
        assert traces(line) <= begun.keys()


def test_the_buffer_merges_the_traces_of_the_changes_that_it_merges(lines: list[Line]) -> None:
    begun = {line["trace_id"] for line in of_action(lines, "cycle")}
    flushes = [line for line in of_action(lines, "batch_flush") if line["changes"]]
    assert flushes
    for line in flushes:
        assert traces(line)
        assert traces(line) <= begun
