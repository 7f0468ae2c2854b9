"""The closing line value of edges, by class."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from betting.web.api.parameters import ClvParameters
from betting.web.api.serializers.valuation import ClvSerializer
from betting.web.api.views.base import ApiView, checked
from valuation.closes.statistics import summaries


class ClvView(ApiView):
    """The closing line value of edges whose event has started."""

    reads_replica = True

    @extend_schema(parameters=[ClvParameters], responses=ClvSerializer)
    def get(self, request: Request) -> Response:
        """Return all chosen edges together, and by class if one is asked for."""
        given = cast("ClvParameters", checked(ClvParameters, request))
        choice, grouping = given.choice(), given.grouping
        total = summaries(choice)
        answer = {
            "since": choice.since,
            "total": total[0] if total else None,
            "group_by": grouping,
            "groups": summaries(choice, grouping) if grouping else [],
        }
        return Response(ClvSerializer(answer).data)
