"""Pages that neither skip nor repeat a row while rows are added."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

MAX_PAGE = 200


class Pages(CursorPagination):
    """Pages by id, newest first; a page begins where the one before it ended."""

    page_size = 50
    max_page_size = MAX_PAGE
    page_size_query_param = "page_size"
    ordering = "-id"

    def decode_cursor(self, request: Request) -> Cursor | None:
        """The cursor that was sent.

        Raises:
            ValidationError: it is none of ours.
        """
        encoded = request.query_params.get(self.cursor_query_param)
        if encoded is None:
            return None
        try:
            # Bytes that are no ASCII, and positions that are no number, pass the framework.
            cursor: Cursor | None = super().decode_cursor(request)
            if cursor is not None and cursor.position is not None:
                int(cursor.position)
        except Exception as error:
            raise ValidationError({"cursor": "This is not a cursor of an earlier page."}) from error
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """As the framework's, with the links required."""
        described = super().get_paginated_response_schema(schema)
        return {**described, "required": ["next", "previous", "results"]}


class HistoryPages(Pages):
    """The same over `betting.db.querysets.by_arrival`."""

    ordering = "-arrival"
