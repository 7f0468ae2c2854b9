"""How well the whole is and was, and what was measured."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from betting.config import get_config
from betting.web.api.parameters import BaselineParameters, HealthSnapshotParameters
from betting.web.api.serializers.health import (
    BaselineSerializer,
    HealthSerializer,
    HealthSnapshotSerializer,
    WholeBaselineSerializer,
    WholeHealthSnapshotSerializer,
)
from betting.web.api.views.base import ApiView, RowsView
from streaming.health.report import details, report
from streaming.models import BaselineSnapshot, HealthSnapshot


class HealthView(ApiView):
    """How well the whole is."""

    @extend_schema(responses=HealthSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - the framework's signature
        """Every check, judged now; 200 whatever they say."""
        return Response(HealthSerializer(details(report(get_config()))).data)


class SnapshotViews(mixins.RetrieveModelMixin, RowsView):
    """How the whole was every few seconds, newest first; one of them comes with its checks."""

    queryset = HealthSnapshot.objects.defer("totals", "workers")
    serializer_class = HealthSnapshotSerializer
    whole_serializer_class = WholeHealthSnapshotSerializer
    large_fields = ("checks",)
    parameters = HealthSnapshotParameters
    lookup_value_regex = "[0-9]+"


class BaselineViews(mixins.RetrieveModelMixin, RowsView):
    """What was measured, newest first; one of them comes with its figures."""

    queryset = BaselineSnapshot.objects.all()
    serializer_class = BaselineSerializer
    whole_serializer_class = WholeBaselineSerializer
    large_fields = ("baseline",)
    parameters = BaselineParameters
    lookup_value_regex = "[0-9]+"
