"""Polling: claim the providers that are due, and make the requests of each one's poll."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

from django.db.models.functions import Least
from django.db.models.functions import Now as DatabaseNow

from betting.config import Config
from betting.db.advisory_locks import POLLS, session_lock
from betting.db.clock import database_now
from betting.db.sessions import keep_session
from betting.db.sql import fetch_all
from betting.models import Event, EventStatus, Provider
from betting.timing import TICK_SECONDS
from streaming.coalescing import buffer
from streaming.core.failures import ProviderFailure
from streaming.core.results import SCORES_FEED_END
from streaming.ingest.ingest import IngestResult
from streaming.models import PollOutcome, PollRun
from streaming.polling.circuits import INGEST_SECONDS, Now, release_abandoned
from streaming.polling.feed_circuits import FeedCircuits
from streaming.polling.pacing import pace
from streaming.polling.plan import planner_of
from streaming.polling.request import (
    PollSession,
    RequestResult,
    SendRequest,
    fail_before_request,
    fail_unanswered,
    make_request,
    record_throttled,
)
from streaming.polling.throttle import Throttle, is_acting, throttle_of
from streaming.providers.base import (
    Adapter,
    OddsFormat,
    ProviderSettings,
    Request,
    Response,
    Secret,
)
from streaming.providers.http import fetch
from streaming.providers.registry import adapter

JITTER_FRACTION = 0.1
"""Each interval varies by up to this part of it, so that providers do not fall into step."""

LONGEST_EVENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Claim:
    """A provider whose poll is due.

    Attributes:
        provider_id: the provider to poll.
        wait_seconds: how long it is until then; at most a tick.
        expires_seconds: how long the message that has it polled is valid.
    """

    provider_id: int
    wait_seconds: float
    expires_seconds: float


def claim_due_providers(
    now: datetime | None = None, jitter: float = JITTER_FRACTION
) -> list[Claim]:
    """Claim every provider that is due before the next tick, by moving its next poll on.

    Providers that another tick is claiming at the moment are skipped.

    Args:
        now: the time; None for the database's.
        jitter: each interval varies by up to this part of it, either way.
    """
    parameters = {
        "now": now,
        "tick": TICK_SECONDS,
        "jitter": jitter,
    }
    return [
        Claim(provider_id, wait, wait + max(interval, 1.0))
        for provider_id, wait, interval in fetch_all(_CLAIM_DUE, parameters)
    ]


def send_each(claims: Sequence[Claim], send: Callable[[Claim], object]) -> None:
    """Send claims one by one; if sending fails, those left are due again at once.

    Otherwise a broker that was away for a moment would cost each of them a whole interval, which is
    an hour or more where credits are few. The one whose sending failed counts as left: it may have
    been sent, and two polls at once make one.
    """
    for place, claim in enumerate(claims):
        try:
            send(claim)
        except Exception:
            left = Provider.objects.filter(pk__in=[each.provider_id for each in claims[place:]])
            left.update(next_poll_at=Least("next_poll_at", DatabaseNow()))
            raise


def poll(provider_id: int, config: Config, now: Now = database_now) -> Iterator[IngestResult]:
    """Make a provider's requests one after the other, each recorded as a `PollRun` row.

    One poll of a provider at a time: one that starts while another is under way does nothing. When
    the provider's circuit refuses a request, the rest of the poll is not made either. A feed that
    fails on its own is left out until its next try, and every other feed is asked: see
    `streaming.polling.feed_circuits`. A poll in which no feed answers is a failure of the provider.

    Args:
        provider_id: the provider; one that is gone or disabled is not asked.
        config: deadlines, dedupe window and policies.
        now: returns the current time.

    Yields:
        What each answer changed, once that is committed.
    """
    provider = Provider.objects.filter(pk=provider_id, enabled=True).first()
    if provider is None:
        return
    with _turn(provider_id, config) as is_mine:
        # Do not wait for it: a provider that hangs keeps one thread busy, not all of them.
        if not is_mine:
            return
        try:
            yield from _make_requests(provider, config, now)
        except ProviderFailure as failure:
            yield fail_before_request(provider, failure, config, now)


@contextmanager
def _turn(provider_id: int, config: Config) -> Iterator[bool]:
    """Hold a provider's lock for a poll; yield False if another poll has it.

    A probe that is still claimed once the lock is ours was that of a poll that died.
    """
    longest = config.fetch.total_timeout_seconds + INGEST_SECONDS
    with session_lock(POLLS, provider_id, longest) as is_mine:
        if is_mine:
            release_abandoned(provider_id)
        yield is_mine


class PollUnansweredError(Exception):
    """A required poll brought no answer: it was refused, repeated, already under way, or failed."""


def make_due(provider: Provider) -> None:
    """Have the next tick poll a provider; its circuit still decides."""
    Provider.objects.filter(pk=provider.pk).update(next_poll_at=None)


def newest_run(provider_id: int) -> int:
    """Return the id of a provider's newest `PollRun`; 0 if there is none."""
    runs = PollRun.objects.filter(provider_id=provider_id).order_by("-id")
    return runs.values_list("pk", flat=True).first() or 0


def require_answer(provider_id: int, newest: int, feed: str = "") -> None:
    """Require that a provider has answered since its run `newest`, to any poll.

    Args:
        provider_id: the provider.
        newest: the id of a `PollRun`.
        feed: the feed that must have answered; empty for any.

    Raises:
        PollUnansweredError: it has not.
    """
    answered = PollRun.objects.filter(
        provider_id=provider_id, pk__gt=newest, outcome=PollOutcome.OK
    )
    # Scores are asked for apart from polls, and have no price.
    answered = (
        answered.filter(feed=feed) if feed else answered.exclude(feed__endswith=SCORES_FEED_END)
    )
    if not answered.exists():
        asked = f"the feed {feed}" if feed else "the provider"
        raise PollUnansweredError(f"{asked} was not asked, or its answer is not usable")


