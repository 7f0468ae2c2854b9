"""The forms of the two login pages, of the admin and of the board, which limit failed attempts."""

from __future__ import annotations

import logging
from hashlib import blake2b
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.core.cache import cache
from django.core.exceptions import ValidationError
from redis.exceptions import RedisError
from unfold.forms import AuthenticationForm as StaffForm

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 300
PER_ADDRESS, PER_NAME = 20, 5
"""The most failed logins in a window: of one address, and of one address for one name.

There is no limit for a name alone: anyone who knows the name could lock its owner out.
"""


class LimitedForm(AuthenticationForm):
    """A name and a password, refused untried after too many failures from the same address."""

    def clean(self) -> dict[str, Any]:
        """Authenticate.

        Raises:
            ValidationError: name and password are wrong, or too many attempts have failed.
        """
        limits = self._limits()
        if any(_failures(key) >= limit for key, limit in limits.items()):
            raise ValidationError(
                "Too many logins from your address have failed. Try again in five minutes.",
                code="throttled",
            )
        try:
            cleaned: dict[str, Any] = super().clean() or {}
        except ValidationError:
            for key in limits:
                _count(key)
            raise
        return cleaned

    def _limits(self) -> dict[str, int]:
        """Return the counters of this attempt, each with its limit."""
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        name = str(self.cleaned_data.get("username", ""))
        digest = blake2b(name.encode(), digest_size=8).hexdigest()
        return {f"login:{address}": PER_ADDRESS, f"login:{address}:{digest}": PER_NAME}


class AdminLoginForm(LimitedForm, StaffForm):  # type: ignore[misc]  # unfold has no types
    """The admin's login, for staff alone."""


def _failures(key: str) -> int:
    try:
        return int(cache.get(key, 0))
    except RedisError as error:
        # Operators must be able to log in while Redis is away.
        logger.warning("failed logins are not counted, Redis is away: %s", type(error).__name__)
        return 0


def _count(key: str) -> None:
    try:
        cache.add(key, 0, timeout=WINDOW_SECONDS)
        cache.incr(key)
    except (RedisError, ValueError) as error:  # the counter expired between the two calls
        logger.warning("a failed login is not counted: %s", type(error).__name__)
