from __future__ import annotations

import re
import shutil
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from betting.config import CHECKOUT, load
from streaming.runner.processes import ROLES
from streaming.runner.systemd import TARGET, Installation, units

INSTALLATION = Installation(Path("/srv/hardline"), Path("/srv/hardline/.venv/bin/python"), "odds")
UNITS = units(INSTALLATION)
SERVICES = {name: text for name, text in UNITS.items() if name.endswith(".service")}


def values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def test_every_role_but_the_simulator_has_a_service() -> None:
    commands = {
        values(text, "ExecStart")[0].partition("manage.py ")[2] for text in SERVICES.values()
    }
    roles = {f"role {role}" for role in (*ROLES, "migrate") if role != "simulator"}
    assert commands == {*roles, "clearsessions"}


def test_one_command_starts_and_stops_all_of_them() -> None:
    for name, text in UNITS.items():
        if name not in {TARGET, "hardline-sessions.service"}:
            assert values(text, "WantedBy") == [TARGET]
            assert values(text, "PartOf") == [TARGET]


def test_the_tables_are_made_first() -> None:
    for name, text in SERVICES.items():
        if name != "hardline-migrate.service":
            assert values(text, "Requires") == ["hardline-migrate.service"]
            assert "hardline-migrate.service" in values(text, "After")[0]


def test_no_two_processes_share_a_state_directory() -> None:
    homes = [values(text, "StateDirectory")[0] for text in SERVICES.values()]
    assert len(set(homes)) == len(homes)


def test_a_service_knows_its_secrets_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("postgresql://db/odds")
    (tmp_path / "redis_url").write_text("redis://cache/0")
    for name in ("secret_key", "health_token"):
        (tmp_path / name).write_text("0123456789abcdef" * 2)
    for name, text in SERVICES.items():
        assigned = " ".join(values(text, "Environment")).split()
        environ = dict(each.split("=", 1) for each in assigned)
        config = load(
            {
                key: value.replace("%d", str(tmp_path)).replace("%S", "/var/lib")
                for key, value in environ.items()
            }
        )
        assert config.database_url == "postgresql://db/odds"
        loaded = {each.partition(":")[0] for each in values(text, "LoadCredential")}
        is_admin = name in {"hardline-migrate.service", "hardline-flower.service"}
        assert ("admin_password" in loaded) is is_admin
        assert loaded == {
            value.partition("%d/")[2] for key, value in environ.items() if key.endswith("_FILE")
        }


def test_a_worker_has_the_time_to_end_its_tasks() -> None:
    text = UNITS["hardline-worker-value.service"]
    assert values(text, "KillMode") == ["mixed"]
    assert int(values(text, "TimeoutStopSec")[0]) > 25


def test_no_process_can_gain_privileges() -> None:
    for text in SERVICES.values():
        assert values(text, "User") == ["odds"]
        assert values(text, "NoNewPrivileges") == ["yes"]
        assert values(text, "ProtectSystem") == ["strict"]


def test_the_command_writes_units_of_this_checkout(tmp_path: Path) -> None:
    out = StringIO()
    call_command("systemd", "--dir", str(tmp_path / "units"), stdout=out)
    written = {path.name for path in (tmp_path / "units").iterdir()}
    assert written == set(UNITS)
    text = (tmp_path / "units" / "hardline-web.service").read_text()
    assert values(text, "WorkingDirectory") == [str(CHECKOUT)]
    assert f"Wrote {len(UNITS)} units" in out.getvalue()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="file cannot be written"):
        call_command("systemd", "--dir", str(tmp_path / "file"))


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_systemd_accepts_them(tmp_path: Path) -> None:
    call_command("systemd", "--dir", str(tmp_path), "--user", "root", stdout=StringIO())
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
        env={"SYSTEMD_LOG_LEVEL": "warning", "PATH": "/usr/bin:/bin"},
    )
    ours = [line for line in checked.stderr.splitlines() if "hardline" in line]
    assert (checked.returncode, ours) == (0, [])
