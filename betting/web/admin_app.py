"""Django's admin app, which imports its pages only where they are needed.

The pages import the API's framework, the adapters and the maths. Only `betting.web.urls` and the
system checks import them, so a command or a worker starts in half the time.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class AdminConfig(SimpleAdminConfig):
    """The admin app, which does not import its pages at startup."""

    def ready(self) -> None:
        """Register the checks of the admin, as Django's own configuration does."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(**options: Any) -> list[checks.CheckMessage]:
    """Import the pages, then check them."""
    autodiscover()
    return list(check_admin_app(**options))
