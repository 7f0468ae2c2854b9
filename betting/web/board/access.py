"""The readers of the board, every user that is logged in or everyone, and where they read."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

from betting.config import get_config
from betting.db.replica import read_from_replica

View = Callable[..., HttpResponse]


def for_readers(view: View) -> View:
    """Return the view, with a redirect to the login for those who may not read the board."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated or get_config().web.board_public:
            return view(request, *args, **kwargs)
        if request.headers.get("HX-Request"):
            # A page that updates itself follows this; a redirect would put the login into a table.
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        return redirect_to_login(request.get_full_path())

    return guarded


def from_replica(view: View) -> View:
    """Return the view, which reads from the replica where there is one that is close behind."""

    @wraps(view)
    def reading(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return read_from_replica(lambda: view(request, *args, **kwargs))

    return reading
