"""Polling: claim the providers that are due, ask, decode, ingest, and leave a row for each."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from django.db import DataError
from redis.exceptions import LockNotOwnedError

from betting.config import Config, PollConfig
from betting.models import Event, EventStatus, Provider
from betting.sql import fetch_all
from streaming import buffer
from streaming.core.failures import DataFailure, PermanentFailure, ProviderFailure, one_line
from streaming.deadletters.payloads import bury_payload
from streaming.ingest import IngestResult, ingest
from streaming.models import PollOutcome, PollRun
from streaming.providers.base import (
    Adapter,
    Decoder,
    OddsFormat,
    ProviderSettings,
    Quota,
    Request,
    Response,
    Secret,
)
from streaming.providers.http import fetch
from streaming.providers.registry import adapter

logger = logging.getLogger(__name__)

INGEST_SECONDS = 10.0
"""Beyond a request's own deadline, what its answer may take to be ingested."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A provider whose poll is due, and how long the order to poll it is worth anything."""

    provider_id: int
    expires_seconds: float


def claim_due_providers(config: PollConfig) -> list[Claim]:
    """Claim every provider that is due by moving its next poll on, with jitter.

    Providers that another tick is claiming at the moment are skipped.
    """
    rows = fetch_all(_CLAIM_DUE, {"jitter": config.jitter_fraction})
    return [Claim(provider_id, max(interval, 1.0)) for provider_id, interval in rows]


Ask = Callable[[Request], Response | None]
"""Puts a request to a provider; None when the same request ran moments ago."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One poll, or one replay, of a provider.

    Attributes:
        provider: whom it is with.
        source: the adapter that speaks its protocol.
        decoder: what reads its answers, in their order.
        ask: how a request is put to it.
    """

    provider: Provider
    source: Adapter
    decoder: Decoder
    ask: Ask


def poll(provider_id: int, config: Config) -> Iterator[IngestResult]:
    """Make a provider's requests, one after the other, each ending in a `PollRun` row.

    One poll of a provider at a time: one that comes while another is under way does nothing.

    Args:
        provider_id: the provider; one that is gone or disabled is not asked.
        config: deadlines, dedupe window and movement policy.

    Yields:
        What each answer changed, once that is committed.
    """
    provider = Provider.objects.filter(pk=provider_id, enabled=True).first()
    lease = buffer.lease(f"poll:{provider_id}", config.fetch.total_timeout_seconds + INGEST_SECONDS)
    # Nobody waits here: a provider that hangs keeps one thread busy, not all of them.
    if provider is None or not lease.acquire():
        return
    try:
        source = adapter(provider.adapter)
        ask = _asker(provider, source, config)
        conversation = Conversation(provider, source, source.decoder(), ask)
        for request in source.requests(_settings(provider)):
            with suppress(LockNotOwnedError):  # Redis was flushed: at worst it is polled twice
                lease.reacquire()
            # The circuit's place: whether this call may be made, and what came of it.
            yield take(conversation, request, config)
    except ProviderFailure as failure:
        # Not even a request: unknown adapter, no key, unreadable recording.
        _fail(PollRun(provider=provider, duration_ms=0.0), failure)
    finally:
        with suppress(LockNotOwnedError):
            lease.release()


def take(conversation: Conversation, request: Request, config: Config) -> IngestResult:
    """Make one request and ingest the answer.

    Whatever the provider does, one `PollRun` row says it. An outage of our own servers is the
    task's failure instead.
    """
    started = time.perf_counter()
    run = PollRun(
        provider=conversation.provider, feed=request.feed[:2000], started_at=datetime.now(UTC)
    )
    result = IngestResult()
    response: Response | None = None
    try:
        response = conversation.ask(request)
        if response is None:
            run.outcome = PollOutcome.REPEATED
        else:
            result = _ingest(run, conversation, request, response, config)
    except ProviderFailure as failure:
        run.duration_ms = _since_ms(started)
        _fail(run, failure, request, response)
    else:
        run.duration_ms = _since_ms(started)
        run.save()
    return result


