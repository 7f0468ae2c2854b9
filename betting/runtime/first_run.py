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
    users = get_user_model().objects
    known = users.filter(username=ADMIN).first()
    if known is None:
        try:
            with transaction.atomic():
                users.create_superuser(username=ADMIN, password=password)
        except IntegrityError:  # another process created it first
            known = users.get(username=ADMIN)
        else:
            return Login(password, file, is_new=True)
    return Login(password, file, is_new=False, is_current=known.check_password(password))
