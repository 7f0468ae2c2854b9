"""`manage.py run --feed` from outside: its processes, its exit, its facts, and what it leaves.

Its logs are among that: every line keeps to the schema, and a trace leads from process to process.
All of it has a state directory of its own, with its own PostgreSQL and Redis.
"""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from betting.log_schema import Line
from betting.runtime import embedded
from tests.integration import feed_reader
from tests.integration.closing_rows import ClosingRows, closing_rows
from tests.integration.conftest import wait_until
from tests.integration.feed_reader import Key, Reading
from tests.integration.installation import CHECKOUT, COMMAND_SECONDS, Installation, Row
from tests.integration.live_run import START_SECONDS
from tests.support.cluster import lay
from tests.support.documents import commands
from tests.support.logs import assert_is_line, read_logs

SIMULATED = CHECKOUT / "tests" / "recordings" / "simulated.jsonl.gz"
FEEDS = CHECKOUT.parent / "shared" / "feeds"

KINDS = ("price", "point", "opened", "suspended", "resumed")
#: The recordings' own table: answers, quotes, active at the end, and changes by kind.
PUBLISHED = {
    "mlb-repeat-poll-2026-08": (4, 9_232, 2_308, (154, 34, 2_308, 0, 0)),
    "mlb-series-2026-07a": (32, 31_172, 988, (9_523, 2_518, 15_400, 14_412, 0)),
    "nfl-american-2025": (15, 9_258, 48, (1_351, 1_094, 4_062, 4_038, 24)),
    "nba-props-2026-03": (14, 11_614, 5_684, (1_336, 48, 5_712, 28, 0)),
    "soccer-tennis-2026-08": (87, 38_620, 3_163, (12_993, 0, 16_587, 13_490, 66)),
}
#: Two recordings of baseball are of the same feed, and would continue each other in one database.
#: The others have no feed in common, so that one run plays them side by side.
RUNS = [
    ["mlb-repeat-poll-2026-08"],
    ["mlb-series-2026-07a", "nfl-american-2025", "nba-props-2026-03", "soccer-tennis-2026-08"],
]

# Processes take seconds to start, and many times that on a busy machine.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, cluster: Path) -> Iterator[Installation]:
    """Servers that go on from one command to the next."""
    installed = Installation(tmp_path_factory.mktemp("installation") / "home")
    lay(cluster, installed.config)
    embedded.ensure_running(installed.config)
    yield installed
    installed.remove()


@pytest.fixture
def installation(installed: Installation) -> Installation:
    """Empty tables."""
    installed.empty()
    return installed


@dataclass(frozen=True)
class Replay:
    """The facts of a replay, its closes, and what it and its workers have logged."""

    facts: Row
    closes: ClosingRows
    closed_events: int
    lines: list[Line]


