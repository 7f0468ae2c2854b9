"""Providers and their circuits, polls, recomputes and dead letters, and commands on them."""

from __future__ import annotations

from typing import cast

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from betting.db.clock import database_now
from betting.models import Feed, FeedBookmaker, Provider
from betting.web.api.parameters import (
    FeedBookParameters,
    FeedCircuitParameters,
    LetterParameters,
    OfProviderParameters,
    PollRunParameters,
    ProviderParameters,
    RecomputeRunParameters,
)
from betting.web.api.permissions import CircuitOperator, LetterOperator
from betting.web.api.problems import Conflict
from betting.web.api.serializers.operations import (
    CircuitSerializer,
    FeedBookSerializer,
    FeedCircuitSerializer,
    FeedSerializer,
    LetterSerializer,
    PollRunSerializer,
    ProviderSerializer,
    ReasonSerializer,
    RecomputeRunSerializer,
    ResetSerializer,
    TransitionSerializer,
    WholeLetterSerializer,
)
from betting.web.api.views.base import RowsView
from streaming.core.breaker import Command
from streaming.dead_letters import replay
from streaming.dead_letters.replay import with_last_replay
from streaming.models import (
    Circuit,
    CircuitTransition,
    DeadLetter,
    DeadLetterAction,
    FeedCircuit,
    PollRun,
)
from streaming.polling import feed_circuits
from streaming.polling.circuits import give_command
from streaming.tasks import send_quarantine
from valuation.models import RecomputeRun

ACTIONS_SHOWN = 20
"""The most actions that are shown of a letter, latest first."""


class ProviderViews(mixins.RetrieveModelMixin, RowsView):
    """Providers, each with its circuit."""

    queryset = Provider.objects.select_related("circuit").defer("circuit__poll_memory")
    serializer_class = ProviderSerializer
    parameters = ProviderParameters
    lookup_field = "key"
    lookup_value_regex = "[-a-zA-Z0-9_]+"


class CircuitViews(mixins.RetrieveModelMixin, RowsView):
    """Circuits, each between a provider and its polls, and the commands that overrule them."""

    queryset = Circuit.objects.select_related("provider").defer("poll_memory")
    serializer_class = CircuitSerializer
    parameters = OfProviderParameters
    permission_classes = (*RowsView.permission_classes, CircuitOperator)
    lookup_field = "provider__key"
    lookup_url_kwarg = "provider"
    lookup_value_regex = "[-a-zA-Z0-9_]+"

    @extend_schema(request=ReasonSerializer, responses=CircuitSerializer)
    @action(detail=True, methods=["post"])
    def open(self, request: Request, provider: str) -> Response:
        """Refuse every call, and take the provider's prices off the board."""
        return self._command(request, provider, "open")

    @extend_schema(request=ReasonSerializer, responses=CircuitSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, provider: str) -> Response:
        """Let every call pass, even if calls fail."""
        return self._command(request, provider, "close")

    @extend_schema(request=ResetSerializer, responses=CircuitSerializer)
    @action(detail=True, methods=["post"])
    def reset(self, request: Request, provider: str) -> Response:
        """Close the circuit and let its calls decide again; with a feed, only that feed's."""
        given = ResetSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        feed = given.validated_data.get("feed")
        if feed is None:
            return self._command(request, provider, "reset")
        found = get_object_or_404(FeedCircuit, provider__key=provider, feed=feed)
        reason, by = given.validated_data["reason"], request.user.get_username()
        feed_circuits.reset(found.provider, reason, by, database_now(), feed)
        return Response(CircuitSerializer(self.get_object()).data)

    @extend_schema(request=ReasonSerializer, responses=CircuitSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, provider: str) -> Response:
        """Let every call pass, and only count failures."""
        return self._command(request, provider, "disable")

    def _command(self, request: Request, key: str, command: Command) -> Response:
        """Carry out a command; it creates the circuit of a provider that was never polled."""
        reason = _reason(request)
        provider = get_object_or_404(Provider, key=key)
        give_command(provider, command, reason, request.user.get_username(), database_now())
        if command == "open":
            send_quarantine(provider.pk)
        return Response(CircuitSerializer(self.get_object()).data)


