from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest

from betting.config import LogConfig
from betting.logs.rendering import formatter

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