@dataclass
class _Round:
    """The requests of one poll, as far as they have been made.

    Attributes:
        feeds: the feeds that the provider's requests are about, whether asked or left out.
        results: the result of each request that was made, without its changes.
        is_refused: whether the provider's circuit ended the poll.
    """

    session: PollSession
    config: Config
    now: Now
    feeds: set[str] = field(default_factory=set)
    results: list[RequestResult] = field(default_factory=list)
    is_refused: bool = False

    def make(self, requests: Iterable[Request]) -> Iterator[RequestResult]:
        """Make the requests whose feeds are not left out at present."""
        for request in requests:
            self.feeds.add(request.feed)
            if self._is_due(request):
                yield from self._make_pages(request)
            if self.is_refused:
                return

    def _make_pages(self, first: Request) -> Iterator[RequestResult]:
        """Make a request, and those for the pages that follow, until the circuit refuses one."""
        request: Request | None = first
        while request is not None:
            keep_session()
            result = make_request(self.session, request, self.config, self.now)
            if result is None:
                self.is_refused = True
                return
            self.results.append(replace(result, ingested=IngestResult()))
            yield result
            request = result.following

    @property
    def is_unanswered(self) -> bool:
        """True if feeds were asked and each failed in a way that concerns it alone.

        A page does not count as an answer: the request for the next one decides.
        """
        decisive = [result for result in self.results if not result.is_page]
        return bool(decisive) and all(result.concerns_feed for result in decisive)

    def failures(self) -> Sequence[ProviderFailure]:
        """Return the failures of the requests."""
        return [each.failure for each in self.results if each.failure is not None]

    def _is_due(self, request: Request) -> bool:
        # A recorded answer needs no request: leaving it out would relieve no provider.
        is_recorded = request.recorded is not None
        return is_recorded or self.session.feeds.may_ask(request.feed, self.now())


def _make_requests(provider: Provider, config: Config, now: Now) -> Iterator[IngestResult]:
    throttle = throttle_of(provider, config)
    if throttle is None:
        yield from _make_unthrottled(provider, config, now, None)
        return
    is_held = throttle.reason_to_hold(is_acting=is_acting(config))
    try:
        if is_held and is_acting(config):
            record_throttled(provider, is_held)
        else:
            yield from _make_unthrottled(provider, config, now, throttle)
    finally:
        throttle.save()


def _make_unthrottled(
    provider: Provider, config: Config, now: Now, throttle: Throttle | None
) -> Iterator[IngestResult]:
    source, settings = adapter(provider.adapter), _settings(provider)
    feeds = FeedCircuits(provider, config)
    planner = planner_of(provider, config, now)
    send = sender(provider, source, config)
    session = PollSession(provider, source, source.decoder(), send, feeds, throttle, planner)
    this = _Round(session, config, now)
    for result in this.make(source.requests(settings)):
        yield result.ingested
    if this.is_refused:
        return
    feeds.keep_only(this.feeds)
    if this.is_unanswered:
        failed = fail_unanswered(session, this.failures(), config, now)
        if failed.quarantined:
            yield failed
    allowance = pace(provider.pk, [each.run for each in this.results], config.poll, now())
    if planner is not None:
        planner.plan(allowance, is_good=not this.failures())


def sender(provider: Provider, source: Adapter, config: Config) -> SendRequest:
    """Return a function that sends requests to a provider, with its key.

    Raises:
        PermanentFailure: there is no usable key.
    """
    secret = Secret.from_environment(provider.api_key_env, config.poll.key_variables)
    is_private_allowed = config.is_private_provider_allowed(provider.base_url)

    def send(request: Request) -> Response | None:
        if request.refusal is not None:
            raise request.refusal
        if request.recorded is not None:
            return request.recorded
        if not buffer.first_within(f"{provider.key}:{request.url}", config.poll.dedupe_ms):
            return None
        return fetch(
            request,
            source.authorise(request, secret),
            config.fetch,
            is_private_allowed=is_private_allowed,
        )

    return send


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
    """Return, by sport key, the provider's ids of its open events, soonest first.

    An event that began a day ago is over, even if its owner's list has not said so.
    """
    by_sport: dict[str, list[str]] = defaultdict(list)
    rows = (
        Event.objects.exclude(status=EventStatus.ENDED)
        .filter(commence_time__gt=datetime.now(UTC) - LONGEST_EVENT)
        .filter(aliases__provider=provider, sport__key__in=provider.sports)
        .order_by("commence_time", "id")
        .values_list("sport__key", "aliases__external_id")
    )
    for sport, external_id in rows:
        by_sport[sport].append(external_id)
    return by_sport


_CLAIM_DUE = """
WITH due AS MATERIALIZED (
    SELECT id, GREATEST(next_poll_at, moment.now) AS due_at, moment.now,
           GREATEST(interval_seconds, COALESCE(paced_interval_seconds, 0)) AS interval_seconds
    FROM betting_provider,
         (SELECT COALESCE(%(now)s::timestamptz, clock_timestamp()) AS now) AS moment
    WHERE enabled AND (
        next_poll_at IS NULL OR next_poll_at < moment.now + %(tick)s * interval '1 second'
    )
    FOR NO KEY UPDATE OF betting_provider SKIP LOCKED
)
UPDATE betting_provider p
SET next_poll_at = due.due_at
    + due.interval_seconds * (1 + %(jitter)s * (2 * random() - 1)) * interval '1 second'
FROM due WHERE p.id = due.id
RETURNING p.id, extract(epoch FROM due.due_at - due.now)::float8, due.interval_seconds
"""
