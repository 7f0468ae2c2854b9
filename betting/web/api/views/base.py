"""What all views have in common: who is counted, what is cached, and lists that cost little."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, ClassVar, cast

from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags
from rest_framework import mixins, status
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from betting.web.api.pagination import Pages
from betting.web.api.parameters import PageParameters, Parameters
from betting.web.api.throttles import AnonymousThrottle, UserThrottle


class ApiView(APIView):
    """A view of the API."""

    throttle_classes = (UserThrottle,)

    def handle_exception(self, exc: Exception) -> Response:
        """Count who is turned away, and say so to who comes too often."""
        if isinstance(exc, (NotAuthenticated, AuthenticationFailed)):
            throttle = AnonymousThrottle()
            if not throttle.allow_request(self.request, self):
                exc = Throttled(throttle.wait())
        return super().handle_exception(exc)

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Any:
        """Let no shared cache keep what a user was told, nor any cache serve it unasked."""
        # The framework takes Django's own responses too; its stubs do not say so.
        finalized = super().finalize_response(request, cast("Response", response), *args, **kwargs)
        finalized.setdefault("Cache-Control", "private, no-cache")
        return finalized


def checked(parameters: type[Parameters], request: Request) -> Parameters:
    """The query's parameters.

    Raises:
        ValidationError: they are not valid.
    """
    # A plain mapping: of an HTML form, an absent checkbox would count as not ticked.
    given = parameters(data=request.query_params.dict())
    given.is_valid(raise_exception=True)
    return given


class RowsView(ApiView, mixins.ListModelMixin, GenericViewSet[Any]):
    """A list of rows, in pages, narrowed down by declared parameters.

    A client that has a page already is told so (304) by one short statement, before a row is
    read in full: the page's version is what `version_fields` say of its rows.

    Attributes:
        parameters: what the list is narrowed down by.
        version_fields: what changes whenever a row of the list shows something new; none for a
            list that answers in full every time.
        whole_serializer_class: for one row that is named, if that shows more than a list's rows.
        large_fields: what a list's rows do without, and are not read with.
    """

    parameters: ClassVar[type[Parameters]] = PageParameters
    version_fields: ClassVar[Sequence[str]] = ()
    whole_serializer_class: ClassVar[type[Serializer[Any]] | None] = None
    large_fields: ClassVar[Sequence[str]] = ()

    def get_queryset(self) -> QuerySet[Any]:
        """The rows, without the large fields in a list."""
        rows = super().get_queryset()
        return rows if self.detail else rows.defer(*self.large_fields)

    def get_serializer_class(self) -> Any:
        """What a row in a list shows, or all of it where one is asked for."""
        is_whole = self.detail and self.whole_serializer_class is not None
        return self.whole_serializer_class if is_whole else self.serializer_class

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The rows that the parameters leave; one row that is named is not narrowed down."""
        if self.detail:
            return queryset
        return checked(self.parameters, self.request).narrow(queryset)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page, or that it is the one that the client has."""
        if not self.version_fields:
            return super().list(request, *args, **kwargs)
        # Read before the page: one that changes in between is sent again, never held back.
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
