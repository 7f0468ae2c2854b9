from __future__ import annotations

import json
import logging
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from betting.config import LogConfig
from betting.log_schema import FIELDS, validated
from betting.logs import note, operation
from betting.logs.ecs import NAMES
from betting.logs.rendering import formatter, logging_settings
from betting.runtime.process_wrapper import LONGEST_LINE_BYTES
from tests.support.logs import Lines

SECRET = "5ecre7c0ffee"
JSON = formatter(LogConfig(format="json"), is_terminal=False)


def rendered(text: str, error: Exception | None = None) -> str:
    """The line of a library that logs a text, or of one of ours that says it as a reason."""
    exc_info = (type(error), error, None) if error else None
    return JSON.format(logging.LogRecord("lib", logging.INFO, "lib.py", 1, text, (), exc_info))


@given(st.text(), st.text())
def test_whatever_is_logged_is_one_line_that_fits_the_schema(text: str, words: str) -> None:
    line = rendered(text, ValueError(words))
    assert "\n" not in line
    validated(json.loads(line))


@settings(deadline=None)
@given(st.text(alphabet=st.characters(), min_size=1), st.integers(1, 200_000))
def test_no_line_is_longer_than_what_a_log_is_copied_in(text: str, times: int) -> None:
    long = (text * times)[:200_000]
    assert len(rendered(long, ValueError(long)).encode()) < LONGEST_LINE_BYTES


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://a.example/odds?apiKey={SECRET}&markets=h2h",
        f"redis://:{SECRET}@host/0 is away",
        f"token='{SECRET}'",
        f"Authorization: Bearer {SECRET}",
    ],
)
def test_no_secret_is_rendered_of_a_message_a_fact_or_a_traceback(lines: Lines, text: str) -> None:
    logging.getLogger("aiohttp.client").warning("failed: %s", text)
    note("provider", "poll", text, reason=text)
    with pytest.raises(ConnectionError), operation("provider", "poll", feed=text):
        raise ConnectionError(text)
    assert len(lines()) == 3
    assert SECRET not in str(lines())


@pytest.mark.parametrize(
    ("name", "category"),
    [("django.request", "web"), ("waitress", "web"), ("celery.worker", "system")],
)
def test_a_library_s_record_is_a_line_with_a_category(
    lines: Lines, name: str, category: str
) -> None:
    logging.getLogger(name).error("Not Found: %s", "/nowhere")
    (line,) = lines()
    assert validated(line)["event"] == "Not Found: /nowhere"
    facts = {"category": category, "action": "library", "status": "failed", "logger": name}
    assert line.items() >= facts.items()


def test_a_console_has_no_json() -> None:
    record = logging.LogRecord("celery", logging.INFO, "x.py", 1, "ready", (), None)
    for config, is_terminal in ((LogConfig(format="console"), False), (LogConfig(), True)):
        shown = formatter(config, is_terminal=is_terminal).format(record)
        assert "ready" in shown
        assert not shown.startswith("{")
    assert formatter(LogConfig(), is_terminal=False).format(record).startswith("{")


def test_the_elastic_common_schema_is_a_format() -> None:
    record = logging.LogRecord("lib", logging.ERROR, "x.py", 1, "broken", (), None)
    ecs = formatter(LogConfig(format="ecs"), is_terminal=False)
    line = json.loads(ecs.format(record))
    assert (
        line.items()
        >= {
            "ecs.version": "8.11.0",
            "log.level": "error",
            "message": "broken",
            "event.category": "system",
            "event.action": "library",
            "event.outcome": "failure",
            "hardline.status": "failed",
        }.items()
    )
    assert line["@timestamp"].endswith("Z")
    assert set(NAMES) <= set(FIELDS)


LINE: dict[str, Any] = {
    "timestamp": "2026-03-01T12:00:00.000Z",
    "level": "info",
    "category": "streaming",
    "action": "ingest",
    "status": "ok",
    "event": "ingest ok",
    "logger": "hardline.streaming",
    "process": 7,
}


def test_a_line_needs_no_more_than_what_every_line_has() -> None:
    assert validated(LINE) == LINE


@pytest.mark.parametrize(
    "wrong",
    [
        {"timestamp": "2026-03-01 12:00"},
        {"action": "dance"},
        {"status": "fine"},
        {"markets": -1},
        {"markets": "three"},
        {"trace_id": "7"},
        {"extra": 1},
    ],
)
def test_a_line_with_something_wrong_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        validated(LINE | wrong)


@pytest.mark.parametrize("missing", sorted(LINE))
def test_a_line_without_a_required_field_is_refused(missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        validated({name: value for name, value in LINE.items() if name != missing})


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_no_logger_is_louder_than_it_was_asked_to_be(level: Literal["DEBUG", "ERROR"]) -> None:
    loggers = logging_settings(LogConfig(level=level))["loggers"]
    wanted = logging.getLevelNamesMapping()[level]
    levels = [each["level"] for each in loggers.values()]
    assert all(each == "NOTSET" or each >= wanted for each in levels)
