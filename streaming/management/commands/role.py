from __future__ import annotations

import os
import time
from argparse import ArgumentParser
from collections.abc import Callable
from textwrap import shorten
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from betting.config import Config, get_config
from betting.config.secret_files import secret_text
from betting.runtime.embedded import prepare_home
from betting.runtime.first_run import ADMIN, create_admin
from betting.runtime.healthcheck import ROLE_FILE
from streaming.health.readiness import unready
from streaming.runner.processes import FLOWER_LOGIN_ENV, ROLES, flower_login
from streaming.runner.setup import enable_simulator

MIGRATE = "migrate"
PASSWORD_ENV = "DJANGO_SUPERUSER_PASSWORD"  # noqa: S105 - the variable's name, which is Django's
WAIT_SECONDS = 300.0
"""The longest wait for the servers and their tables; then the container is started again."""

_LOOK_SECONDS = 1.0
_SAY_SECONDS = 10.0


class Command(BaseCommand):
    help = (
        "Become one process of Hardline, on servers of your own: what a container or a unit of"
        " systemd runs. It waits until PostgreSQL and Redis answer and the tables are up to date."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", choices=[*ROLES, MIGRATE])

    def handle(self, *, role: str, **_: Any) -> None:
        config = get_config()
        _require_servers(config)
        prepare_home(config.home)
        (config.home / ROLE_FILE).write_text(role, encoding="ascii")
        if role == MIGRATE:
            self._migrate(config)
            return
        self._wait(lambda: unready(config))
        if role == "simulator":
            enable_simulator(config.web)
        program = ROLES[role](config)
        environ = {**os.environ, **program.environ}
        if role == "flower":
            environ[FLOWER_LOGIN_ENV] = _flower_login()
        os.chdir(program.directory)
        # Not a child: this process's id is the one that gets the signals.
        os.execvpe(program.command[0], list(program.command), environ)  # noqa: S606 - our own table

    def _migrate(self, config: Config) -> None:
        """Make the tables and, if its password is given, the administrator."""
        self._wait(lambda: [each for each in unready(config) if "migrations" not in each])
        call_command("migrate", interactive=False, stdout=self.stdout)
        password = _password()
        if not password:
            self.stdout.write(f"No login was created: set {PASSWORD_ENV}, or run createsuperuser.")
        elif create_admin(password):
            self.stdout.write(f"The login {ADMIN} was created.")

    def _wait(self, reasons: Callable[[], list[str]]) -> None:
        """Wait until there are no reasons to.

        Raises:
            CommandError: there still are, after `WAIT_SECONDS`.
        """
        begun = said = time.monotonic()
        while found := reasons():
            now = time.monotonic()
            if now - begun > WAIT_SECONDS:
                raise CommandError(f"Not ready after {WAIT_SECONDS:.0f} s: {_brief(found)}")
            if now - said > _SAY_SECONDS:
                said = now
                self.stderr.write(f"Waiting: {_brief(found)}")
            time.sleep(_LOOK_SECONDS)


def _brief(reasons: list[str]) -> str:
    """Join reasons in one line, without the names of all migrations of a new database."""
    return "; ".join(shorten(each, 120, placeholder=" …") for each in reasons)


def _require_servers(config: Config) -> None:
    """Verify that no private server is meant: each role would start one of its own.

    Raises:
        CommandError: DATABASE_URL or REDIS_URL is not set.
    """
    urls = {"DATABASE_URL": config.database_url, "REDIS_URL": config.redis_url}
    missing = [name for name, url in urls.items() if url is None]
    if missing:
        raise CommandError(
            f"A role runs on servers of your own: set {' and '.join(missing)}, or the file that"
            f" holds it ({missing[0]}_FILE)."
        )


def _password() -> str:
    try:
        return secret_text(PASSWORD_ENV, os.environ)
    except ValueError as error:
        raise CommandError(str(error)) from error


def _flower_login() -> str:
    """Return the login of Flower, which shows every task and can end workers.

    Raises:
        CommandError: there is none; without one Flower is open to everybody.
    """
    given = os.environ.get(FLOWER_LOGIN_ENV, "")
    password = _password()
    if not (given or password):
        raise CommandError(f"Flower needs a login: set {PASSWORD_ENV} or {FLOWER_LOGIN_ENV}.")
    return given or flower_login(password)
