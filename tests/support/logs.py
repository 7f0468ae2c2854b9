"""What Hardline has logged, as facts."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import StringIO
from logging import LogRecord
from pathlib import Path
from typing import Any

import pytest

from betting.config import CHECKOUT, LogConfig
from betting.log_schema import Facts, Line, validated
from betting.logs.rendering import formatter

NO_LINE = re.compile(r"|worker: \w+ shutdown \(MainProcess\)|The Odds API v4, simulated, on .*")
"""What Celery writes from within a signal's handler, and a command's answer to who started it."""

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged while the test runs, as a reader of the JSON has it."""
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter(LogConfig(format="json"), is_terminal=False))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


def lines_of(records: Sequence[LogRecord], category: str = "") -> list[dict[str, Any]]:
    """The lines of Hardline's own among some records, before they are rendered."""
    return [
        record.msg
        for record in records
        if isinstance(record.msg, dict) and record.msg["category"].startswith(category)
    ]


def rendered(records: Iterable[LogRecord]) -> list[str]:
    """Records as they are written: one JSON object each."""
    json_formatter = formatter(LogConfig(format="json"), is_terminal=False)
    return [json_formatter.format(record) for record in records]


def documented_facts() -> dict[str, set[str]]:
    """What docs/logging.md says of each action: the facts that its lines may hold."""
    text = (CHECKOUT / "docs" / "logging.md").read_text().partition("## Actions")[2]
    rows = [row.split("|") for row in text.splitlines() if row.startswith("| `")]
    return {row[1].strip(" `"): set(re.findall(r"`(\w+)`", row[4])) for row in rows}


def assert_is_line(text: str) -> Line:
    """Check a line of a log against the schema and against what is documented of its action."""
    line = validated(json.loads(text))
    unexpected = (line.keys() & Facts.__annotations__.keys()) - documented_facts()[line["action"]]
    assert not unexpected, text
    return line


def read_logs(folder: Path) -> list[Line]:
    """Every line of every log in a folder, oldest first; each has to be one."""
    texts = (text for log in sorted(folder.glob("*.log*")) for text in log.read_text().splitlines())
    lines = [assert_is_line(text) for text in texts if not NO_LINE.fullmatch(text)]
    return sorted(lines, key=lambda line: line["timestamp"])
