"""The directories of the private servers' data and sockets.

`state_of` computes the paths and creates nothing; the functions that create or remove say so. A
directory is used only if it is ours, and removed only if it holds our marker file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from betting.config import Config
from betting.runtime.embedded.account import Account
from betting.runtime.embedded.directories import SYSTEM_STATE, owned_directory
from betting.runtime.embedded.errors import EmbeddedError

MARKER = "hardline-state"

#: The longest path of a Unix socket, without its final zero byte (sun_path in sys/un.h).
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103


@dataclass(frozen=True, slots=True)
class State:
    """The directories of one home.

    Attributes:
        home: the state directory.
        database: the directory of PostgreSQL's account, with its data and its log.
        runtime: the parent of the sockets, short enough for them.
    """

    home: Path
    database: Path
    runtime: Path

    @property
    def lock_file(self) -> Path:
        """The lock file that is held while servers are started or stopped."""
        return self.home / "services.lock"

    @property
    def users_file(self) -> Path:
        """The file of which each user of the servers holds a shared lock."""
        return self.home / "services.users"

    @property
    def kept_file(self) -> Path:
        """The file whose presence says that the servers go on when nobody uses them."""
        return self.home / "services.kept"

    @property
    def redis_data(self) -> Path:
        """Redis's working directory."""
        return self.home / "redis"

    @property
    def redis_socket(self) -> Path:
        """Redis's socket."""
        return self.runtime / "redis" / "redis.sock"

    @property
    def postgres_data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.database / "postgres"

    @property
    def postgres_log(self) -> Path:
        """The directory of PostgreSQL's log files."""
        return self.database / "postgres-log"

    @property
    def postgres_sockets(self) -> Path:
        """The directory of PostgreSQL's socket."""
        return self.runtime / "postgres"


def state_of(config: Config) -> State:
    """Return the directories of a configuration, for the user that runs this process."""
    uid = os.geteuid()
    home = config.home.resolve()  # one directory by two names is one home
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    if config.runtime_dir is not None:
        runtime = config.runtime_dir / f"hardline-{digest}"
    elif uid == 0 and sys.platform == "linux":
        runtime = Path("/run") / f"hardline-{digest}"
    else:
        # Not XDG_RUNTIME_DIR: it differs between a login, a cron job and `su`, and is removed at
        # logout, while every process must find the same sockets.
        runtime = Path("/tmp") / f"hardline-{uid}-{digest}"  # noqa: S108 - its owner is verified
    database = SYSTEM_STATE / digest if uid == 0 else home
    return State(home=home, database=database, runtime=runtime)


def prepare_home(home: Path) -> None:
    """Create the state directory, readable by us alone, unless it exists.

    Raises:
        EmbeddedError: it cannot be created, is another user's, or holds files that are not ours.
    """
    with usable(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _mark(home)


@contextlib.contextmanager
def usable(home: Path) -> Iterator[None]:
    """Run the block; raise an EmbeddedError if the system refuses to use the state directory.

    Raises:
        EmbeddedError: the block raised an OSError, on a read-only disk for example.
    """
    try:
        yield
    except OSError as error:
        raise EmbeddedError(
            f"The state directory {home} cannot be used ({error.strerror}): set HARDLINE_HOME to"
            " another directory."
        ) from error


def prepare_database(state: State, account: Account) -> None:
    """Create PostgreSQL's part of the state, readable by its account alone.

    It does not widen the permissions of a directory that exists: if the account cannot pass
    through one, it raises.
    """
    if state.database != state.home:
        owned_directory(SYSTEM_STATE, os.geteuid(), os.getegid(), 0o755)
        owned_directory(state.database, os.geteuid(), os.getegid(), 0o755)
        _mark(state.database)
    owned_directory(state.postgres_log, account.uid, account.gid)


def prepare_runtime(state: State, account: Account) -> None:
    """Create the directories of the sockets.

    Raises:
        EmbeddedError: a socket's path would be too long, or a directory is not ours.
    """
    longest = max(state.redis_socket, state.postgres_sockets / ".s.PGSQL.5432.lock", key=_bytes)
    if _bytes(longest) > SOCKET_PATH_BYTES:
        raise EmbeddedError(
            f"The socket path {longest} has {_bytes(longest)} bytes, more than the system's"
            f" {SOCKET_PATH_BYTES}: set HARDLINE_RUNTIME_DIR to a shorter directory."
        )
    # PostgreSQL's account has to pass through the first directory to reach its own.
    mode = 0o700 if account.uid == os.geteuid() else 0o711
    owned_directory(state.runtime, os.geteuid(), os.getegid(), mode)
    owned_directory(state.redis_socket.parent, os.geteuid(), os.getegid())
    owned_directory(state.postgres_sockets, account.uid, account.gid)


@contextlib.contextmanager
def exclusive(state: State) -> Iterator[None]:
    """Hold the home's lock, so that one process at a time starts or stops servers.

    Raises:
        EmbeddedError: the lock file cannot be created.
    """
    with usable(state.home):
        descriptor = _locked(state.lock_file)
    try:
        yield
    finally:
        os.close(descriptor)


def remove_state(state: State) -> list[Path]:
    """Delete the state directories that hold our marker file; return them.

    The servers must be stopped, and the caller holds the lock.
    """
    marked = [path for path in (state.database, state.home) if (path / MARKER).is_file()]
    removed = list(dict.fromkeys(marked))
    for path in removed:
        _delete(path)
    return removed


def _delete(directory: Path) -> None:
    """Delete a marked directory, the marker last, so that an interrupted deletion can be repeated.

    The directory itself stays, empty, if we may not remove it: a mounted volume, for example.
    """
    for path in sorted(directory.iterdir(), key=lambda path: path.name == MARKER):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    with contextlib.suppress(OSError):
        directory.rmdir()


def _locked(path: Path) -> int:
    """Open and lock a file. The kernel releases the lock whenever its holder dies."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # The state may have been removed while we waited, and with it the file that we locked.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)
        prepare_home(path.parent)


def _mark(directory: Path) -> None:
    """Write our marker file into a directory of ours.

    Raises:
        EmbeddedError: the directory is another user's, or holds files that are not ours.
    """
    if directory.stat().st_uid != os.geteuid():
        raise EmbeddedError(f"{directory} belongs to another user; set HARDLINE_HOME to your own.")
    marker = directory / MARKER
    if marker.is_file():
        return
    if any(directory.iterdir()) and not marker.is_file():
        raise EmbeddedError(
            f"{directory} holds files that are not Hardline's: set HARDLINE_HOME to a directory"
            " that is new or empty."
        )
    marker.write_text("Hardline keeps its state here; `make clean-state` removes it.\n")


def _bytes(path: Path) -> int:
    return len(os.fsencode(path))
