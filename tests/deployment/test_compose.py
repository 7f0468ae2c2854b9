"""The Compose file, against the code that it starts: what no schema can see."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from betting.config import CHECKOUT, load
from streaming.management.commands.role import MIGRATE
from streaming.runner.processes import ROLES

COMPOSE = CHECKOUT / "docker" / "compose.yaml"
OTHERS = {"postgres", "valkey", "prometheus", "grafana"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with its defaults, as Compose reads it."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text(encoding="utf-8"))
    read: dict[str, Any] = yaml.safe_load(text)
    return read


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets, as the script makes them beside the file."""
    directory = tmp_path_factory.mktemp("docker")
    script = directory / "make-secrets"
    shutil.copy(CHECKOUT / "docker" / "make-secrets", script)
    subprocess.run([script], check=True, capture_output=True)
    return directory / "secrets"


def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: each for name, each in compose["services"].items() if name not in OTHERS}


def test_every_role_is_a_service(compose: dict[str, Any]) -> None:
    assert {name: each["command"] for name, each in ours(compose).items()} == {
        role: [role] for role in (*ROLES, MIGRATE)
    }


def test_every_setting_is_one_that_hardline_knows(compose: dict[str, Any], made: Path) -> None:
    for service in ours(compose).values():
        environ = {
            name: str(value).replace("/run/secrets", str(made))
            for name, value in service["environment"].items()
        }
        config = load({"HARDLINE_HOME": "/var/lib/hardline/home", **environ})
        assert config.database_url is not None
        assert config.database_url.endswith("@postgres:5432/hardline")
        assert config.redis_url is not None
        assert "web" in config.web.allowed_hosts


def test_every_secret_that_is_mounted_is_made(compose: dict[str, Any], made: Path) -> None:
    files = {name: Path(each["file"]).name for name, each in compose["secrets"].items()}
    assert set(files.values()) == {path.name for path in made.iterdir()}
    for name, service in compose["services"].items():
        mounted = set(service.get("secrets", ()))
        assert mounted <= files.keys()
        named = {
            Path(str(value)).name
            for key, value in service.get("environment", {}).items()
            if key.endswith("_FILE")
        }
        assert named <= mounted, name


def test_secrets_are_kept_by_a_second_call(made: Path) -> None:
    before = {path.name: path.read_text() for path in made.iterdir()}
    assert len(set(before.values())) == len(before)
    subprocess.run([made.parent / "make-secrets"], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in made.iterdir()} == before


def test_others_on_the_host_cannot_reach_the_secrets(made: Path) -> None:
    assert made.stat().st_mode & 0o077 == 0
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o444}


def test_no_secret_is_in_the_environment(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name in service.get("environment", {}):
            is_secret = re.search(r"PASSWORD|SECRET|TOKEN|_KEY|_URL", name) is not None
            assert not is_secret or name.endswith("_FILE"), name


def test_a_container_can_write_to_its_mounts_only(compose: dict[str, Any]) -> None:
    for service in ours(compose).values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_a_worker_has_the_time_to_end_its_tasks(compose: dict[str, Any]) -> None:
    assert {service["stop_grace_period"] for service in ours(compose).values()} == {"30s"}


def test_workers_start_after_the_migrations(compose: dict[str, Any]) -> None:
    for role in set(ROLES) - {"simulator"}:
        waits = compose["services"][role]["depends_on"]
        assert waits["migrate"] == {"condition": "service_completed_successfully"}


def test_the_simulator_and_the_monitoring_are_asked_for(compose: dict[str, Any]) -> None:
    profiles = {name: each.get("profiles") for name, each in compose["services"].items()}
    assert {name: each for name, each in profiles.items() if each} == {
        "simulator": ["demo-data"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


def test_what_is_mounted_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            is_there = (COMPOSE.parent / source).exists()
            assert is_there if source.startswith(".") else source in compose["volumes"]


def test_nothing_is_published_beyond_this_host_unless_asked(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
