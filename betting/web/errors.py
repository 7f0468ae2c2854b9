"""The pages that are shown instead of one that cannot be: what happened, and what to do."""

from __future__ import annotations

import sys

import django.db
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from betting.db.outages import OUTAGES

RETRY_SECONDS = 5
"""A page that a missing server prevents is asked for again after this long, by itself."""


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Render the answer to a request that cannot be read."""
    return _page(
        request,
        400,
        "This request cannot be read",
        "Its address or its form is malformed. Go back and try again.",
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Render the answer to a user who lacks a permission."""
    return _page(
        request,
        403,
        "Your account may not do this",
        "It lacks the permission. An administrator can grant it under Users in the admin.",
    )


def expired_form(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Render the answer to a form without a valid token."""
    return _page(
        request,
        403,
        "This form has expired",
        "Nothing was changed. Go back, load the page again, and send the form once more.",
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Render the answer to an address that leads nowhere."""
    return _page(
        request,
        404,
        "There is no such page",
        "The address may be mistyped, or its event or edge is so old that it was deleted.",
    )


def failed(request: HttpRequest) -> HttpResponse:
    """Render the answer to a request that has raised: one of its servers is away, or a defect."""
    error = sys.exc_info()[1]
    if not isinstance(error, OUTAGES):
        return _page(
            request,
            500,
            "This page has failed",
            "The failure is logged. Load the page again; if it fails again, tell the operator.",
        )
    server = "database" if isinstance(error, django.db.Error) else "message broker"
    return _page(
        request,
        503,
        f"The {server} does not answer",
        "Nothing can be shown until it does. This page is loaded again every"
        f" {RETRY_SECONDS} seconds. Operators: the runbook says what to do.",
        retry_seconds=RETRY_SECONDS,
    )


def _page(
    request: HttpRequest, status: int, title: str, advice: str, retry_seconds: int = 0
) -> HttpResponse:
    # A form that is sent again by itself would act twice.
    retry_seconds = retry_seconds if request.method == "GET" else 0
    context = {
        "status": status,
        "title": title,
        "advice": advice,
        "retry_seconds": retry_seconds,
    }
    # Without the request: context processors would ask the database who the user is.
    response = HttpResponse(render_to_string("error.html", context), status=status)
    if retry_seconds:
        response["Retry-After"] = str(retry_seconds)
    return response
