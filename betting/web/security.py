"""The Content-Security-Policy of each page: nothing from elsewhere, and no inline scripts.

The admin and the API's browser are libraries whose scripts are evaluated in the page: they are
allowed what they need, under their addresses alone.
"""

from __future__ import annotations

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
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
