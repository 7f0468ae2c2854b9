"""The setup that a first run makes: the tables and the administrator."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import IntegrityError, transaction

from betting.runtime.embedded import stored_secret

ADMIN = "admin"

_PASSWORD = "admin-password"  # noqa: S105 - the file's name
_PASSWORD_BYTES = 12


@dataclass(frozen=True, slots=True)
class Login:
    """The administrator that the first run creates.

    Attributes:
        password: as generated; changing it in the admin does not change Flower's.
        file: where the password is kept.
        is_new: whether this run created the user.
        is_current: whether the user logs in with this password; False if it was changed, or if the
            user was created by another installation on the same database.
    """

    password: str = field(repr=False)
    file: Path
    is_new: bool
    is_current: bool = True


def migrate() -> None:
    """Bring the database's tables up to date."""
    call_command("migrate", interactive=False, verbosity=0)


def ensure_admin(home: Path) -> Login:
    """Create the administrator, once."""
    password = stored_secret(home, _PASSWORD, _PASSWORD_BYTES)
    file = home / "secrets" / _PASSWORD
    if create_admin(password):
        return Login(password, file, is_new=True)
    known = get_user_model().objects.get(username=ADMIN)
    return Login(password, file, is_new=False, is_current=known.check_password(password))


def create_admin(password: str) -> bool:
    """Create the administrator; return False if there is one, whose password is left alone."""
    users = get_user_model().objects
    if users.filter(username=ADMIN).exists():
        return False
    try:
        with transaction.atomic():
            users.create_superuser(username=ADMIN, password=password)
    except IntegrityError:  # another process created it first
        return False
    return True