def recorded_answer(request: Request) -> Response | None:
    """Asks nobody: the answer that a recorded request got at the time."""
    return request.recorded


def _asker(provider: Provider, source: Adapter, config: Config) -> Ask:
    secret = Secret.from_environment(provider.api_key_env)

    def ask(request: Request) -> Response | None:
        if request.recorded is not None:
            return request.recorded
        if not buffer.first_within(f"{provider.key}:{request.url}", config.poll.dedupe_ms):
            return None
        return fetch(request, source.authorise(request, secret), config.fetch)

    return ask


def _ingest(
    run: PollRun,
    conversation: Conversation,
    request: Request,
    response: Response,
    config: Config,
) -> IngestResult:
    run.http_status, run.response_bytes = response.status, response.wire_bytes
    _note_quota(run, conversation.source.quota(response))
    snapshot = conversation.decoder.decode(request, response)
    run.quotes_seen = snapshot.quotes_seen
    try:
        result = ingest(run.provider_id, snapshot, config.movement)
    except DataError:
        result = None
    if result is None:
        raise DataFailure("unstorable", "The database cannot hold a value.", one_line(run.feed))
    run.outcome = PollOutcome.SUPERSEDED if result.is_superseded else PollOutcome.OK
    run.changes = sum(result.counts.values())
    return result


def _note_quota(run: PollRun, quota: Quota) -> None:
    run.quota_remaining = quota.remaining
    if quota.remaining is not None or quota.used is not None:
        Provider.objects.filter(pk=run.provider_id).update(
            quota_remaining=quota.remaining, quota_used=quota.used
        )


def _fail(
    run: PollRun,
    failure: ProviderFailure,
    request: Request | None = None,
    response: Response | None = None,
) -> None:
    run.outcome = PollOutcome.FAILED
    run.failure_kind = failure.kind
    run.failure_code = failure.code[:64]
    run.failure_message = str(failure)[:500]
    if isinstance(failure, PermanentFailure):
        run.failure_advice = failure.advice[:500]
    run.save()
    bury_payload(run.provider_id, run.provider.key, failure, request, response)
    logger.warning(
        "poll failed: provider=%s feed=%s kind=%s code=%s: %s",
        run.provider.key,
        run.feed,
        failure.kind,
        failure.code,
        failure,
    )


def _settings(provider: Provider) -> ProviderSettings:
    return ProviderSettings(
        key=provider.key,
        adapter=provider.adapter,
        base_url=provider.base_url,
        sports=provider.sports,
        markets=provider.markets,
        event_markets=provider.event_markets,
        regions=provider.regions,
        bookmakers=provider.bookmakers,
        odds_format=cast("OddsFormat", provider.odds_format),
        api_key_env=provider.api_key_env,
        open_events=_open_events(provider) if provider.event_markets else {},
    )


def _open_events(provider: Provider) -> Mapping[str, Sequence[str]]:
    """Sport key → the provider's ids of its events that have not ended, soonest first."""
    by_sport: dict[str, list[str]] = defaultdict(list)
    rows = (
        Event.objects.exclude(status=EventStatus.ENDED)
        .filter(aliases__provider=provider, sport__key__in=provider.sports)
        .order_by("commence_time", "id")
        .values_list("sport__key", "aliases__external_id")
    )
    for sport, external_id in rows:
        by_sport[sport].append(external_id)
    return by_sport


def _since_ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000


_CLAIM_DUE = """
UPDATE betting_provider
SET next_poll_at = clock_timestamp()
    + interval_seconds * (1 + %(jitter)s * (2 * random() - 1)) * interval '1 second'
WHERE id IN (
    SELECT id FROM betting_provider
    WHERE enabled AND (next_poll_at IS NULL OR next_poll_at <= clock_timestamp())
    FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING id, interval_seconds
"""
