"""The server of a backup: sessions on it, and the programs of PostgreSQL that dump and restore."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from betting.config import Config
from betting.runtime.backup.errors import BackupError
from betting.runtime.embedded import EmbeddedError, direct_settings
from betting.runtime.embedded.account import run
from betting.runtime.embedded.programs import postgres_programs
from betting.runtime.embedded.urls import libpq_parameters

#: Debian keeps the programs of each version here; PATH leads to one of them.
DEBIAN = Path("/usr/lib/postgresql")

CONNECT_SECONDS = 5
_NO_DEADLINES = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0"
_KEEPALIVE: Mapping[str, str] = {
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""A server that has gone away ends a backup within seconds."""
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_LAST_LINES = 5

OnLine = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server and one of its databases.

    Attributes:
        parameters: libpq's own, by their names.
    """

    parameters: Mapping[str, str]

    @property
    def database(self) -> str:
        """The name of the database."""
        return self.parameters["dbname"]

    def with_database(self, name: str) -> Server:
        """Return the same server with another database."""
        return replace(self, parameters={**self.parameters, "dbname": name})

    def connect(self, *, autocommit: bool = True) -> psycopg.Connection:
        """Open a session without the deadlines of the stream's: it reads whole tables.

        Raises:
            psycopg.OperationalError: the server cannot be reached.
        """
        options = f"{self.parameters.get('options', '')} {_NO_DEADLINES}"
        asked = {**_KEEPALIVE, **self.parameters, "options": options}
        # psycopg types each parameter of libpq by itself.
        return psycopg.connect(make_conninfo("", **asked), autocommit=autocommit)

    def run(
        self, program: Path, arguments: Sequence[str], on_line: OnLine, stdout: int | None = None
    ) -> None:
        """Run a program of PostgreSQL against the database.

        Passwords, and all else that the address says, are in its environment and not among its
        arguments, which every user of the machine can read.

        Args:
            program: its path.
            arguments: its options.
            on_line: called with each line that it says.
            stdout: the descriptor that its output goes to.

        Raises:
            BackupError: it failed; the message quotes it.
        """
        conninfo = make_conninfo("", dbname=self.database, **_KEEPALIVE)
        command = [str(program), "--no-password", f"--dbname={conninfo}", *arguments]
        last: list[str] = []
        with subprocess.Popen(  # noqa: S603 - a program of PostgreSQL, by its path
            command,
            cwd="/",
            env=_environment(self.parameters),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if stdout is None else stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            assert process.stderr is not None
            try:
                for line in process.stderr:
                    on_line(line)
                    last = [*last, line.strip()][-_LAST_LINES:]
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise BackupError(f"{program.name} failed:\n" + "\n".join(last))


def server_of(config: Config) -> Server:
    """Return the server of a configuration, past its pooler if it has one."""
    found = libpq_parameters(direct_settings(config))
    return Server({"connect_timeout": str(CONNECT_SECONDS), **found})


def client_programs(oldest: int) -> Path:
    """Return the folder of pg_dump and pg_restore of this major version, or of the next newer one.

    Newer programs read older servers, not the reverse. The nearest one is taken, since what a newer
    one writes may name a setting that an older server does not know.

    Raises:
        BackupError: there are none here; the message says what to install.
    """
    found = {version: folder for folder in _folders() if (version := _version(folder)) >= oldest}
    if not found:
        raise BackupError(
            f"This needs pg_dump and pg_restore of PostgreSQL {oldest} or newer, on PATH: install"
            f" PostgreSQL's client programs (on Debian: apt install postgresql-client-{oldest})."
        )
    return found[min(found)]


def major_version(connection: psycopg.Connection) -> int:
    """Return the server's major version."""
    return connection.info.server_version // 10_000


def _folders() -> list[Path]:
    """Return the folders that may have the programs; of one version the last one is taken."""
    folders = [Path(found).parent] if (found := shutil.which("pg_dump")) else []
    folders += DEBIAN.glob("*/bin")
    with suppress(EmbeddedError):  # an image has no private server
        folders.append(postgres_programs())
    return folders


def _version(folder: Path) -> int:
    programs = [folder / name for name in ("pg_dump", "pg_restore")]
    if not all(os.access(program, os.X_OK) for program in programs):
        return 0
    said = _VERSION.search(run([programs[0], "--version"]).stdout)
    return int(said[1]) if said else 0


def _environment(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which libpq gets these parameters, and nothing else of ours."""
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar
    }
    given = {variables[name]: text for name, text in parameters.items() if name in variables}
    return {"PATH": os.defpath, "LC_ALL": "C", **given}
