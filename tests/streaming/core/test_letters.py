"""What a letter keeps: never a secret, never more than its bounds, always something storable."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.letters import (
    MAX_ARGUMENTS_CHARS,
    MAX_TRACEBACK_CHARS,
    Kind,
    Letter,
    digest,
    fingerprint,
    frames,
    redacted,
)
from streaming.core.redaction import BLANK, scrub_text
from tests.streaming.core.test_redaction import json_values

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNIQUE = "0" * 32
SECRET = "5ecre7c0ffee5ecre7c0ffee"
TRACEBACK = """Traceback (most recent call last):
  File "/srv/app/streaming/poll.py", line {line}, in take
    run()
  File "/srv/app/streaming/ingest.py", line 7, in ingest
    raise ValueError(17)
ValueError: 17
"""


def redact(**fields: Any) -> Letter:
    return redacted(Letter(**{"kind": Kind.EXCEPTION, "task": "a.b", **fields}), NOON, UNIQUE)


@given(st.lists(json_values, max_size=3), st.dictionaries(st.text(), json_values, max_size=3))
def test_redacting_twice_is_redacting_once(args: list[Any], kwargs: dict[str, Any]) -> None:
    once = redact(args=args, kwargs=kwargs, message="key=1", task_id="t")
    assert redacted(once, NOON + timedelta(1), "1" * 32) == once
    assert msgspec.json.decode(msgspec.json.encode(once), type=Letter) == once


@pytest.mark.parametrize(
    "text",
    [
        f"https://a.example/odds?apiKey={SECRET}&markets=h2h",
        f"https://a.example/odds?key={SECRET}",
        f"redis://:{SECRET}@cache.example/0 is away",
        f"postgresql://odds:{SECRET}@db.example/odds",
        f"Authorization: Bearer {SECRET}",
        f"{{'x-api-key': '{SECRET}', 'a': 1}}",
        f'{{"client_secret": "{SECRET}"}}',
        f"Authorization: Token {SECRET}",
        f'{{"Authorization": "Token {SECRET}"}}',
        f"whsec_{SECRET}",
        f"signed with whsec_{SECRET}=, as configured",
        f"postgres://u:p/{SECRET}@host/db",
        f'{{\\"apiKey\\": \\"{SECRET}\\"}}',
        f"login(password='{SECRET}')",
        f"token={SECRET}",
        f"Authorization: Basic {SECRET}",
        f"{{'proxy-authorization': b'Basic {SECRET}'}}",
    ],
)
def test_a_secret_in_a_text_is_blanked_wherever_it_is(text: str) -> None:
    letter = redact(message=text, traceback=text, body=text)
    assert SECRET not in msgspec.json.encode(letter).decode()
    assert BLANK in scrub_text(text)


@pytest.mark.parametrize("name", ["key", "api_key", "ApiKey", "token", "X-Auth-Token", "password"])
def test_an_argument_that_goes_by_a_secret_name_is_blanked_and_the_letter_incomplete(
    name: str,
) -> None:
    letter = redact(kwargs={"outer": [{name: SECRET}]})
    assert letter.kwargs == {"outer": [{name: BLANK}]}
    assert not letter.is_complete


def test_arguments_without_secrets_are_kept_as_they_are() -> None:
    letter = redact(args=[[1, 2], "major"], kwargs={"sport_key": "nba", "price": 1.91, "at": None})
    assert letter.args == [[1, 2], "major"]
    assert letter.kwargs == {"sport_key": "nba", "price": 1.91, "at": None}
    assert letter.is_complete


def test_arguments_that_are_too_large_leave_a_glimpse_and_an_incomplete_letter() -> None:
    letter = redact(args=[list(range(MAX_ARGUMENTS_CHARS))])
    assert not letter.is_complete
    assert len(json.dumps(letter.args)) < MAX_ARGUMENTS_CHARS
    assert letter.args[0].startswith("[[[0, 1, 2, ")


def test_the_end_of_a_long_traceback_is_kept() -> None:
    letter = redact(traceback="x" * 2 * MAX_TRACEBACK_CHARS + "ValueError: 17")
    assert len(letter.traceback) == MAX_TRACEBACK_CHARS
    assert letter.traceback.endswith("ValueError: 17")


def test_an_end_has_one_id_however_it_is_told_and_another_try_another() -> None:
    first = redact(task_id="t", retries=0)
    assert first.id == redact(task_id="t", retries=0, kind=Kind.HOOK, message="other").id
    assert first.id != redact(task_id="t", retries=1).id
    assert redact().id == UNIQUE


def test_a_cause_is_where_it_was_raised_and_no_line_number() -> None:
    one, moved = (redact(traceback=TRACEBACK.format(line=line)) for line in (12, 99))
    assert frames(one.traceback) == ["streaming/poll.py:take", "streaming/ingest.py:ingest"]
    assert fingerprint(one) == fingerprint(moved)
    assert fingerprint(one) != fingerprint(redact(traceback=one.traceback, task="a.c"))
    assert fingerprint(one) != fingerprint(redact(traceback=one.traceback, kind=Kind.HOOK))


def test_letters_of_one_cause_and_other_arguments_are_two_unless_their_subject_is_one() -> None:
    assert digest(redact(args=[1])) != digest(redact(args=[2]))
    assert digest(redact(args=[1])) == digest(redact(args=[1]))
    assert digest(redact(args=[1], subject="s")) == digest(redact(args=[2], subject="s"))


@pytest.mark.parametrize(
    "part", ["token", "x", "a.", "token ", "?a", "a://", "'", 'File "', "&token"]
)
def test_a_long_text_costs_no_more_than_its_length(part: str) -> None:
    text = part * (400_000 // len(part))
    letter = redact(message=text, traceback=text, body=text, args=[text], kwargs={part: text})
    assert len(fingerprint(letter)) == 16
