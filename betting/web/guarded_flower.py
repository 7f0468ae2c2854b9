"""Flower behind its login, which every page requires and which limits failed attempts.

Flower itself leaves `/metrics` and `/healthcheck` open, and does not limit failed logins. Run as
`python -m betting.web.guarded_flower`, with the arguments of `celery`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from celery.bin.celery import main as celery
from flower import urls
from flower.views import BaseHandler
from tornado.routing import URLSpec
from tornado.web import HTTPError

WINDOW_SECONDS, MAX_FAILURES = 300.0, 20
"""The most logins of one address that may fail within a window."""


class Gate:
    """The counter of failed logins by address, which closes to an address with too many.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: Counter[str] = Counter()
        self._ends_at = clock() + WINDOW_SECONDS

    def is_closed(self, address: str) -> bool:
        """Return True if logins from this address are refused at the moment."""
        if self._clock() >= self._ends_at:
            self._failures.clear()
            self._ends_at = self._clock() + WINDOW_SECONDS
        return self._failures[address] >= MAX_FAILURES

    def count(self, address: str) -> None:
        """Count a failed login."""
        self._failures[address] += 1


_gate = Gate()


class LoginRequired(BaseHandler):  # type: ignore[misc]  # it has no types
    """A mixin of each of Flower's pages, placed before the page's own class."""

    def prepare(self) -> Any:
        """Check the login before anything else is done.

        Raises:
            HTTPError: 401 without a valid login, 429 after too many failures.
        """
        address = self.request.remote_ip
        if _gate.is_closed(address):
            raise HTTPError(429, reason="Too many failed logins")
        try:
            self.get_current_user()
        except HTTPError:
            if "Authorization" in self.request.headers:
                _gate.count(address)
            raise
        return super().prepare()


def guard(handlers: list[Any]) -> None:
    """Mix `LoginRequired` into every page of a list of routes; static files stay as they are."""
    for index, route in enumerate(handlers):
        if isinstance(route, URLSpec):
            route.target = route.handler_class = _guarded(route.handler_class)
        else:
            pattern, page, *rest = route
            handlers[index] = (pattern, _guarded(page), *rest)


def _guarded(page: type[Any]) -> type[Any]:
    if not issubclass(page, BaseHandler):
        return page
    return type(page.__name__, (LoginRequired, page), {})


if __name__ == "__main__":
    guard(urls.handlers)
    sys.exit(celery())
