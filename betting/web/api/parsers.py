"""The parser of request bodies, within limits of size and nesting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from betting.web.api.problems import TooLarge


class BoundedJSONParser(JSONParser):
    """A JSON parser that refuses bodies that are too long or nested too deep."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the decoded body.

        Raises:
            TooLarge: it is longer than Django accepts of a form.
            ParseError: it is not JSON, or nested deeper than Python can follow.
        """
        request = (parser_context or {})["request"]
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if limit and int(request.META.get("CONTENT_LENGTH") or 0) > limit:
            raise TooLarge
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deep") from None
