"""`manage.py circuit`: circuits looked at and overruled, and who did that, when and why."""

from __future__ import annotations

import getpass
import io
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils.dateparse import parse_datetime

from betting.db.clock import database_now
from betting.models import Provider
from streaming import tasks
from streaming.ingest.quarantine import quarantine_unsafe
from streaming.models import Circuit, CircuitTransition, FeedCircuit
from tests.support import rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quarantined")]

WHY = ("--reason", "They move house.")


@pytest.fixture
def quarantined(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The providers whose prices a task was sent to take off the board."""
    sent: list[int] = []
    monkeypatch.setattr(tasks.quarantine, "delay", sent.append)
    return sent


@pytest.fixture
def mine() -> Provider:
    return rows.make_provider(key="mine", next_poll_at=rows.NOON.replace(year=2999))


def circuit(*arguments: str) -> str:
    out = io.StringIO()
    call_command("circuit", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        circuit(*arguments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("action", "state", "mode"),
    [
        ("open", "open", "forced_open"),
        ("close", "closed", "forced_closed"),
        ("reset", "closed", "automatic"),
        ("disable", "closed", "disabled"),
    ],
)
def test_an_order_is_carried_out_and_kept_with_who_gave_it_when_and_why(
    mine: Provider, action: str, state: str, mode: str
) -> None:
    before = database_now()
    said = circuit(action, "mine", *WHY)
    after = database_now()

    row = Circuit.objects.get(provider=mine)
    assert (row.state, row.mode, row.reason) == (state, mode, "They move house.")
    assert f"mine: {mode}, {state}" in said
    kept = CircuitTransition.objects.get()
    assert (kept.provider, kept.from_state, kept.to_state) == (mine, "closed", state)
    assert (kept.mode, kept.reason) == (mode, "They move house.")
    assert kept.actor == f"shell:{getpass.getuser()}"
    assert row.since == kept.at
    assert before <= kept.at <= after


@pytest.mark.parametrize("error", [KeyError, OSError])  # of Python up to 3.12, and since 3.13
def test_a_user_without_a_name_is_kept_by_number(
    mine: Provider, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def nameless() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", nameless)
    circuit("open", mine.key, *WHY)
    assert CircuitTransition.objects.get().actor == f"shell:user {os.getuid()}"


def test_an_order_that_changes_nothing_is_kept_as_well(mine: Provider) -> None:
    for reason in ("They move house.", "They still do."):
        circuit("open", mine.key, "--reason", reason)
    reasons = CircuitTransition.objects.order_by("id").values_list("reason", flat=True)
    assert list(reasons) == ["They move house.", "They still do."]
    assert Circuit.objects.get().reason == "They still do."


def test_opening_has_the_prices_taken_off_the_board(mine: Provider, quarantined: list[int]) -> None:
    circuit("open", "mine", *WHY)
    assert quarantined == [mine.pk]
    mine.refresh_from_db()
    assert mine.generation == 1


@pytest.mark.parametrize("action", ["close", "reset", "disable"])
def test_whatever_lets_calls_pass_has_the_provider_polled_at_once(
    mine: Provider, action: str, quarantined: list[int]
) -> None:
    circuit(action, "mine", *WHY)
    mine.refresh_from_db()
    assert mine.next_poll_at is not None
    assert mine.next_poll_at <= database_now()
    assert (mine.generation, quarantined) == (0, [])


def test_opening_what_was_open_but_disabled_takes_off_what_has_come_since(mine: Provider) -> None:
    circuit("open", "mine", *WHY)
    circuit("disable", "mine", *WHY)
    mine.refresh_from_db()
    # Calls pass, and an answer to one is admitted.
    board = rows.make_board((1.9, 2.1), provider=mine)
    board.provider.feeds.update(generation=mine.generation)

    circuit("open", "mine", *WHY)

    assert quarantine_unsafe(database_now(), mine.pk) == [board.market.pk]


@pytest.mark.parametrize("reason", ["", "   ", "\n\t", "\u200b", "\x00\x07"])
@pytest.mark.parametrize("action", ["open", "close", "reset", "disable"])
def test_an_order_without_a_readable_reason_is_refused(
    mine: Provider, action: str, reason: str, quarantined: list[int]
) -> None:
    assert "Enter a reason." in refused(action, "mine", "--reason", reason)
    assert not CircuitTransition.objects.exists()
    assert set(Circuit.objects.values_list("provider", "mode")) <= {(mine.pk, "automatic")}
    assert quarantined == []


@pytest.mark.parametrize("action", ["open", "close", "reset", "disable"])
def test_an_order_that_names_no_reason_is_refused(mine: Provider, action: str) -> None:
    assert "--reason" in refused(action, mine.key)
    assert not CircuitTransition.objects.exists()


def test_a_reason_is_kept_on_one_line(mine: Provider) -> None:
    circuit("open", mine.key, "--reason", " They\nmove \x1b[31m house. ")
    assert CircuitTransition.objects.get().reason == "They move [31m house."


@pytest.mark.parametrize("arguments", [("show", "mime"), ("open", "mime", *WHY)])
def test_an_unknown_provider_is_answered_with_the_nearest(arguments: tuple[str, ...]) -> None:
    assert "no provider 'mime'; none has been added" in refused(*arguments)
    rows.make_provider(key="mine")

    assert "no provider 'mime'; did you mean mine?" in refused(*arguments)
    assert not Circuit.objects.exists()


def test_an_unknown_order_is_refused(mine: Provider) -> None:
    assert "invalid choice: 'trip'" in refused("trip", mine.key)


def test_all_circuits_are_shown_by_their_providers_names(mine: Provider) -> None:
    other = rows.make_provider(key="another")
    rows.make_circuit(mine, state="open", failures=3, reason="3 failures in a row", advice="Call.")
    rows.make_circuit(other, mode="disabled")

    lines = circuit("show").splitlines()

    ours = next(number for number, line in enumerate(lines) if "mine" in line)
    theirs = next(number for number, line in enumerate(lines) if "another" in line)
    assert theirs < ours
    for words in ("open", "automatic", "3 failures in a row", "Call."):
        assert words in lines[ours]
    assert "disabled" in lines[theirs]


def test_one_circuit_is_shown_with_its_history(mine: Provider) -> None:
    other = rows.make_provider(key="another")
    for provider in (mine, other):
        rows.make_circuit(provider)
        rows.make_transition(provider, reason=f"{provider.key} was slow")
    circuit("open", "mine", *WHY)

    said = circuit("show", "mine")

    assert "another" not in said
    assert said.index("shell:") < said.index("mine was slow")
    assert "the calls" in said


def test_programs_are_shown_all_of_a_state(mine: Provider) -> None:
    rows.make_circuit(rows.make_provider(key="another"))
    retry_at = datetime(2026, 3, 1, 12, 0, 4, tzinfo=UTC)
    rows.make_circuit(
        mine, state="open", since=rows.NOON, failures=3, recent="sfff", step=1, retry_at=retry_at,
        reason="3 failures in a row",
    )  # fmt: skip

    shown = json.loads(circuit("show", "mine", "--json"))
    listed = json.loads(circuit("show", "--json"))

    assert [one["provider"] for one in listed] == ["another", "mine"]
    assert shown == [listed[1]]
    assert parse_datetime(shown[0].pop("retry_at")) == retry_at
    assert parse_datetime(shown[0].pop("since")) == retry_at - timedelta(seconds=4)
    assert shown == [
        {
            "provider": "mine",
            "state": "open",
            "mode": "automatic",
            "failures": 3,
            "recent": "sfff",
            "step": 1,
            "probe_until": None,
            "pause_until": None,
            "successes": 0,
            "reason": "3 failures in a row",
            "advice": "",
            "feeds": [],
        }
    ]


def test_a_provider_that_was_never_polled_has_no_circuit_to_show(mine: Provider) -> None:
    assert json.loads(circuit("show", mine.key, "--json")) == []
    assert json.loads(circuit("show", "--json")) == []


FAILING = "/v4/sports/tennis_atp_us_open/odds?markets=h2h"


@pytest.fixture
def failing(mine: Provider) -> FeedCircuit:
    return rows.make_feed_circuit(
        mine,
        feed=FAILING,
        state="open",
        since=rows.NOON,
        failures=1,
        retry_at=rows.NOON + timedelta(days=1),
        reason="unknown_sport: HTTP 404",
        advice="Correct the provider's sports.",
    )


def test_a_feed_that_never_answered_is_shown_with_why_and_its_next_try(
    mine: Provider, failing: FeedCircuit
) -> None:
    rows.make_circuit(mine)
    shown = circuit("show", "mine")
    for words in (FAILING, "open", "2026-03-02 12:00:00", failing.reason, failing.advice):
        assert words in shown
    ((listed,),) = (one["feeds"] for one in json.loads(circuit("show", "--json", "mine")))
    assert (listed["key"], listed["observed_at"], listed["is_polled"]) == (FAILING, None, True)
    for arguments in (("list",), ("show", "mine")):
        out = io.StringIO()
        call_command("provider", *arguments, stdout=out)
        assert FAILING in out.getvalue()


def test_one_feed_is_reset_and_who_did_it_is_kept(mine: Provider, failing: FeedCircuit) -> None:
    other = rows.make_feed_circuit(
        mine, state="open", retry_at=rows.NOON, failures=1, reason="HTTP 403"
    )
    circuit("reset", "mine", "--feed", FAILING, *WHY)
    for row in (failing, other, mine):
        row.refresh_from_db()
    assert (failing.state, failing.failures, failing.retry_at) == ("closed", 0, None)
    assert other.state == "open"
    assert mine.next_poll_at is not None
    assert mine.next_poll_at <= database_now()
    kept = CircuitTransition.objects.get()
    assert (kept.feed, kept.reason) == (FAILING, "They move house.")
    assert kept.actor == f"shell:{getpass.getuser()}"


def test_a_feed_that_polls_do_not_ask_for_is_named_with_the_nearest(
    failing: FeedCircuit,
) -> None:
    said = refused("reset", "mine", "--feed", failing.feed[:-1], *WHY)
    assert "ask for no feed" in said
    assert failing.feed in said
