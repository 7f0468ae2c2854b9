"""The health now and before."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import mixins
from rest_framework.request import Request
from rest_framework.response import Response

from betting.config import get_config
from betting.web.api.parameters import HealthSnapshotParameters
from betting.web.api.serializers.health import (
    HealthSerializer,
    HealthSnapshotSerializer,
    WholeHealthSnapshotSerializer,
)
from betting.web.api.views.base import ApiView, RowsView
from streaming.health.report import build_report, details
from streaming.models import HealthSnapshot


class HealthView(ApiView):
    """The current health of the whole system."""

    @extend_schema(responses=HealthSerializer)
    def get(self, request: Request) -> Response:  # noqa: ARG002 - the framework's signature
        """Run every check now; answer 200 even if checks fail."""
        return Response(HealthSerializer(details(build_report(get_config()))).data)


class SnapshotViews(mixins.RetrieveModelMixin, RowsView):
    """Health snapshots, newest first; a single one comes with its checks."""

    queryset = HealthSnapshot.objects.defer("totals", "workers")
    serializer_class = HealthSnapshotSerializer
    whole_serializer_class = WholeHealthSnapshotSerializer
    large_fields = ("checks", "outlook")
    parameters = HealthSnapshotParameters
    lookup_value_regex = "[0-9]+"
