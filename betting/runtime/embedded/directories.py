"""Directories that several accounts pass through, each made by its owner alone."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from betting.runtime.embedded.errors import EmbeddedError

#: Root's databases and the programs that serve them. PostgreSQL must reach both as an unprivileged
#: account, and root's own directories are closed to it.
SYSTEM_STATE = Path("/var/lib/hardline")


def owned_directory(path: Path, uid: int, gid: int, mode: int = 0o700) -> None:
    """Create a directory of the given owner and mode, or verify the existing one.

    Raises:
        EmbeddedError: something else is there, such as another user's directory or a symbolic
            link planted where our sockets would go; or it cannot be created.
    """
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()}:
            raise EmbeddedError(
                f"{path} is not a directory of user id {uid}: it is not safe to use. Remove it."
            )
        os.chown(path, uid, gid)
        path.chmod(mode)
    except OSError as error:
        raise EmbeddedError(f"The directory {path} cannot be used: {error.strerror}.") from error