@pytest.fixture(scope="module")
def replay(installed: Installation) -> Replay:
    """One of the simulated recording in empty tables, which logs in full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(installed.environ, "HARDLINE_LOG_LEVEL", "INFO")
        patch.setitem(installed.environ, "HARDLINE_LOG_SAMPLE", "sweep=1")
        done = installed.manage("run", "--feed", SIMULATED, "--until-idle", "--json")
    assert done.returncode == 0, done.stderr
    told = [assert_is_line(text) for text in done.stderr.splitlines() if text.startswith("{")]
    lines = [*told, *read_logs(installed.config.home / "logs")]
    facts = json.loads(done.stdout.splitlines()[-1])
    return Replay(facts, closing_rows(installed), closed_events(installed), lines)


@pytest.fixture
def lines(replay: Replay) -> list[Line]:
    return replay.lines


def assert_facts_are_those_of(facts: Row, *readings: Reading) -> None:
    assert facts["responses"] == sum(reading.responses for reading in readings)
    assert facts["quotes_seen"] == sum(reading.quotes_seen for reading in readings)
    for kind in KINDS:
        assert facts["changes"][kind] == sum(reading.changes[kind] for reading in readings), kind
    assert facts["dead_letters"] == 0
    assert facts["markets_recomputed"] >= facts["markets"] > 0
    assert facts["recomputes"] > 0


def assert_quotes_are_those_of(installation: Installation, *readings: Reading) -> None:
    rows = installation.export("quotes", "--status", "active")
    exported = {Key(*(row[column] for column in Key._fields)): row["price"] for row in rows}
    assert len(exported) == len(rows)
    assert exported == {k: price for reading in readings for k, price in reading.active.items()}


def assert_no_letter_is_left(installation: Installation) -> None:
    exported = installation.fork("deadletters", "export")
    assert (exported.returncode, exported.stdout) == (0, "")


def assert_history_is_that_of(history: list[Row], reading: Reading) -> None:
    paths = {path for path, _ in reading.offers}
    rows = (row for row in history if row["feed"].partition("?")[0] in paths)
    kinds = Counter("suspended" if row["kind"] == "ended" else row["kind"] for row in rows)
    assert {kind: kinds[kind] for kind in KINDS} == reading.changes


def figures_of_the_readme() -> Row:
    """What the README shows for a replay of the simulated recording."""
    (shown,) = (c.shown for c in commands(CHECKOUT / "README.md") if " run --feed " in c.text)
    figures: Row = json.loads(shown.replace(",…}", "}"))
    return figures


def assert_fair_prices_are_sound(installation: Installation) -> None:
    lines: dict[tuple[Any, ...], float] = defaultdict(float)
    rows = installation.export("fair_prices")
    for row in rows:
        if row["state"] == "ok":
            lines[line_of(row)] += row["probability"]
        else:
            assert row["reason"], row
            assert row["probability"] is None
    assert lines
    assert {line for line, total in lines.items() if abs(total - 1) > 1e-9} == set()


def line_of(row: Row) -> tuple[Any, ...]:
    """Outcomes of one line exclude each other; handicaps of two sides pair up with signs turned."""
    is_turned = "spreads" in row["market"] and row["outcome"] == row["away"]
    point = -row["point"] if is_turned else row["point"]
    return row["event_id"], row["market"], row["participant"], point


def test_a_simulated_recording_ends_as_an_independent_reading_and_twice_is_as_once(
    installed: Installation, replay: Replay, tmp_path: Path
) -> None:
    """The first of these tests, while the tables are as the replay has left them."""
    reading = feed_reader.read(SIMULATED)
    assert all(reading.changes.values()), "the recording shows every kind of change"
    facts = replay.facts
    published = figures_of_the_readme()
    assert {name: facts[name] for name in published} == published
    assert_facts_are_those_of(facts, reading)
    assert_quotes_are_those_of(installed, reading)
    assert_fair_prices_are_sound(installed)
    assert_no_letter_is_left(installed)
    history = installed.export("line_changes")
    assert_history_is_that_of(history, reading)

    # The second time with damage besides, which is left out and told.
    done = installed.fork("run", "--feed", damaged(tmp_path), "--until-idle", "--json")

    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout.splitlines()[-1])
    assert again["lines_left_out"] == 2
    assert "warning: 2 lines left out" in done.stderr
    assert "damaged.jsonl:2" in done.stderr
    assert set(again["changes"].values()) == {0}
    assert (again["recomputes"], again["edges_opened"], again["dead_letters"]) == (0, 0, 0)
    assert again["markets"] == facts["markets"]
    assert installed.export("line_changes") == history


def damaged(directory: Path) -> Path:
    """The simulated recording with one line that says nothing, and one cut short."""
    lines = gzip.decompress(SIMULATED.read_bytes()).splitlines(keepends=True)
    path = directory / "damaged.jsonl"
    path.write_bytes(b"".join([lines[0], b"broken\n", *lines[1:], lines[-1][:-40]]))
    return path


@pytest.mark.timeout(300, func_only=True)  # the undisturbed replay has a deadline of its own
def test_workers_killed_around_the_starts_change_no_closing_price(
    installation: Installation, replay: Replay, tmp_path: Path
) -> None:
    """The recording is of 81 s, in which 13 of its events start, most of them after its cut.

    Until there all is valued, so that edges are open; from there on the workers are killed.
    """
    assert replay.closes.computed
    before, after = cut(tmp_path)
    installation.replay(before)
    opened = {edge for (edge,) in installation.ask(OPEN_BEFORE_THEIR_START)}
    assert opened
    closed = closed_events(installation)
    assert closed < replay.closed_events

    # For so long, eight seconds, that no busy machine ends the run before the first close is seen.
    command = installation.command("run", "--feed", after, "--until-idle", "--speed", "10")
    told = tmp_path / "told"
    with (
        told.open("w") as file,
        subprocess.Popen(command, env=installation.environ, stdout=file, stderr=file) as run,
    ):
        try:
            wait_until(lambda: closed_events(installation) > closed, "a close", START_SECONDS)
            assert kill_workers(run.pid) == 3
            for what, is_so in {
                "the supervisor": lambda: told.read_text().count("exited with status 137") == 3,
                "the other closes": lambda: closed_events(installation) == replay.closed_events,
            }.items():
                wait_until(is_so, what, START_SECONDS)
            # It would go on until what the workers held is delivered again.
            run.send_signal(signal.SIGINT)
            run.wait(COMMAND_SECONDS)
        finally:
            run.kill()  # its processes end with it

    closing_rows(installation).assert_are_those_of(replay.closes)
    assert_no_letter_is_left(installation)
    judged = {row["edge_id"]: row for row in installation.export("edge_closings")}
    assert judged.keys() >= opened
    rows = installation.ask("SELECT key, COALESCE(commission, 0)::text FROM betting_bookmaker")
    kept = {str(key): 1 - float(str(commission)) for key, commission in rows}
    for row in (judged[edge] for edge in opened):
        profit = row["opened_price"] - 1
        # Of a lay: what the backer stakes, per unit that the layer may have to pay.
        profit = 1 / profit if row["side"] == "lay" else profit
        odds = 1 + profit * kept[row["bookmaker"]]
        assert row["opened_clv"] == pytest.approx(row["probability"] * odds - 1)


#: Edges on the winner of events that start within the recording. No push returns their stake.
OPEN_BEFORE_THEIR_START = """
SELECT e.id FROM valuation_edge e
JOIN betting_quote q ON q.id = e.quote_id
JOIN betting_market m ON m.id = q.market_id AND m.kind = 'h2h'
JOIN betting_event ev ON ev.id = m.event_id
WHERE ev.closed_for IS NULL AND ev.commence_time < '2026-01-01T18:01:12Z'
"""


def cut(directory: Path) -> tuple[Path, Path]:
    """The simulated recording as two: its first answer to each request, and all others."""
    lines = gzip.decompress(SIMULATED.read_bytes()).splitlines(keepends=True)
    parts = directory / "before.jsonl", directory / "after.jsonl"
    for part, its in zip(parts, (lines[:4], lines[4:]), strict=True):
        part.write_bytes(b"".join(its))
    return parts


def closed_events(installation: Installation) -> int:
    return len(installation.ask("SELECT 1 FROM betting_event WHERE closed_for IS NOT NULL"))


def kill_workers(run: int) -> int:
    """Kill what a run has of workers, their children too; return how many workers there were."""
    wrappers = psutil.Process(run).children()
    workers = [
        child for each in wrappers for child in each.children() if "worker" in child.cmdline()
    ]
    for worker in workers:
        for each in (*worker.children(recursive=True), worker):
            with suppress(psutil.NoSuchProcess):
                each.kill()
    return len(workers)


@pytest.mark.parametrize("names", RUNS, ids=" ".join)
def test_real_recordings_end_in_their_published_figures(
    installation: Installation, names: list[str]
) -> None:
    feeds = [FEEDS / f"{name}.jsonl.gz" for name in names]
    if not all(feed.is_file() for feed in feeds):
        pytest.skip("the recorded feeds are not beside the checkout (../shared/feeds)")
    readings = [feed_reader.read(feed) for feed in feeds]

    facts = installation.replay(*feeds)

    assert_facts_are_those_of(facts, *readings)
    assert_quotes_are_those_of(installation, *readings)
    assert_fair_prices_are_sound(installation)
    assert_no_letter_is_left(installation)
    history = installation.export("line_changes")
    for name, reading in zip(names, readings, strict=True):
        responses, quotes_seen, active, changes = PUBLISHED[name]
        assert (reading.responses, reading.quotes_seen) == (responses, quotes_seen)
        assert len(reading.active) == active
        assert reading.changes == dict(zip(KINDS, changes, strict=True))
        assert_history_is_that_of(history, reading)


def test_an_answer_that_cannot_be_ingested_fails_the_replay_and_is_counted(
    installation: Installation, tmp_path: Path
) -> None:
    refused = tmp_path / "refused.jsonl"
    refused.write_text(
        json.dumps(
            {
                "received_at": "2026-01-01T18:00:00Z",
                "provider": "the_odds_api",
                "request": {"path": "/v4/sports/soccer_epl/odds", "params": {"markets": "h2h"}},
                "status": 401,
                "body": {"message": "API key is not valid.", "error_code": "INVALID_KEY"},
            }
        )
    )
    done = installation.fork("run", "--feed", refused, "--until-idle", "--json")
    assert done.returncode == 1
    assert "1 answers were not ingested" in done.stderr
    assert json.loads(done.stdout)["dead_letters"] == 1


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
