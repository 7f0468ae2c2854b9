"""A letter as Sentry's event: the same cause, the same place, nothing more than the letter says."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from streaming.core.letter_event import event_of
from streaming.core.letters import Kind, Letter, fingerprint, redacted
from tests.streaming.core.test_letters import TRACEBACK

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LETTER = Letter(
    kind=Kind.EXCEPTION,
    task="streaming.poll_provider",
    args=["arguments stay in the letter"],
    body="and so does a body",
    queue="poll",
    exception="builtins.ValueError",
    message="17",
    traceback=TRACEBACK.format(line=12),
    provider="odds_us",
    sentry_event_id="0" * 32,
)


def test_an_event_is_found_by_what_a_letter_is_found_by() -> None:
    event = event_of(LETTER)
    assert event["event_id"] == LETTER.sentry_event_id
    assert event["fingerprint"] == [fingerprint(LETTER)]
    assert event["tags"] == {
        "kind": "exception",
        "task": "streaming.poll_provider",
        "queue": "poll",
        "provider": "odds_us",
    }


def test_its_frames_are_those_of_the_traceback_outermost_first() -> None:
    (exception,) = event_of(LETTER)["exception"]["values"]
    assert (exception["type"], exception["module"], exception["value"]) == (
        "ValueError", "builtins", "17",
    )  # fmt: skip
    frames = exception["stacktrace"]["frames"]
    assert [(f["filename"], f["lineno"], f["function"], f["context_line"]) for f in frames] == [
        ("streaming/poll.py", 12, "take", "run()"),
        ("streaming/ingest.py", 7, "ingest", "raise ValueError(17)"),
    ]


def test_arguments_and_bodies_are_not_sent() -> None:
    words = str(event_of(LETTER))
    assert "arguments stay" not in words
    assert "so does a body" not in words


@given(st.sampled_from(Kind), st.text(), st.text(), st.text(), st.text())
def test_whatever_a_letter_holds_its_event_is_json(
    kind: Kind, task: str, exception: str, message: str, traceback: str
) -> None:
    told = f'File "{traceback}", line {len(traceback)}, in {message}\n    {exception}'
    letter = redacted(
        Letter(kind=kind, task=task, exception=exception, message=message, traceback=told),
        NOON,
        "0" * 32,
    )
    event = event_of(letter)
    assert json.loads(json.dumps({**event, "timestamp": str(event["timestamp"])}))
    assert event["exception"]["values"][0]["type"]
