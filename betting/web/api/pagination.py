"""Pages that neither skip nor repeat a row while rows are added."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

MAX_PAGE = 200

BAD_CURSOR = "This is not a cursor of an earlier page."


class Pages(CursorPagination):
    """Pages by id, newest first; a page begins where the one before it ended."""

    page_size = 50
    max_page_size = MAX_PAGE
    page_size_query_param = "page_size"
    ordering: str | tuple[str, ...] = "-id"
    #: What the position of a cursor is read as: the value of the first field of the order.
    position_type: type[int] | type[float] = int

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Return the cursor of the request, or None if it has none.

        Raises:
            ValidationError: the cursor was not made by this API.
        """
        encoded = request.query_params.get(self.cursor_query_param)
        if encoded is None:
            return None
        try:
            # The framework accepts bytes that are not ASCII and positions that are not numbers.
            cursor: Cursor | None = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                self.position_type(cursor.position)
        except Exception as error:
            raise ValidationError({"cursor": BAD_CURSOR}) from error
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the framework's schema with the links required."""
        described = super().get_paginated_response_schema(schema)
        return {**described, "required": ["next", "previous", "results"]}


class HistoryPages(Pages):
    """Pages by `arrival`, newest first: see `betting.db.querysets.changes_of`."""

    ordering = "-arrival"


class RankedPages(Pages):
    """Pages of open opportunities, best first, that also say how many markets were valued for them.

    A row whose figures change between two requests may move over the border of a page.
    """

    page_size = MAX_PAGE
    position_type = float

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:  # noqa: ARG002 - the framework's signature
        """Return the fields of the order that the client asks for, which the view has checked."""
        default = view.parameters().fields["ordering"].default
        return (request.query_params.get("ordering", default), "id")

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of pages with the number of markets."""
        described = super().get_paginated_response_schema(schema)
        described["properties"]["markets_examined"] = {
            "type": "integer",
            "description": "markets of the filters that have been valued and have not ended",
        }
        described["required"].append("markets_examined")
        return described
