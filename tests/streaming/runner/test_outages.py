"""The live line names what is down, instead of showing zeros for ever."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from django.db import OperationalError
from redis import Redis
from rich.console import Console

from betting.config import Config
from streaming.runner import run_loop
from streaming.runner import terminal as terminals
from streaming.runner.outages import what_is_down
from streaming.runner.summary import RecentActivity
from streaming.runner.terminal import Terminal
from tests.support import rows

pytestmark = pytest.mark.django_db


def live_line(config: Config) -> str:
    return run_loop.activity_line(RecentActivity(), config)


@pytest.mark.usefixtures("redis")
def test_nothing_is_named_while_everything_answers(servers: Config) -> None:
    rows.make_circuit(rows.make_provider())
    rows.make_circuit(rows.make_provider(), state="open", mode="disabled", reason="HTTP 503")
    rows.make_circuit(rows.make_provider(enabled=False), state="open", reason="HTTP 503")
    assert what_is_down(servers) == []
    assert live_line(servers).startswith("0.0 polls/s")


def test_a_redis_that_refuses_is_named_with_the_reason(servers: Config) -> None:
    nobody = replace(servers, redis_url="redis://127.0.0.1:1/0")
    line = live_line(nobody)
    assert line.startswith("Redis does not answer: ")
    assert "refused" in line
    assert "polls/s" in line


@pytest.mark.parametrize(
    ("state", "mode"),
    [("open", "automatic"), ("half_open", "automatic"), ("closed", "forced_open")],
)
def test_a_provider_whose_circuit_refuses_is_named_with_the_reason(
    servers: Config, redis: Redis, state: str, mode: str
) -> None:
    assert redis.ping()
    provider = rows.make_provider(key="odds_us")
    rows.make_circuit(provider, state=state, mode=mode, reason="HTTP 503")
    assert live_line(servers).startswith("odds_us is not polled: HTTP 503 · 0.0 polls/s")


def test_a_postgresql_that_goes_away_replaces_the_rates_of_a_moment_ago(
    servers: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Config) -> list[str]:
        raise OperationalError("the connection is closed")

    output = io.StringIO()
    terminal = Terminal(Console(file=output, width=500))
    monkeypatch.setattr(terminals, "_LINE_SECONDS", 0.0)
    terminal._line_due_at = 0.0
    job = run_loop.showing_activity(terminal, servers)
    monkeypatch.setattr(run_loop, "what_is_down", fails)

    def look_until_it_has_failed() -> None:
        while True:
            job.action()
            terminal.flush()  # lines that come faster than they are written are lost

    with pytest.raises(OperationalError):
        look_until_it_has_failed()
    terminal.flush()
    assert output.getvalue().endswith("PostgreSQL does not answer: the connection is closed\n")
