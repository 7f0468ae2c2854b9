"""A page that fails with a secret in its hands, for tests/integration/test_sentry.py alone."""

from __future__ import annotations

import os

from django.http import HttpRequest, HttpResponse
from django.urls import path


def broken(_request: HttpRequest) -> HttpResponse:
    secret = os.environ["TESTS_SECRET"]
    raise LookupError(f"no page: apiKey={secret}")


urlpatterns = [path("broken/", broken)]
