"""The needs of a command before it runs, and the code that prepares them."""

from __future__ import annotations

from argparse import Namespace
from enum import IntEnum
from importlib import import_module

import django
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from betting.config import Config
from betting.management.unchecked import UncheckedCommand
from betting.runtime.embedded import EmbeddedError, ensure_running
from betting.runtime.first_run import ensure_admin, migrate


class Need(IntEnum):
    """A level of what must be ready; each includes those before it."""

    NOTHING = 0
    SERVERS = 1
    TABLES = 2
    LOGIN = 3
    """The administrator that the first run creates."""


#: Commands of Django and of other packages. Hardline's own commands that are not an
#: `UncheckedCommand` start the servers themselves, or use none.
_NEEDS = {
    "changepassword": Need.LOGIN,
    "clearsessions": Need.TABLES,
    "createsuperuser": Need.TABLES,
    "dbshell": Need.SERVERS,
    "drf_create_token": Need.LOGIN,
    "dumpdata": Need.TABLES,
    "flush": Need.TABLES,
    "inspectdb": Need.SERVERS,
    "loaddata": Need.TABLES,
    "makemigrations": Need.SERVERS,
    "migrate": Need.SERVERS,
    "remove_stale_contenttypes": Need.TABLES,
    "runserver": Need.LOGIN,
    "shell": Need.TABLES,
    "showmigrations": Need.SERVERS,
    "sqlflush": Need.SERVERS,
    "sqlmigrate": Need.SERVERS,
    "sqlsequencereset": Need.SERVERS,
    "squashmigrations": Need.SERVERS,
    "test": Need.SERVERS,
    "testserver": Need.SERVERS,
}


def need_of(arguments: list[str]) -> Need:
    """Return what a command line needs, given without the program's name.

    If the command or one of its options does not exist, it needs nothing.
    """
    if not arguments or not {"-h", "--help", "--version"}.isdisjoint(arguments):
        return Need.NOTHING
    name, *options = arguments
    command = _command(name)
    given = None if command is None else _parsed(command, name, options)
    if given is None:
        return Need.NOTHING
    if isinstance(command, UncheckedCommand):
        return Need.TABLES
    if name == "check" and given.databases:
        return Need.SERVERS
    return _NEEDS.get(name, Need.NOTHING)


def prepare(config: Config, need: Need) -> None:
    """Start the private servers, migrate their database and create the administrator, if needed.

    A database named by DATABASE_URL may be shared with other installations: if its tables are not
    up to date, this raises instead of migrating them.

    Raises:
        EmbeddedError: a server cannot be started or reached, or DATABASE_URL's tables are not
            up to date; the message says what to do.
    """
    if need >= Need.SERVERS:
        ensure_running(config)
    if need >= Need.TABLES:
        _prepare_tables(config)
        # Imported here: it uses models, which Django has loaded only now.
        import_module("betting.db.live_settings").refresh()
    if need >= Need.LOGIN and config.database_url is None:
        ensure_admin(config.home)


def _command(name: str) -> BaseCommand | None:
    """Return the command of that name, or None: Django reports an unknown command later."""
    django.setup()
    app = get_commands().get(name)
    return None if app is None else load_command_class(app, name)


def _parsed(command: BaseCommand, name: str, options: list[str]) -> Namespace | None:
    """Return a command's options, or None: Django reports unknown options later."""
    try:
        return command.create_parser("manage.py", name).parse_args(options)
    except CommandError:
        return None


def _prepare_tables(config: Config) -> None:
    if not _are_migrations_pending():
        return
    if config.database_url is None:
        migrate()
        return
    raise EmbeddedError(
        "The tables of DATABASE_URL are not up to date: run `manage.py migrate` or `manage.py run`."
    )


def _are_migrations_pending() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError as error:
        raise EmbeddedError(f"PostgreSQL refuses to list the migrations: {error}") from error
