"""Replaying a provider's answer that could not be read or stored when it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from betting.config import Config
from betting.db.clock import database_now
from betting.models import Clock, Provider
from streaming.core.failures import DataFailure
from streaming.core.snapshot import LeftOut
from streaming.dead_letters.payloads import Payload
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.polling import feed_circuits
from streaming.polling.scores import import_scores, scores_adapter
from streaming.providers.base import Request, Response
from streaming.providers.registry import adapter


def ingest_payload(payload: Payload, config: Config) -> IngestResult:
    """Decode and ingest an answer that was kept; one that has been superseded changes nothing.

    The same holds for a single page, for an answer older than its provider's quotes may be, and for
    one from before its feed failed: what has become stale in the meantime must not return to the
    board.

    Raises:
        Provider.DoesNotExist: the provider was removed.
        ProviderFailure: the answer is still not readable.
        django.db.DataError: the database still cannot hold a value.
    """
    provider = Provider.objects.get(key=payload.provider)
    request = Request(
        payload.adapter or provider.adapter, provider.base_url, payload.path, payload.params
    )
    policy = IngestPolicy(config.movement, config.staleness, config.matching)
    response = _response(payload, {"content-type": payload.content_type})
    source = scores_adapter(request.adapter)
    if source is not None and source.is_scores_request(request):
        scores = source.decode_scores(request, response)
        _require_all(scores.left_out)
        import_scores(scores, config)
        return IngestResult()
    snapshot = adapter(provider.adapter).decoder().decode(request, response)
    _require_all(snapshot.left_out)
    age_seconds = (database_now() - payload.received_at).total_seconds()
    if snapshot.is_page or (
        provider.clock == Clock.WALL and age_seconds > provider.stale_after_seconds
    ):
        return IngestResult(skipped_reason="superseded")
    failed_since = feed_circuits.failed_since(provider.pk, snapshot.feed)
    if failed_since is not None and payload.received_at < failed_since:
        return IngestResult(skipped_reason="superseded")
    return ingest(provider.pk, snapshot, policy, payload.generation)


def _require_all(left_out: Sequence[LeftOut]) -> None:
    """Refuse an answer of which something is left out: the rest was written when it came."""
    for record in left_out:
        raise DataFailure(record.reason, record.message, record.place)


def _response(payload: Payload, headers: Mapping[str, str]) -> Response:
    body = payload.body
    return Response(
        status=payload.status,
        headers=headers,
        body=body,
        received_at=payload.received_at,
        duration_ms=0.0,
        wire_bytes=len(body),
    )
