"""Commands that start at once."""

from __future__ import annotations

from django.core.management.base import BaseCommand


class UncheckedCommand(BaseCommand):
    """A command without the system checks, which read every page of the web server."""

    requires_system_checks = ()
