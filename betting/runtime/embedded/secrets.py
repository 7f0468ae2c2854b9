"""Secrets that are generated once and kept in the state directory."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from betting.runtime.embedded.state import prepare_home, usable

SECRET_BYTES = 48


def stored_secret(home: Path, name: str, random_bytes: int = SECRET_BYTES) -> str:
    """Return the home's secret of this name, generated on the first call.

    If several processes make the first call at once, all get the same secret. The file is readable
    by its owner alone and is never seen half-written.

    Args:
        home: the state directory; created if missing.
        name: the secret's file name, e.g. ``secret_key``.
        random_bytes: entropy of a new secret; its text is a third longer.

    Raises:
        EmbeddedError: it cannot be stored or read.
    """
    prepare_home(home)
    folder = home / "secrets"
    path = folder / name
    with usable(home):
        folder.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            _store_once(path, _generated(random_bytes))
        return path.read_text(encoding="ascii").strip()


def _generated(random_bytes: int) -> str:
    """Return a random text that no command takes for an option."""
    while (text := secrets.token_urlsafe(random_bytes)).startswith("-"):
        pass
    return text


def _store_once(path: Path, secret: str) -> None:
    """Write the file, unless another process wrote it first."""
    # mkstemp creates with mode 0600; a hard link appears whole or not at all.
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{secret}\n")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        Path(draft).unlink()
