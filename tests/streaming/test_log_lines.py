"""What the stages say of themselves; that their lines keep to the schema is tested on real runs."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from betting.config import get_config
from betting.logs import operations
from betting.models import Provider
from streaming.coalescing import buffer
from streaming.core.breaker import CallOutcome
from streaming.core.letters import Kind, Letter
from streaming.dead_letters.capture import record_letter
from streaming.polling.circuits import Admission, admit, give_command, record
from streaming.simulator.running import RunningSimulator
from streaming.tasks import coalesce_line_changes, poll_provider, sweep
from tests.support.logs import lines_of
from tests.support.polling import EPL, polled_provider
from tests.support.rows import make_provider
from tests.support.snapshots import at
from valuation.tasks import recompute_markets

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

CONFIG = replace(get_config(), circuit=replace(get_config().circuit, jitter_fraction=0.0))


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def told(caplog: pytest.LogCaptureFixture, action: str) -> list[dict[str, Any]]:
    return [line for line in lines_of(caplog.records) if line["action"] == action]


def calls(provider: Provider, what: CallOutcome, seconds: float) -> None:
    admission = admit(provider.pk, CONFIG, at(seconds))
    assert isinstance(admission, Admission)
    record(admission, replace(what, probe=admission.probe), CONFIG, at(seconds))


def test_a_cycle_its_poll_and_its_ingest_count_what_they_did(
    simulator: RunningSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    poll_provider(polled_provider(simulator).pk)

    (cycle,), (poll,), (ingest,) = (told(caplog, name) for name in ("cycle", "poll", "ingest"))
    assert (cycle["status"], poll["status"], ingest["status"]) == ("ok", "ok", "ok")
    assert (poll["provider"], poll["http_status"]) == ("simulated", 200)
    assert poll["quotes"] > 0
    assert poll["changes"] == ingest["changes"] > 0
    assert (cycle["answers"], cycle["markets"]) == (1, ingest["markets"])


def test_a_failed_poll_says_why_and_one_that_its_circuit_refuses_as_well(
    simulator: RunningSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.fail(EPL, "401")
    provider = polled_provider(simulator)
    poll_provider(provider.pk)
    poll_provider(provider.pk)

    failed, refused = told(caplog, "poll")
    assert (failed["status"], failed["kind"], failed["code"]) == (
        "failed", "permanent", "invalid_key",
    )  # fmt: skip
    assert (refused["status"], refused["code"]) == ("skipped", "refused")
    assert failed["reason"]
    assert refused["reason"]


def test_a_circuit_degrades_recovers_and_is_well_again(caplog: pytest.LogCaptureFixture) -> None:
    provider = make_provider(key="mine")
    for _ in range(3):
        calls(provider, CallOutcome(0.1, "transient", "down"), 0)
    for _ in range(2):
        calls(provider, CallOutcome(0.1), 1)
    give_command(provider, "open", "maintenance", "ann", at(2))

    lines = told(caplog, "transition")
    assert [(line["to_state"], line["status"]) for line in lines] == [
        ("open", "degraded"),
        ("half_open", "recovering"),
        ("closed", "ok"),
        ("open", "degraded"),
    ]
    assert {line["provider"] for line in lines} == {"mine"}


def test_a_recompute_of_markets_that_are_up_to_date_is_skipped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recompute_markets([1, 2], "batch")
    (line,) = told(caplog, "recompute")
    assert (line["status"], line["markets"], line["valued"]) == ("skipped", 2, 0)


def test_what_finds_nothing_to_quarantine_leaves_no_line(caplog: pytest.LogCaptureFixture) -> None:
    sweep()
    assert told(caplog, "quarantine") == []


def test_a_flush_tells_of_the_markets_whose_recompute_is_on_its_way_already(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "_every", dict)
    shards = CONFIG.coalesce.shards
    buffer.push({shards: 1}, CONFIG.coalesce)
    coalesce_line_changes(0)
    buffer.push({shards: 1, 2 * shards: 3}, CONFIG.coalesce)
    coalesce_line_changes(0)

    flushes = [(line["changes"], line["markets"]) for line in told(caplog, "batch_flush")]
    assert flushes == [(1, 1), (4, 1)]
    assert [line["markets"] for line in told(caplog, "debounce_skip")] == [1]


@pytest.mark.parametrize(
    ("kind", "levels"), [(Kind.EXCEPTION, [logging.ERROR]), (Kind.DELIVERY, [])]
)
def test_a_dead_letter_is_an_error_unless_its_delivery_has_a_line_of_its_own(
    caplog: pytest.LogCaptureFixture, kind: Kind, levels: list[int]
) -> None:
    record_letter(Letter(kind=kind, task="a.b", exception="ValueError"))
    assert [each.levelno for each in caplog.records if each.name == "hardline.deadletter"] == levels
