"""Additions to the OpenAPI document that the views do not declare themselves."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema

from betting.web.api.parameters import OddsParameters
from betting.web.api.views.base import RowsView

_PROBLEM = {
    "type": "object",
    "description": "What went wrong: RFC 9457.",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "object",
            "description": "What is wrong with which parameter or field, if that is what it is.",
            "additionalProperties": {"type": "array", "items": {"type": "string"}},
        },
    },
    "required": ["type", "title", "status", "detail"],
}
_ANSWER = {
    "description": "Anything that went wrong, 4xx or 5xx.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_UNCHANGED = {"description": "The client has this page: If-None-Match named its ETag."}


class Schema(AutoSchema):
    """The schema of a view, with the parameters that a list declares."""

    def get_override_parameters(self) -> list[Any]:
        """Return the framework's parameters, and before them the list's own."""
        declared = list(super().get_override_parameters())
        if isinstance(self.view, RowsView) and self.method == "GET":
            if self.view.action == "list":
                return [self.view.parameters, *declared]
            if self.view.shows_odds and self.view.action != "history":
                return [OddsParameters, *declared]
        return declared


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the problem document to every operation, and 304 to every list."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = _ANSWER
            if operation["operationId"].endswith("_list"):
                operation["responses"]["304"] = _UNCHANGED
    return result
