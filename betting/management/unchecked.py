"""Commands that start without Django's system checks."""

from __future__ import annotations

from django.core.management.base import BaseCommand


class UncheckedCommand(BaseCommand):
    """A command without the system checks, which import every page of the web server."""

    requires_system_checks = ()
