"""Django's admin, without the import of every page by every process that merely has settings.

The pages need the API's framework, the adapters and the maths. `betting.web.urls` asks for them,
and so does what checks them. A command or a worker starts in half the time.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class AdminConfig(SimpleAdminConfig):
    """The admin app; its pages come later."""

    def ready(self) -> None:
        """Have the pages checked, as Django's own configuration does."""
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_pages, checks.Tags.admin)


def check_pages(**options: Any) -> list[checks.CheckMessage]:
    """Import the pages, then check them."""
    autodiscover()
    return list(check_admin_app(**options))
