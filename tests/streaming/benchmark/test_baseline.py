"""The document: what is read back, and what is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.benchmark.baseline import SCHEMA, BaselineError, decode
from tests.support.baselines import a_baseline


@given(st.integers(0, 50), st.integers(0, 1_000))
def test_a_document_reads_back_equal(failed_calls: int, changes: int) -> None:
    baseline = a_baseline(failed_calls=failed_calls, changes=changes)
    assert decode(msgspec.json.encode(baseline)) == baseline


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"[]", "not a baseline"),
        (b"", "not a baseline"),
        (b"{}", "schema none"),
        (b'{"schema": "1"}', "schema"),
        (b'{"schema": %d}' % (SCHEMA + 1), "schema 2 cannot be read here"),
        (b'{"schema": %d}' % SCHEMA, "missing required field"),
    ],
)
def test_what_is_no_baseline_is_refused_with_the_reason(document: bytes, message: str) -> None:
    with pytest.raises(BaselineError, match=message):
        decode(document)
