"""The base of all views: throttling, cache headers and inexpensive lists."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from rest_framework import mixins, status
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, Throttled
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from betting.db.replica import read_from_replica
from betting.web.api.pagination import Pages
from betting.web.api.parameters import OddsParameters, PageParameters, Parameters
from betting.web.api.throttles import AnonymousThrottle, UserThrottle


class ApiView(APIView):
    """A view of the API.

    Attributes:
        reads_replica: whether it reads from the replica, where there is one that is close behind:
            for what the stream writes. What a client changes is read where it was written.
    """

    throttle_classes = (UserThrottle,)
    reads_replica: ClassVar[bool] = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let the client in, by what the primary knows of it; then have the view read elsewhere."""
        super().initial(request, *args, **kwargs)
        method = (request.method or "").lower()
        if not self.reads_replica or method not in {"get", "head"}:
            return
        handler = getattr(self, method)

        def read(*args: Any, **kwargs: Any) -> Any:
            return read_from_replica(lambda: handler(*args, **kwargs))

        setattr(self, method, read)  # the framework looks it up after this

    def handle_exception(self, exc: Exception) -> Response:
        """Count failed authentication by address; answer 429 if an address fails too often."""
        if isinstance(exc, (NotAuthenticated, AuthenticationFailed)):
            throttle = AnonymousThrottle()
            if not throttle.allow_request(self.request, self):
                exc = Throttled(throttle.wait())
        return super().handle_exception(exc)

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Any:
        """Forbid shared caches to keep the response, and any cache to serve it unchecked."""
        # The framework accepts Django's own responses too; its stubs do not say so.
        finalized = super().finalize_response(request, cast("Response", response), *args, **kwargs)
        finalized.setdefault("Cache-Control", "private, no-cache")
        return finalized


def checked(parameters: type[Parameters], request: Request) -> Parameters:
    """Return the query's parameters, validated.

    Raises:
        ValidationError: they are not valid.
    """
    # Pass a plain mapping: in a QueryDict, which an HTML form sends, an absent boolean would
    # count as false.
    given = parameters(data=request.query_params.dict())
    given.is_valid(raise_exception=True)
    return given


class RowsView(ApiView, mixins.ListModelMixin, GenericViewSet[Any]):
    """A list of rows, in pages, filtered by declared parameters.

    A client that already has a page gets 304 after one short statement, before any row is read in
    full: the page's ETag is a hash of the `version_fields` of its rows.

    Attributes:
        parameters: the serializer of the filters.
        version_fields: fields of which one changes whenever a row of the list shows something
            new; empty for a list that answers in full every time.
        is_versioned_as_shown: whether the page's ETag is a hash of all that it shows instead: for
            rows that are judged, which costs more than to read them.
        shows_odds: whether its rows have prices, which `odds_format` writes in another way as well.
        whole_serializer_class: the serializer of a single row, if that shows more than a list's.
        large_fields: fields that a list's rows do not show and that are not read for a list.
    """

    parameters: ClassVar[type[Parameters]] = PageParameters
    version_fields: ClassVar[Sequence[str]] = ()
    is_versioned_as_shown: ClassVar[bool] = False
    shows_odds: ClassVar[bool] = False
    whole_serializer_class: ClassVar[type[Serializer[Any]] | None] = None
    large_fields: ClassVar[Sequence[str]] = ()

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows, in a list without the large fields."""
        rows = super().get_queryset()
        return rows if self.detail else rows.defer(*self.large_fields)

    def get_serializer_class(self) -> Any:
        """Return the serializer of a list's rows, or of a single row."""
        is_whole = self.detail and self.whole_serializer_class is not None
        return self.whole_serializer_class if is_whole else self.serializer_class

    def get_serializer_context(self) -> dict[str, Any]:
        """Return the framework's context, with the format of odds that the client asks for.

        Raises:
            ValidationError: there is no such format, or no such parameter of a single row.
        """
        context = {**super().get_serializer_context()}
        if self.shows_odds and not getattr(self, "swagger_fake_view", False):
            if self.detail and not self.has_pages_of_a_row:
                checked(OddsParameters, self.request)
            context["odds_format"] = self.request.query_params.get("odds_format")
        return context

    @property
    def has_pages_of_a_row(self) -> bool:
        """True of a list about one row, which checks its own parameters."""
        return self.action == "history"

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter a list by its parameters; do not filter a single row."""
        if self.detail:
            return queryset
        return checked(self.parameters, self.request).narrow(queryset)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return a page, or 304 if the client has it already."""
        if self.is_versioned_as_shown:
            response = super().list(request, *args, **kwargs)
            digest = blake2b(JSONRenderer().render(response.data), digest_size=16)
            response["ETag"] = etag = f'W/"{digest.hexdigest()}"'
            if etag in parse_etags(request.headers.get("If-None-Match", "")):
                return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
            return response
        if not self.version_fields:
            return super().list(request, *args, **kwargs)
        # Computed before the page is read: a row that changes in between makes the client's next
        # request send the page again, and no change is held back.
        etag = self._version(request)
        if etag in parse_etags(request.headers.get("If-None-Match", "")):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": etag})
        response = super().list(request, *args, **kwargs)
        response["ETag"] = etag
        return response

    def _version(self, request: Request) -> str:
        rows = self.filter_queryset(self.get_queryset())
        rows = rows.select_related(None).prefetch_related(None)
        page = self.paginate_queryset(rows.values(*self.version_fields)) or ()
        digest = blake2b(request.get_full_path().encode(), digest_size=16)
        for row in page:
            digest.update(repr(tuple(row.values())).encode())
        pages = cast("Pages", self.paginator)
        digest.update(f"{pages.get_previous_link()} {pages.get_next_link()}".encode())
        return f'W/"{digest.hexdigest()}"'