class TransitionViews(RowsView):
    """Every change of every circuit, newest first."""

    queryset = CircuitTransition.objects.select_related("provider")
    serializer_class = TransitionSerializer
    parameters = OfProviderParameters


class FeedCircuitViews(RowsView):
    """The circuits of feeds that polls ask for, answered yet or not; open ones are left out."""

    queryset = FeedCircuit.objects.select_related("provider")
    serializer_class = FeedCircuitSerializer
    parameters = FeedCircuitParameters


class FeedViews(RowsView):
    """The requests that polls make, and when each was last answered."""

    queryset = Feed.objects.select_related("provider")
    serializer_class = FeedSerializer
    parameters = OfProviderParameters


class FeedBookViews(RowsView):
    """The bookmakers of feeds, and when each was last confirmed."""

    queryset = FeedBookmaker.objects.select_related("feed__provider", "bookmaker")
    serializer_class = FeedBookSerializer
    parameters = FeedBookParameters


class PollRunViews(RowsView):
    """Every request to a provider, newest first."""

    queryset = PollRun.objects.select_related("provider")
    serializer_class = PollRunSerializer
    parameters = PollRunParameters


class RecomputeRunViews(RowsView):
    """Every recompute message, newest first."""

    queryset = RecomputeRun.objects.all()
    serializer_class = RecomputeRunSerializer
    parameters = RecomputeRunParameters


class LetterViews(mixins.RetrieveModelMixin, RowsView):
    """Dead letters, for who may view them; a single one has its arguments and latest actions."""

    queryset = DeadLetter.objects.all()
    serializer_class = LetterSerializer
    whole_serializer_class = WholeLetterSerializer
    large_fields = ("args", "kwargs", "traceback", "body")
    parameters = LetterParameters
    permission_classes = (*RowsView.permission_classes, LetterOperator)
    lookup_value_regex = "[0-9]+"

    def get_queryset(self) -> QuerySet[DeadLetter]:
        """Return the letters; a single one comes with its latest actions."""
        letters = with_last_replay(super().get_queryset())
        if not self.detail:
            return letters
        actions = DeadLetterAction.objects.order_by("-id")[:ACTIONS_SHOWN]
        return letters.prefetch_related(Prefetch("actions", actions, to_attr="latest_actions"))

    @extend_schema(
        request=None,
        responses={status.HTTP_202_ACCEPTED: WholeLetterSerializer},
    )
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - the framework's signature
        """Queue the work to be done again; 409 if it cannot be."""
        letter = cast("DeadLetter", self.get_object())
        letters = DeadLetter.objects.filter(pk=letter.pk)
        if not replay.request_replays(letters, request.user.get_username()):
            raise Conflict(
                "The letter is being replayed already, has no task, or is without all of its"
                " arguments."
            )
        return self._whole(status.HTTP_202_ACCEPTED)

    @extend_schema(request=ReasonSerializer, responses=WholeLetterSerializer)
    @action(detail=True, methods=["post"])
    def discard(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - the framework's signature
        """Discard the letter; 409 if it is being replayed or has been discarded."""
        reason = _reason(request)
        letter = cast("DeadLetter", self.get_object())
        letters = DeadLetter.objects.filter(pk=letter.pk)
        if not replay.discard(letters, request.user.get_username(), reason):
            raise Conflict("The letter is being replayed, or has been discarded.")
        return self._whole(status.HTTP_200_OK)

    def _whole(self, code: int) -> Response:
        return Response(WholeLetterSerializer(self.get_object()).data, status=code)


def _reason(request: Request) -> str:
    """Return the reason that the request gives.

    Raises:
        ValidationError: it gives none.
    """
    given = ReasonSerializer(data=request.data)
    given.is_valid(raise_exception=True)
    reason: str = given.validated_data["reason"]
    return reason
