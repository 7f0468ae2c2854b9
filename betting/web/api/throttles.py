"""Limits of requests by user and by address."""

from __future__ import annotations

import logging

from redis.exceptions import RedisError
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from betting.config import get_config

logger = logging.getLogger(__name__)


class _RedisThrottle(SimpleRateThrottle):
    """A throttle that counts in Redis, and allows all requests while Redis is away.

    The API's reads need PostgreSQL alone.
    """

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return True if the request is within its rate."""
        try:
            return super().allow_request(request, view)
        except RedisError as error:
            logger.warning("requests are not counted, Redis is away: %s", type(error).__name__)
            return True


class UserThrottle(_RedisThrottle):
    """Requests of one user, over all addresses and tokens."""

    scope = "user"

    def get_rate(self) -> str:
        """Return the configured rate."""
        return f"{get_config().api.user_per_minute}/min"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:  # noqa: ARG002 - the framework's signature
        """Return the user's key; None without a user, as `AnonymousThrottle` counts those."""
        if request.user.pk is None:
            return None
        return self.cache_format % {"scope": self.scope, "ident": request.user.pk}


class AnonymousThrottle(_RedisThrottle):
    """Requests without valid credentials from one address, so that tokens cannot be guessed."""

    scope = "anonymous"

    def get_rate(self) -> str:
        """Return the configured rate."""
        return f"{get_config().api.anonymous_per_minute}/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:  # noqa: ARG002 - the framework's signature
        """Return the key of the client's address."""
        return self.cache_format % {"scope": self.scope, "ident": self.get_ident(request)}
