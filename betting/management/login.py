"""The name of the user who gives a command, for rows that record it."""

from __future__ import annotations

import getpass
import os


def login_name() -> str:
    """Return the name of this process's user, or the number of one that has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"user {os.getuid()}"
