"""The system accounts: that of this process, and the one that PostgreSQL runs as."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from betting.runtime.embedded.errors import EmbeddedError
from betting.runtime.embedded.locks import system_lock

#: PostgreSQL refuses to run as root, so root's servers run as this system account.
SERVER_ACCOUNT = "hardline-db"


@dataclass(frozen=True, slots=True)
class Account:
    """A system account."""

    name: str
    uid: int
    gid: int


def our_account() -> Account:
    """Return the account of this process.

    Raises:
        EmbeddedError: its user id has no name, which PostgreSQL does not accept.
    """
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise EmbeddedError(
            f"The user id {os.geteuid()} has no name on this system, and PostgreSQL does not run"
            " without one: add it to /etc/passwd, or set DATABASE_URL to use another server."
        ) from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def server_account() -> Account:
    """Return the account that PostgreSQL runs as: ours, or a system account if we are root.

    Raises:
        EmbeddedError: the account is missing and cannot be created.
    """
    if os.geteuid() != 0:
        return our_account()
    # `useradd` rewrites the files that accounts are read from: an account that is read while
    # another process creates it may be gone, or be another one, a moment later.
    with system_lock():
        if not _account_exists(SERVER_ACCOUNT):
            _create_server_account()
        entry = pwd.getpwnam(SERVER_ACCOUNT)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create_server_account() -> None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    advice = (
        f"PostgreSQL does not run as root, and the system account {SERVER_ACCOUNT} that it would"
        " run as could not be created: create it, run Hardline as an ordinary user, or set"
        " DATABASE_URL to use another server."
    )
    if useradd is None:
        raise EmbeddedError(f"{advice} (There is no useradd here.)")
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    done = run([useradd, *options, SERVER_ACCOUNT])
    # Another process may have created it first: what counts is that the account exists.
    if done.returncode != 0 and not _account_exists(SERVER_ACCOUNT):
        raise EmbeddedError(f"{advice} (useradd says: {done.stderr.strip()})")


def _account_exists(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def run(
    command: Sequence[str | Path], account: Account | None = None, timeout_seconds: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as another account when one is given, away from our terminal.

    The command starts in ``/``, with a private umask and a minimal environment: ours may name
    another server (``PGPORT``, ``PGDATA``) or another locale.

    Raises:
        EmbeddedError: it cannot be started, or does not end in time.
    """
    switch = account is not None and account.uid != os.geteuid()
    try:
        return subprocess.run(  # noqa: S603 - every caller passes a program by absolute path
            [str(part) for part in command],
            user=account.uid if account and switch else None,
            group=account.gid if account and switch else None,
            extra_groups=[] if switch else None,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            umask=0o077,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedError(f"{Path(command[0]).name} could not be run: {error}") from error
