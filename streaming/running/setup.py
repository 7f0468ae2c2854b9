"""What must be there before the processes start: tables, a login, the simulator's provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from django.contrib.auth import get_user_model
from django.core.management import call_command

from betting.config import WebConfig
from betting.embedded import stored_secret
from betting.models import Provider
from streaming.running.ports import LOOPBACK
from streaming.simulator.catalogue import BOOKMAKERS, SPORTS

ADMIN = "admin"
SIMULATOR = "simulator"
SIMULATOR_KEY_ENV = "HARDLINE_SIMULATOR_KEY"

_ADMIN_PASSWORD = "admin-password"  # noqa: S105 - the file's name
_SIMULATOR_KEY = "simulator-key"
_PASSWORD_BYTES = 12
_POLL_SECONDS = 2.0
_STALE_AFTER_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Login:
    """The administrator that the first run creates.

    Attributes:
        password: as generated; whoever changes it in the admin leaves Flower's as it was.
        file: where it is kept.
        is_new: whether this run created the user.
        is_current: whether it is the user's; not so where it was changed, or the user is of another
            installation on the same database.
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
    password = stored_secret(home, _ADMIN_PASSWORD, _PASSWORD_BYTES)
    file = home / "secrets" / _ADMIN_PASSWORD
    users = get_user_model().objects
    known = users.filter(username=ADMIN).first()
    if known is None:
        users.create_superuser(username=ADMIN, password=password)
        return Login(password, file, is_new=True)
    return Login(password, file, is_new=False, is_current=known.check_password(password))


def simulator_key(home: Path) -> str:
    """The one API key that this checkout's simulator accepts."""
    return stored_secret(home, _SIMULATOR_KEY, _PASSWORD_BYTES)


def enable_simulator(web: WebConfig) -> None:
    """Poll the simulator from now on; what an operator set on its row is kept."""
    provider, _ = Provider.objects.get_or_create(
        key=SIMULATOR,
        defaults={
            "adapter": "the_odds_api",
            "base_url": "",
            "sports": [sport.key for sport in SPORTS],
            "markets": ["h2h", "spreads", "totals"],
            "regions": sorted({book.region for book in BOOKMAKERS}),
            "api_key_env": SIMULATOR_KEY_ENV,
            "interval_seconds": _POLL_SECONDS,
            "stale_after_seconds": _STALE_AFTER_SECONDS,
        },
    )
    provider.base_url = f"http://{LOOPBACK}:{web.simulator_port}"
    provider.enabled = True
    provider.next_poll_at = None
    provider.save(update_fields=["base_url", "enabled", "next_poll_at"])


def disable_simulator() -> None:
    """Do not poll the simulator: it does not run, or not yet."""
    Provider.objects.filter(key=SIMULATOR).update(enabled=False)
