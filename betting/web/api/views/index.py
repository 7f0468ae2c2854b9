"""The index of the API."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.routers import APIRootView

from betting.web.api.views.base import ApiView

BESIDE_ROWS = {
    "health": "api_health",
    "clv": "clv",
    "stream": "stream",
    "schema": "schema",
    "docs": "docs",
}
"""The addresses that are no lists of rows, by the names of their URLs."""


class Index(ApiView, APIRootView):
    """The resources of the API by name, each with its address."""

    schema = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return all addresses."""
        response = super().get(request, *args, **kwargs)
        response.data |= {
            name: reverse(address, request=request) for name, address in BESIDE_ROWS.items()
        }
        return response
