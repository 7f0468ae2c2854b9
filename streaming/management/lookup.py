"""Look-ups of what a person names on the command line."""

from __future__ import annotations

from django.core.management.base import CommandError

from betting.models import Provider
from streaming.core.texts import did_you_mean


def provider_named(key: str) -> Provider:
    """Return the provider of that key.

    Raises:
        CommandError: there is none; the message names the nearest.
    """
    provider = Provider.objects.filter(key=key).first()
    if provider is not None:
        return provider
    keys = list(Provider.objects.values_list("key", flat=True))
    known = f"there are {', '.join(keys)}" if keys else "none has been added"
    raise CommandError(f"no provider {key!r}{did_you_mean(key, keys)}; {known}")
