"""A simulated provider that tests poll over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streaming.simulator.running import RunningSimulator, running_simulator
from tests.support.polling import EPL, KEY, KEY_ENV, NBA, STILL
from tests.support.receiver import Receiver, running_receiver


@pytest.fixture(scope="session")
def _simulator() -> Iterator[RunningSimulator]:
    with running_simulator(sports=[EPL, NBA], policy=STILL, api_key=KEY) as simulator:
        yield simulator


@pytest.fixture
def simulator(
    _simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSimulator]:
    """A simulator without faults or past, whose key is in the environment."""
    monkeypatch.setenv(KEY_ENV, KEY)
    _simulator.calls.clear()
    yield _simulator
    _simulator.faults.clear()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook's receiver that takes whatever comes."""
    with running_receiver() as running:
        yield running
