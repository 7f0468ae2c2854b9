"""The Content-Security-Policy of each page, and addresses that no page can read.

A page loads nothing from elsewhere, and has no inline scripts. The admin and the API's browser are
libraries whose scripts are evaluated in the page: they are allowed what they need, under their
addresses alone.
"""

from __future__ import annotations

from collections.abc import Callable

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponseBase

DIRECTIVES: dict[str, list[str]] = {
    "default-src": [SELF],
    "img-src": [SELF, "data:"],
    "object-src": [NONE],
    "base-uri": [NONE],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
}

_LIBRARY_PAGES = ("/admin/", "/api/v1/docs")


class PagePolicy(CSPMiddleware):
    """The middleware that sends the policy with every answer."""

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,  # noqa: FBT001, FBT002 - django-csp's signature
    ) -> PolicyParts:
        """Return the policy of a page."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path.startswith(_LIBRARY_PAGES):
            parts.update = {
                "script-src": [SELF, UNSAFE_INLINE, UNSAFE_EVAL],
                "style-src": [SELF, UNSAFE_INLINE],
            }
        return parts


def refuse_null_characters(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Return the middleware that refuses an address with a null character as malformed.

    Neither PostgreSQL nor a file system takes one, and libraries of the admin look up what an
    address says as it is. The board and the API read their queries by forms that refuse it with
    words of their own, and the API's paths admit none.
    """

    def refusing(request: HttpRequest) -> HttpResponseBase:
        is_refused = "\0" in request.path and not request.path.startswith("/api/")
        if is_refused or (request.path.startswith("/admin/") and _has_null(request)):
            raise BadRequest("the address has a null character")
        return get_response(request)

    return refusing


def _has_null(request: HttpRequest) -> bool:
    return any("\0" in text for name, values in request.GET.lists() for text in (name, *values))
