"""Circuits and dead letters, operated from afar."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from streaming.models import CircuitTransition, DeadLetter, DeadLetterAction
from tests.betting.web.api.test_access import assert_problem
from tests.support import rows

pytestmark = [pytest.mark.django_db]


@pytest.mark.parametrize(
    ("command", "state", "mode"),
    [
        ("open", "open", "forced_open"),
        ("close", "closed", "forced_closed"),
        ("reset", "closed", "automatic"),
        ("disable", "half_open", "disabled"),
    ],
)
def test_a_command_is_carried_out_in_the_operators_name(
    operator: APIClient, quarantined: list[int], command: str, state: str, mode: str
) -> None:
    circuit = rows.make_circuit(rows.make_provider(), state="half_open", reason="Time to probe.")
    address = f"/api/v1/circuits/{circuit.provider.key}/{command}/"

    answer = operator.post(address, {"reason": "They\nmove house."}, format="json")

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["mode"]) == (state, mode)
    kept = CircuitTransition.objects.get()
    assert (kept.actor, kept.reason) == ("ada", "They move house.")
    assert quarantined == ([circuit.provider_id] if command == "open" else [])


@pytest.mark.parametrize(
    "body", [{}, {"reason": ""}, {"reason": " \u0007 "}, {"reason": "x" * 301}]
)
def test_a_command_without_a_reason_is_not_carried_out(
    operator: APIClient, body: dict[str, str]
) -> None:
    circuit = rows.make_circuit(rows.make_provider())

    answer = operator.post(f"/api/v1/circuits/{circuit.provider.key}/open/", body, format="json")

    assert "reason" in assert_problem(answer, 400)["errors"]
    assert not CircuitTransition.objects.exists()


def test_a_provider_that_was_never_polled_can_be_kept_from_it(
    operator: APIClient, quarantined: list[int]
) -> None:
    provider = rows.make_provider()

    answer = operator.post(
        f"/api/v1/circuits/{provider.key}/open/", {"reason": "Not yet."}, format="json"
    )

    assert answer.json()["mode"] == "forced_open"
    assert quarantined == [provider.pk]


def test_a_command_to_nobody_is_a_problem(operator: APIClient) -> None:
    answer = operator.post("/api/v1/circuits/nobody/open/", {"reason": "Who?"}, format="json")

    assert_problem(answer, 404)


def test_a_letter_is_replayed_once(operator: APIClient) -> None:
    letter = rows.make_dead_letter()
    address = f"/api/v1/dead-letters/{letter.pk}/replay/"

    first, second = operator.post(address), operator.post(address)

    assert (first.status_code, first.json()["status"]) == (202, "replaying")
    assert first.json()["actions"][0]["requested_by"] == "ada"
    assert_problem(second, 409)
    assert DeadLetterAction.objects.count() == 1


@pytest.mark.parametrize("missing", [{"task": ""}, {"is_complete": False}])
def test_a_letter_that_cannot_be_replayed_is_a_conflict(
    operator: APIClient, missing: dict[str, object]
) -> None:
    letter = rows.make_dead_letter(**missing)

    assert_problem(operator.post(f"/api/v1/dead-letters/{letter.pk}/replay/"), 409)


def test_a_letter_is_discarded_for_a_reason_once(operator: APIClient) -> None:
    letter = rows.make_dead_letter()
    address = f"/api/v1/dead-letters/{letter.pk}/discard/"
    body = {"reason": "The event is over."}

    unsaid = operator.post(address, {}, format="json")
    first, second = (operator.post(address, body, format="json") for _ in range(2))

    assert_problem(unsaid, 400)
    assert (first.status_code, first.json()["discard_reason"]) == (200, "The event is over.")
    assert_problem(second, 409)
    assert DeadLetter.objects.get().status == "discarded"


def test_a_letter_comes_with_its_arguments_and_a_list_without(letter_reader: APIClient) -> None:
    letter = rows.make_dead_letter(traceback="Traceback …")
    rows.make_dead_letter_action(letter)

    whole = letter_reader.get(f"/api/v1/dead-letters/{letter.pk}/").json()
    (listed,) = letter_reader.get("/api/v1/dead-letters/").json()["results"]

    assert (whole["args"], whole["traceback"]) == ([[1], "batch"], "Traceback …")
    assert whole["actions"][0]["outcome"] == "failed"
    assert "traceback" not in listed


def test_a_letter_says_how_its_last_replay_ended_in_the_list_too(letter_reader: APIClient) -> None:
    letter = rows.make_dead_letter(provider="mine", feed="/odds")
    (untried,) = letter_reader.get("/api/v1/dead-letters/").json()["results"]
    rows.make_dead_letter_action(letter, ended_at=rows.NOON, error="KeyError: no sport")

    (listed,) = letter_reader.get("/api/v1/dead-letters/").json()["results"]

    assert (listed["provider"], listed["feed"]) == ("mine", "/odds")
    assert untried["last_replay_outcome"] is None
    assert listed["last_replay_outcome"] == "failed"
    assert listed["last_replay_ended_at"] == "2026-03-01T12:00:00Z"
    assert listed["last_replay_error"] == "KeyError: no sport"


def test_one_feed_of_a_provider_is_reset_and_the_others_are_not(operator: APIClient) -> None:
    circuit = rows.make_circuit(rows.make_provider(), state="half_open", reason="Time to probe.")
    failing = [
        rows.make_feed_circuit(circuit.provider, state="open", retry_at=rows.NOON, failures=1)
        for _ in range(2)
    ]
    address = f"/api/v1/circuits/{circuit.provider.key}/reset/"
    sent = {"reason": "The sport is back.", "feed": failing[0].feed}

    assert operator.post(address, sent, format="json").status_code == 200
    listed = operator.get("/api/v1/feed-circuits/", {"state": "open"}).json()["results"]
    assert [one["feed"] for one in listed] == [failing[1].feed]
    circuit.refresh_from_db()
    assert circuit.state == "half_open"
    assert operator.post(address, {**sent, "feed": "/nowhere"}, format="json").status_code == 404


def test_a_provider_has_the_plan_of_its_polls(operator: APIClient) -> None:
    planned = rows.make_circuit(rows.make_provider(), poll_plan=rows.PLANNED)
    unplanned = rows.make_circuit(rows.make_provider())
    unpolled = rows.make_provider()

    for key in (unplanned.provider.key, unpolled.key):
        assert operator.get(f"/api/v1/providers/{key}/").json()["plan"] is None
    assert operator.get(f"/api/v1/providers/{planned.provider.key}/").json()["plan"] == {
        "seconds": 41.0,
        "even_seconds": 30.0,
        "reason": rows.PLANNED["reason"],
        "saved": 12.5,
        "is_acting": False,
        "waits": [
            {"span": "< 3 h", "changes": 20.0, "even_seconds": 15.0, "adaptive_seconds": 9.0},
            {"span": "> 24 h", "changes": 10.0, "even_seconds": 15.0, "adaptive_seconds": 15.5},
        ],
    }


def test_a_circuit_has_the_risk_of_its_providers_next_calls(operator: APIClient) -> None:
    risky = rows.make_circuit(rows.make_provider(), call_history=rows.RISKY)
    unknown = rows.make_circuit(rows.make_provider())

    assert operator.get(f"/api/v1/circuits/{unknown.provider.key}/").json()["risk"] is None
    assert operator.get(f"/api/v1/circuits/{risky.provider.key}/").json()["risk"] == {
        "score": 1.0,
        "reason": "answers take 3.3 s, usually 0.4 s",
        "share": 0.7,
        "held": 3,
        "is_acting": False,
    }
