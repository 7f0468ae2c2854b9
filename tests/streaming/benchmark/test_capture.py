"""A captured baseline, kept as a row."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from streaming.benchmark.baseline import decode
from streaming.benchmark.capture import store
from streaming.models import BaselineSnapshot
from tests.support.baselines import a_baseline
from tests.support.rows import NOON


@pytest.mark.django_db
def test_a_stored_baseline_is_the_document() -> None:
    until = NOON + timedelta(seconds=60)
    baseline = a_baseline(label="a quiet evening")
    store(baseline, until)
    row = BaselineSnapshot.objects.get()
    assert (row.label, row.captured_at, row.seconds, row.schema) == (
        "a quiet evening", until, 60.0, 1,
    )  # fmt: skip
    assert decode(msgspec.json.encode(row.baseline)) == baseline
