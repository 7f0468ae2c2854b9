"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpResponse
from rest_framework import status
from rest_framework.exceptions import (
    APIException,
    NotFound,
    ParseError,
    ValidationError,
)
from rest_framework.exceptions import PermissionDenied as NotPermitted
from rest_framework.views import set_rollback

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"


class Conflict(APIException):
    """The error of a request that conflicts with the resource's state."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "The resource is in a state that does not allow this."
    default_code = "conflict"


class TooLarge(APIException):
    """The error of a body that is longer than the API accepts."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "too_large"


def answer(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Turn an exception of a view into a problem document.

    An unexpected exception is logged; the client gets a 500 without any detail of it.

    Args:
        error: the exception that was raised.
        context: Django REST framework's: the view and its request.
    """
    set_rollback()
    known = _as_api_exception(error)
    if known is None:
        view = type(context.get("view")).__name__
        logger.error("a request of the API failed: view=%s", view, exc_info=error)
        known = APIException("This failed on our side; it has been logged.")
    return _problem(known)


def _as_api_exception(error: Exception) -> APIException | None:
    if isinstance(error, APIException):
        return error
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return NotPermitted()
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    if isinstance(error, SuspiciousOperation):
        return ParseError("The request is malformed.")
    return None


def _problem(error: APIException) -> HttpResponse:
    title = HTTPStatus(error.status_code).phrase
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": error.status_code,
        "detail": str(error.detail),
    }
    if isinstance(error, ValidationError):
        document["detail"] = "The request is not valid; errors says what is wrong with what."
        document["errors"] = _by_field(error.get_full_details())
    response = HttpResponse(
        json.dumps(document), content_type=CONTENT_TYPE, status=error.status_code
    )
    challenge = getattr(error, "auth_header", None)
    if challenge:
        response["WWW-Authenticate"] = challenge
    wait_seconds = getattr(error, "wait", None)
    if wait_seconds is not None:
        response["Retry-After"] = str(math.ceil(wait_seconds))
    return response


def _by_field(details: Any) -> dict[str, list[str]]:
    """Return the messages by field; a nested field is named by its path.

    >>> _by_field(
    ...     {
    ...         "args": {"0": [{"message": "No.", "code": "x"}]},
    ...         "reason": [{"message": "Say why.", "code": "blank"}],
    ...     }
    ... )
    {'args.0': ['No.'], 'reason': ['Say why.']}
    """
    found: dict[str, list[str]] = {}
    _collect(details, "", found)
    return found


def _collect(details: Any, path: str, found: dict[str, list[str]]) -> None:
    if isinstance(details, list):
        for detail in details:
            _collect(detail, path, found)
    elif "message" in details and isinstance(details["message"], str):
        found.setdefault(path or "request", []).append(details["message"])
    else:
        for name, detail in details.items():
            _collect(detail, f"{path}.{name}".lstrip("."), found)
