"""What keeps a run of chaos apart from every server that others use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from betting.config import load
from betting.config.servers import SERVER_VARIABLES
from streaming.chaos.run import run_again_apart


@pytest.mark.parametrize(
    "name", [f"{name}{end}" for name in SERVER_VARIABLES for end in ("", "_FILE")]
)
def test_no_variable_of_the_environment_leads_chaos_to_a_server(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, str] = {}

    def replaced(_program: str, _command: list[str], environ: Mapping[str, str]) -> None:
        given.update(environ)
        raise SystemExit

    monkeypatch.setenv(name, "the server of others")
    monkeypatch.setattr(os, "execve", replaced)
    with pytest.raises(SystemExit):
        run_again_apart(tmp_path, ["chaos"])

    config = load(given)
    assert (config.database_url, config.redis_url, config.broker_url) == (None, None, None)
    assert config.database_session_url is None
    assert config.home == tmp_path / "chaos"
