"""The end of a simulated run; what it does is tested in tests/integration."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from betting.config import Config
from streaming.runner import simulated_run
from streaming.runner.run_loop import InterruptedRunError, RunLoop
from streaming.runner.simulated_run import Simulation


class Interrupted:
    """A loop that is to stop."""

    def wait_until(self, *_: object) -> None:
        raise InterruptedRunError("interrupted")


def test_an_interrupted_run_waits_for_no_frozen_postgresql(
    servers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen, answers = threading.Event(), []
    monkeypatch.setattr(
        simulated_run, "_leave_providers_alone", lambda: answers.append(frozen.wait(30))
    )
    monkeypatch.setattr(simulated_run, "LEAVE_SECONDS", 0.01)
    loop = cast("RunLoop", Interrupted())
    said = simulated_run._conduct(loop, servers, Simulation(seconds=1.0, seed=1, speed=1.0))
    assert said == "Interrupted."
    assert not answers
    frozen.set()
