"""What is under the API's path and is no resource."""

from __future__ import annotations

from typing import Any, NoReturn

from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from betting.web.api.views.base import ApiView


class Missing(ApiView):
    """A problem document like every other error, where Django would answer with a page."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002 - the framework's signature
        """Refuse every method: there is nothing here, for anybody."""
        raise NotFound
