"""Private servers in homes of their own, removed after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from betting.config import Config, load
from betting.runtime import embedded
from betting.runtime.embedded.state import State, state_of


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    config = load({"HARDLINE_HOME": str(tmp_path / "home")})
    yield config
    embedded.remove_state(config)


@pytest.fixture
def state(config: Config) -> State:
    return state_of(config)
