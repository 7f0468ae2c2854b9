"""The failure of a backup."""

from __future__ import annotations


class BackupError(Exception):
    """A backup cannot be made, is not whole, or cannot be restored; the message says what to do."""
