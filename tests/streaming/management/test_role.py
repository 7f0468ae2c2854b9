from __future__ import annotations

import os
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.core.management.base import CommandError

from betting.config import Config
from betting.models import Provider
from betting.runtime.first_run import ADMIN
from streaming.management.commands import role as command
from streaming.runner.processes import ROLES

pytestmark = pytest.mark.usefixtures("config")

PASSWORD = "correct horse battery staple"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """That of a container: servers of one's own, a home of its own."""
    config = Config(
        tmp_path / "home", database_url="postgresql://db/odds", redis_url="redis://cache/0"
    )
    monkeypatch.setattr(command, "get_config", lambda: config)
    monkeypatch.setattr(command, "unready", lambda _config: [])
    return config


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """Record what the process would become."""
    became: list[tuple[list[str], dict[str, str]]] = []

    def execute(_file: str, arguments: Any, environ: Any) -> None:
        became.append((list(arguments), dict(environ)))

    monkeypatch.setattr(os, "execvpe", execute)
    monkeypatch.chdir(Path.cwd())
    return became


@pytest.mark.parametrize("role", ["web", "worker-io", "worker-value", "worker-deliver", "beat"])
def test_a_role_becomes_the_program_that_a_run_supervises(
    config: Config, become: list[tuple[list[str], dict[str, str]]], role: str
) -> None:
    call_command("role", role)
    program = ROLES[role](config)
    ((arguments, environ),) = become
    assert arguments == list(program.command)
    assert program.environ.items() <= environ.items()
    assert (config.home / "role").read_text() == role


def test_a_role_needs_servers_of_ones_own(
    config: Config, monkeypatch: pytest.MonkeyPatch, become: list[Any]
) -> None:
    monkeypatch.setattr(command, "get_config", lambda: replace(config, redis_url=None))
    with pytest.raises(CommandError, match=r"set REDIS_URL, or the file .*REDIS_URL_FILE"):
        call_command("role", "web")
    assert become == []


def test_a_worker_waits_for_its_tables(monkeypatch: pytest.MonkeyPatch, become: list[Any]) -> None:
    answers = iter([["PostgreSQL: away"], ["migrations are not applied: betting.0001"], []])
    monkeypatch.setattr(command, "unready", lambda _config: next(answers))
    monkeypatch.setattr(command, "_LOOK_SECONDS", 0)
    call_command("role", "worker-major")
    assert len(become) == 1
    assert next(answers, None) is None


def test_a_wait_has_an_end(monkeypatch: pytest.MonkeyPatch, become: list[Any]) -> None:
    monkeypatch.setattr(command, "unready", lambda _config: ["Redis: away"])
    monkeypatch.setattr(command, "WAIT_SECONDS", 0)
    with pytest.raises(CommandError, match="Not ready after 0 s: Redis: away"):
        call_command("role", "worker-io")
    assert become == []


def test_flower_without_a_login_does_not_start(become: list[Any]) -> None:
    with pytest.raises(CommandError, match="Flower needs a login"):
        call_command("role", "flower")
    assert become == []


def test_flowers_login_is_the_administrators(
    become: list[tuple[list[str], dict[str, str]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD_FILE", str(file))
    call_command("role", "flower")
    ((arguments, environ),) = become
    assert environ["FLOWER_BASIC_AUTH"] == f"{ADMIN}:{PASSWORD}"
    assert not any(PASSWORD in argument for argument in arguments)


@pytest.mark.django_db
def test_the_simulators_role_has_it_polled(config: Config, become: list[Any]) -> None:
    call_command("role", "simulator")
    provider = Provider.objects.get(key="simulator")
    assert provider.enabled
    assert provider.base_url == config.web.simulator_url
    assert len(become) == 1


@pytest.mark.django_db
def test_migrate_creates_the_login_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    said = [StringIO(), StringIO()]
    for out in said:
        call_command("role", "migrate", stdout=out)
    assert "The login admin was created." in said[0].getvalue()
    assert "created" not in said[1].getvalue()
    assert authenticate(username=ADMIN, password=PASSWORD) is not None


@pytest.mark.django_db
def test_migrate_without_a_password_says_that_there_is_no_login() -> None:
    out = StringIO()
    call_command("role", "migrate", stdout=out)
    assert "No login was created: set DJANGO_SUPERUSER_PASSWORD" in out.getvalue()
