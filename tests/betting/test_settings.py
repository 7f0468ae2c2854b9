"""The settings, as the drivers understand them."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from betting.config import CHECKOUT


@pytest.mark.django_db
def test_the_driver_takes_every_deadline_of_a_connection() -> None:
    connection.ensure_connection()
    assert isinstance(connection.connection, psycopg.Connection)
    taken = connection.connection.info.get_parameters()
    given = settings.DATABASES["default"]["OPTIONS"]
    deadlines = {name for name in given if "timeout" in name or name.startswith("keepalives")}
    assert deadlines >= {"connect_timeout", "tcp_user_timeout", "keepalives_idle"}
    assert {name: taken[name] for name in deadlines} == {
        name: str(given[name]) for name in deadlines
    }


def test_a_web_server_that_others_reach_has_secure_settings_by_default() -> None:
    done = subprocess.run(
        [sys.executable, CHECKOUT / "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env={**os.environ, "HARDLINE_WEB_HOST": "0.0.0.0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
