"""Secrets out of files: `NAME_FILE` is the path of a file that holds the value of `NAME`.

Container platforms hand secrets over as files. A variable's value is in the environment of every
child process, and in what `docker inspect` prints; a file's content is in neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SUFFIX = "_FILE"
_MAX_BYTES = 64 * 1024


def secret_text(name: str, environ: Mapping[str, str]) -> str:
    """Return a secret, without the white space around it; empty if it is not set.

    Args:
        name: its variable.
        environ: the environment, with the value in `name` or a path in `name` + ``_FILE``.

    Raises:
        ValueError: both are set, or the file cannot be read; the message holds no secret.

    >>> secret_text("DATABASE_URL", {"DATABASE_URL": "postgresql://db/odds "})
    'postgresql://db/odds'
    """
    value = environ.get(name, "").strip()
    path = environ.get(f"{name}{SUFFIX}", "").strip()
    if not path:
        return value
    if value:
        raise ValueError(f"{name} and {name}{SUFFIX} are both set: remove one of them")
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_MAX_BYTES).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"{name}{SUFFIX}: {path} cannot be read: {reason}") from error


def is_set(name: str, environ: Mapping[str, str]) -> bool:
    """Return True if a secret is set, as a value or by a file."""
    return bool(environ.get(name, "").strip() or environ.get(f"{name}{SUFFIX}", "").strip())
