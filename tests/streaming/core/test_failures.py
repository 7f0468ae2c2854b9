from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import (
    MAX_RETRY_AFTER_SECONDS,
    DataFailure,
    ErrorMeaning,
    PermanentFailure,
    ProviderFailure,
    TransientFailure,
    classify_status,
    retry_after_seconds,
)
from streaming.core.texts import one_line

NOW = datetime(2026, 3, 1, 18, tzinfo=UTC)
MEANINGS = {
    "QUOTA_USED": ErrorMeaning("permanent", "Wait."),
    "TOO_OFTEN": ErrorMeaning("transient"),
}


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "permanent", "refused"),
        (401, "permanent", "key_rejected"),
        (402, "permanent", "payment_required"),
        (403, "permanent", "forbidden"),
        (404, "permanent", "not_found"),
        (408, "transient", "timeout"),
        (422, "permanent", "refused"),
        (425, "transient", "too_early"),
        (429, "transient", "rate_limited"),
        (301, "permanent", "redirected"),
        (304, "data", "not_modified"),
        (500, "transient", "server_error"),
        (503, "transient", "server_error"),
        (599, "transient", "server_error"),
        (101, "data", "unexpected_status"),
        (204, "data", "unexpected_status"),
        (999, "data", "unexpected_status"),
    ],
)
def test_a_status_alone_decides_without_a_known_code(status: int, kind: str, code: str) -> None:
    for error_code in (None, "", "NEVER_HEARD_OF"):
        failure = classify_status(status, error_code=error_code, meanings=MEANINGS)
        assert (failure.kind, failure.code) == (kind, code)
        assert failure.message.startswith(f"HTTP {status}")


def test_a_refusal_concerns_the_feed_unless_a_known_code_says_otherwise() -> None:
    meanings = {**MEANINGS, "NO_SUCH_SPORT": ErrorMeaning("permanent", "Correct it.", "feed")}
    for status in (301, 304, 401, 403, 404, 422, 204):
        assert classify_status(status, meanings=meanings).scope == "feed"
    for status in (408, 429, 500, 503):
        assert classify_status(status, meanings=meanings).scope == "provider"
    sport = classify_status(404, error_code="NO_SUCH_SPORT", meanings=meanings)
    quota = classify_status(401, error_code="QUOTA_USED", meanings=meanings)
    assert (sport.scope, quota.scope) == ("feed", "provider")


def test_only_a_known_code_waits_for_a_person() -> None:
    page, known = (
        classify_status(403),
        classify_status(403, error_code="QUOTA_USED", meanings=MEANINGS),
    )
    assert isinstance(page, PermanentFailure)
    assert isinstance(known, PermanentFailure)
    assert (page.needs_person, known.needs_person) == (False, True)


@given(st.integers(100, 599))
def test_a_known_code_decides_whatever_the_status(status: int) -> None:
    used = classify_status(status, error_code="QUOTA_USED", meanings=MEANINGS)
    assert isinstance(used, PermanentFailure)
    assert (used.code, used.advice) == ("quota_used", "Wait.")
    often = classify_status(
        status, error_code="TOO_OFTEN", retry_after_seconds=4.0, meanings=MEANINGS
    )
    assert isinstance(often, TransientFailure)
    assert often.retry_after_seconds == 4.0


def test_a_permanent_failure_always_has_advice() -> None:
    for status in range(300, 500):
        failure = classify_status(status)
        assert not isinstance(failure, PermanentFailure) or failure.advice


def test_the_providers_own_words_are_kept_on_one_short_line() -> None:
    failure = classify_status(422, detail="no\r\nsuch\x1b[31m market " + "x" * 1000)
    assert failure.message.startswith("HTTP 422: no such [31m market xxx")
    assert len(failure.message) <= 220
    assert failure.message.isprintable()


@pytest.mark.parametrize(
    "failure",
    [
        TransientFailure("timeout", "too late", 2.5),
        TransientFailure("reset", "cut"),
        PermanentFailure("key_missing", "no key", "Set it."),
        PermanentFailure("forbidden", "HTTP 403", "Check it.", scope="feed", needs_person=False),
        DataFailure("bad_price", "0", "$[1].price"),
    ],
)
def test_a_failure_survives_copying_and_pickling(failure: ProviderFailure) -> None:
    for twin in (pickle.loads(pickle.dumps(failure)), copy.copy(failure)):
        assert type(twin) is type(failure)
        assert (twin.args, str(twin), vars(twin)) == (failure.args, str(failure), vars(failure))


def test_the_place_of_a_data_failure_is_seen_from_further_out() -> None:
    failure = DataFailure("bad_price", "No price.", "price").within("outcomes[1]").within("$[3]")
    assert failure.where == "$[3].outcomes[1].price"
    assert str(failure) == "No price. (at $[3].outcomes[1].price)"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("Sun, 01 Mar 2026 18:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 18:01:30 -0000", 90.0),
        ("Sun, 01 Mar 2026 17:00:00 GMT", 0.0),
        ("9" * 5000, MAX_RETRY_AFTER_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER_SECONDS),
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("nan", None),
    ],
)
def test_a_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, NOW) == seconds


@given(st.text(), st.datetimes(timezones=st.just(UTC)))
def test_a_retry_after_of_any_kind_is_bounded(value: str, now: datetime) -> None:
    seconds = retry_after_seconds(value, now)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_SECONDS


@given(st.integers(1, 86_000))
def test_a_date_means_what_the_seconds_mean(seconds: int) -> None:
    date = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert retry_after_seconds(date, NOW) == retry_after_seconds(str(seconds), NOW) == seconds


@given(st.text())
def test_one_line_is_printable_and_short(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 200
    assert one_line(line) == line.strip()
