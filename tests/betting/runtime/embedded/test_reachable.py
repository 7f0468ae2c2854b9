"""A server that the configuration names and nobody reaches is one sentence, within seconds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from betting.config import Config, load
from betting.runtime.embedded import EmbeddedError, ensure_running
from betting.runtime.embedded.reachable import require_reachable
from tests.integration.conftest import environment_of_workers

REFUSED = 1  # a port that nothing listens on


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("scheme", "variable", "server"),
    [("postgresql", "DATABASE_URL", "PostgreSQL"), ("redis", "REDIS_URL", "Redis")],
)
def test_a_server_that_refuses_is_one_sentence_without_the_password(
    tmp_path: Path, scheme: str, variable: str, server: str
) -> None:
    url = f"{scheme}://ana:sekret@127.0.0.1:{REFUSED}/0"
    with pytest.raises(EmbeddedError) as caught:
        ensure_running(load({"HARDLINE_HOME": str(tmp_path / "home"), variable: url}))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{server} at 127.0.0.1:{REFUSED}/0 cannot be used: ")
    assert "refused" in line
    assert line.endswith(f"Start it, or correct {variable}.")
    assert "sekret" not in line


def test_a_password_that_is_not_percent_encoded_is_used_as_it_is_and_not_shown(
    config: Config,
) -> None:
    url = f"postgresql://ana:sek%zzret@127.0.0.1:{REFUSED}/odds"
    with pytest.raises(EmbeddedError, match="refused") as caught:
        require_reachable(replace(config, database_url=url))
    assert "sek" not in str(caught.value)


def test_an_option_that_redis_does_not_know_is_named(config: Config) -> None:
    url = f"redis://127.0.0.1:{REFUSED}/0?timeuot=3"
    with pytest.raises(EmbeddedError, match="timeuot"):
        require_reachable(replace(config, redis_url=url))


def test_servers_that_never_answer_are_both_named(config: Config, silent_port: int) -> None:
    with pytest.raises(EmbeddedError) as caught:
        require_reachable(
            replace(
                config,
                database_url=f"postgresql://127.0.0.1:{silent_port}/odds",
                redis_url=f"redis://127.0.0.1:{silent_port}/0",
            )
        )
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["PostgreSQL", "Redis"]


@pytest.mark.django_db
def test_servers_that_answer_are_passed_over_in_silence(servers: Config, config: Config) -> None:
    urls = environment_of_workers(servers)
    reached = replace(config, database_url=urls["DATABASE_URL"], redis_url=urls["REDIS_URL"])
    require_reachable(reached)
    ensure_running(reached)
