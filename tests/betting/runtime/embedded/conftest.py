"""Private servers in homes of their own, removed after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from betting.config import Config, load
from betting.runtime import embedded
from betting.runtime.embedded.state import State, state_of
from tests.support.cluster import lay, make_room


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    config = load({"HARDLINE_HOME": str(tmp_path / "home")})
    yield config
    embedded.remove_state(config)


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A home without servers, whose data directory the homes of tests have one after the other."""
    lender = load({"HARDLINE_HOME": str(tmp_path_factory.mktemp("lender") / "home")})
    yield lender
    embedded.remove_state(lender)


@pytest.fixture
def laid(cluster: Path, lender: Config, config: Config) -> Iterator[None]:
    """The home has a data directory: making one takes a second, and copying it most of that."""
    lay(cluster, lender)  # at first, and after a test that has deleted it
    lent, borrowed = state_of(lender).postgres_data, state_of(config).postgres_data
    make_room(config)
    lent.rename(borrowed)
    yield
    embedded.stop(config)
    if borrowed.exists():
        borrowed.rename(lent)


@pytest.fixture
def state(config: Config) -> State:
    return state_of(config)
