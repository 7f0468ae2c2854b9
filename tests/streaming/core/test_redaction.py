"""Redaction: what only looks like a secret stays, and every result is storable JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.redaction import BLANK, scrub, scrub_text

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_is_scrubbed_is_json_that_postgresql_can_hold_and_stays_as_it_is(value: Any) -> None:
    once = scrub(value)
    text = json.dumps(once, allow_nan=False, ensure_ascii=False)
    assert "\x00" not in text
    assert "\\u0000" not in text
    text.encode()
    assert scrub(once) == once


@given(
    st.text(st.characters(exclude_characters=":", exclude_categories=["C"]), max_size=40),
    st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=40),
)
def test_a_user_and_password_are_blanked_wherever_they_are(user: str, password: str) -> None:
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    for text in (f"sent Basic {credentials}, was refused", f"basic  {credentials}"):
        assert scrub(text) == text.replace(credentials, BLANK).replace("  ", " ")


@pytest.mark.parametrize(
    "text",
    [
        "Basic Fantastic",
        "Basic Instinct @ Plain Speaking",
        "Basic Training v Advanced Training",
        "basic authentication is not supported",
    ],
)
def test_what_only_begins_like_a_credential_is_kept(text: str) -> None:
    assert scrub(text) == scrub_text(text) == text
