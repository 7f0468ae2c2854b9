"""When ended servers are started again; that they start is tested in tests/betting/runtime."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from betting.config import Config
from betting.runtime.embedded import EmbeddedError
from streaming.runner import server_watch
from streaming.runner.server_watch import ServerWatch
from streaming.runner.terminal import Terminal


def test_servers_that_end_again_and_again_are_started_each_time_later(
    servers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.StringIO()
    tried_at: list[int] = []

    def restart(_: Config) -> list[str]:
        tried_at.append(now)
        if now >= 8:
            raise EmbeddedError("PostgreSQL did not start")
        return ["Redis"]

    monkeypatch.setattr(server_watch, "restart_dead", restart)
    terminal = Terminal(Console(file=output))
    watch = ServerWatch(servers, terminal)
    for now in range(1, 40):
        watch.look(now)
    terminal.flush()
    assert tried_at == [1, 2, 4, 8, 16, 32]
    assert output.getvalue().count("Redis had ended; started again.") == 3
    assert output.getvalue().count("PostgreSQL did not start") == 3


def test_a_server_that_ran_steadily_is_started_at_once(
    servers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = {1: ["Redis"], 2: ["Redis"], 40: ["PostgreSQL"], 41: ["PostgreSQL"]}
    restarted: list[int] = []

    def restart(_: Config) -> list[str]:
        found = ends.pop(now, [])
        restarted.extend([now] * bool(found))
        return found

    monkeypatch.setattr(server_watch, "restart_dead", restart)
    watch = ServerWatch(servers, Terminal(Console(file=io.StringIO())))
    for now in range(1, 42):
        watch.look(now)
    assert restarted == [1, 2, 40, 41]
