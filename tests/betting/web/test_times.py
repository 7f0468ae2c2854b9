"""Times as elements: their words as of now, and what the script needs to keep them true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from betting.web.templatetags import times

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
BEFORE = NOON - timedelta(minutes=14, seconds=28)


def test_a_time_has_its_words_as_of_now_and_its_exact_time() -> None:
    assert times.ago(BEFORE, NOON) == (
        '<time datetime="2026-03-01T11:45:32+00:00" title="1 Mar 2026, 11:45:32 UTC" data-ago>'
        "14 min 28 s ago</time>"
    )
    assert ">14 min 28 s</time>" in times.lasting(BEFORE, NOON)
    assert 'title="since 1 Mar 2026, 11:45:32 UTC" data-for' in times.lasting(BEFORE, NOON)


def test_without_now_it_is_the_time_of_the_readers_day() -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        assert times.ago(BEFORE).endswith("data-ago>20:45:32</time>")
        assert 'title="1 Mar 2026, 20:45:32 JST" data-start>1 Mar 20:45<' in times.start(BEFORE)
    assert times.ago(BEFORE).endswith("data-ago>11:45:32</time>")


@pytest.mark.parametrize(("seconds", "words"), [(90, "in 1 min 30 s"), (0, "now"), (-5, "now")])
def test_what_is_ahead_becomes_now(seconds: int, words: str) -> None:
    assert times.ahead(NOON + timedelta(seconds=seconds), NOON).endswith(f" data-in>{words}</time>")


def test_a_moment_has_its_date_unless_that_is_todays() -> None:
    assert ">11:45:32<" in times.moment(BEFORE, NOON)
    assert ">2026-03-01 11:45:32<" in times.moment(BEFORE, NOON + timedelta(days=1))


def test_what_never_was_is_said_in_words() -> None:
    assert (times.ago(None, NOON), times.moment(None, NOON)) == ("never", "not recorded")
