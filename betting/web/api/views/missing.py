"""The view of paths under the API's that are no resource."""

from __future__ import annotations

from typing import Any, NoReturn

from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from betting.web.api.views.base import ApiView


class Missing(ApiView):
    """A view that answers with a problem document, where Django would answer with a page."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002 - the framework's signature
        """Answer 404 to every method and every user."""
        raise NotFound
