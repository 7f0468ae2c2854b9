"""The private PostgreSQL server."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from betting.runtime.embedded import process
from betting.runtime.embedded.account import Account, our_account, run, server_account
from betting.runtime.embedded.errors import EmbeddedError
from betting.runtime.embedded.programs import postgres_programs
from betting.runtime.embedded.state import State, prepare_database

DATABASE = "hardline"
PORT = 5432  # names the socket; there is no TCP port
MAJOR_VERSION = "18"

START_SECONDS = 60
STOP_SECONDS = 30
CONNECT_SECONDS = 3
ORPHANS_SECONDS = 5.0

SAID_LINES = 20
"""Of a start that failed the error has so many lines of the log: all, unless it recovered first."""

#: Given to the server at each start, so that an older state directory gets them too.
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",  # short statements: compiling costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "%a.log",  # one file a weekday, overwritten a week later
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """PostgreSQL 18 from its wheel, listening on a Unix socket alone.

    Only the user that created it can connect: the operating system identifies the user (``peer``
    authentication), and the role has that user's name.
    """

    state: State

    @property
    def name(self) -> str:
        """The server's name for people."""
        return "PostgreSQL"

    @property
    def address(self) -> Path:
        """The server's socket."""
        return self.state.postgres_sockets / f".s.PGSQL.{PORT}"

    def process(self) -> psutil.Process | None:
        """Return the server's main process, or None if it does not run."""
        pid = process.pid_in_file(self._pid_file)
        return process.serving(pid, "postgres", self.state.postgres_data)

    def answers(self) -> bool:
        """Return True if our database accepts connections now."""
        return self._accepts(DATABASE)

    def start(self) -> None:
        """Start the server unless it runs, and create what is missing. The caller holds the lock.

        Raises:
            EmbeddedError: it did not start; the message quotes the server.
        """
        account = server_account()
        prepare_database(self.state, account)
        if self.process() is not None and not self._socket_works():
            self.stop()
        if self.process() is None:
            self._clear_leftovers()
            if not self._version_file.is_file():
                self._initialise(account)
            self._require_version()
            self._launch(account)
        self._create_database()

    def stop(self) -> None:
        """Stop the server if it runs: sessions end, and no committed data is lost."""
        process.resume(self._processes())
        if self.process() is not None:
            command = ["stop", "--mode=fast", "--wait", f"--timeout={STOP_SECONDS}"]
            self._pg_ctl(server_account(), command)
        process.end(self._processes(), patience_seconds=STOP_SECONDS)

    @property
    def _pid_file(self) -> Path:
        return self.state.postgres_data / "postmaster.pid"

    @property
    def _version_file(self) -> Path:
        return self.state.postgres_data / "PG_VERSION"

    def _processes(self) -> list[psutil.Process]:
        """Return the main process and its children, orphaned ones included."""
        return process.all_serving("postgres", self.state.postgres_data)

    def _initialise(self, account: Account) -> None:
        """Create the cluster in a draft directory, then move it: no half-made one is ever used."""
        draft = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.state.database))
        shutil.chown(draft, account.uid, account.gid)
        done = run(
            [
                postgres_programs() / "initdb",
                f"--pgdata={draft}",
                f"--username={our_account().name}",
                "--auth-local=peer",
                "--auth-host=reject",
                "--encoding=UTF8",
                # Text sorts the same on every machine, independent of its locales.
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
            ],
            account,
        )
        if done.returncode != 0:
            raise EmbeddedError(f"PostgreSQL could not create its data directory:\n{done.stderr}")
        draft.rename(self.state.postgres_data)

    def _require_version(self) -> None:
        found = self._version_file.read_text().strip()
        if found != MAJOR_VERSION:
            raise EmbeddedError(
                f"PostgreSQL {found} made {self.state.postgres_data}, and this is"
                f" {MAJOR_VERSION}: dump it with the older release, or delete it with"
                " `make clean-state`."
            )

    def _socket_works(self) -> bool:
        """Return True if a running server can be reached; wait for one that is recovering.

        The wait ends early if the server's process ends.
        """
        return (
            self.address.is_socket()
            and process.wait_until(
                lambda: self._accepts("postgres") or self.process() is None, START_SECONDS
            )
            and self.process() is not None
        )

    def _clear_leftovers(self) -> None:
        """Remove what a killed server or an interrupted start left behind.

        PostgreSQL trusts a lock file if any process of its account now has the id in it. The file
        is also its guard against children that outlived their parent, so `end` kills those first.
        A server whose directory was deleted while it ran would write into the next one there.
        """
        process.end(self._processes(), patience_seconds=ORPHANS_SECONDS)
        for path in (self._pid_file, self.address, Path(f"{self.address}.lock")):
            path.unlink(missing_ok=True)
        for draft in self.state.database.glob("initdb-*"):
            shutil.rmtree(draft, ignore_errors=True)

    def _launch(self, account: Account) -> None:
        settings = SETTINGS | {
            "unix_socket_directories": str(self.state.postgres_sockets),
            "log_directory": str(self.state.postgres_log),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = self.state.postgres_log / "startup.log"
        log.unlink(missing_ok=True)
        before = self._log_sizes()
        command = ["start", "--wait", f"--timeout={START_SECONDS}"]
        if not self._pg_ctl(
            account, [*command, f"--log={log}", f"--options={shlex.join(options)}"]
        ):
            raise EmbeddedError(
                f"PostgreSQL did not start; its log is in {log.parent}. It said:\n"
                f"{self._said_since(before) or 'nothing'}"
            )

    def _log_sizes(self) -> dict[Path, int]:
        return {path: path.stat().st_size for path in self.state.postgres_log.glob("*.log")}

    def _said_since(self, before: Mapping[Path, int]) -> str:
        """Return the last lines that were logged since, given the sizes of the logs then.

        The server's own output only names the log to which it writes once it is under way.
        """
        lines: list[str] = []
        for path, size in sorted(
            self._log_sizes().items(), key=lambda each: each[0].stat().st_mtime
        ):
            known = before.get(path, 0)
            said = path.read_bytes()[known if known <= size else 0 :]
            lines += said.decode(errors="replace").splitlines()
        return "\n".join(lines[-SAID_LINES:])

    def _pg_ctl(self, account: Account, arguments: list[str]) -> bool:
        data = f"--pgdata={self.state.postgres_data}"
        done = run(
            [postgres_programs() / "pg_ctl", data, *arguments],
            account,
            timeout_seconds=START_SECONDS + STOP_SECONDS,
        )
        return done.returncode == 0

    def _create_database(self) -> None:
        try:
            with self._connect("postgres") as connection:
                query = "SELECT FROM pg_database WHERE datname = %s"
                if connection.execute(query, [DATABASE]).fetchone() is None:
                    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE))
                    connection.execute(create)
        except psycopg.Error as error:
            raise EmbeddedError(f"PostgreSQL started, and then failed: {error}") from error

    def _accepts(self, database: str) -> bool:
        if not self.address.is_socket():
            return False
        try:
            self._connect(database).close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.state.postgres_sockets),
            port=PORT,
            user=our_account().name,
            dbname=database,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
        )
