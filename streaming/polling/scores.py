"""Polling for results: providers are asked how events ended that have started and have no result.

An answer's results join their events as those of a file do: `valuation.results.importing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Protocol, cast

from django.db.models import QuerySet

from betting.config import Config
from betting.db.clock import database_now
from betting.logs import note, operation
from betting.models import Clock, EventAlias, Provider
from streaming.core.breaker import CallOutcome, Decision
from streaming.core.quota import Allowance, is_affordable
from streaming.core.results import SCORES_FEED_END, sports_to_ask
from streaming.core.snapshot import require_readable
from streaming.models import NOT_REQUESTED, PollOutcome, PollRun
from streaming.polling import circuits
from streaming.polling.circuits import Now
from streaming.polling.poll import PollUnansweredError, sender
from streaming.polling.request import (
    Answer,
    ask,
    log_run,
    note_left_out,
    note_quota,
    refuse,
    settle,
)
from streaming.providers.base import Adapter, Request, Response, Scores, ScoreSource
from streaming.providers.registry import ADAPTERS
from valuation.results.importing import Imported, import_results

POLL_SCORES = "streaming.poll_scores"

FAILED_WAIT = timedelta(hours=6)
"""A sport is not asked for again for so long after an answer that was of no use: it costs credits,
and no circuit counts it. Its letter can be replayed at any time."""


class _ScoresAdapter(Adapter, ScoreSource, Protocol):
    """An adapter of odds that offers scores too."""


@dataclass(frozen=True, slots=True)
class ScoresPoll:
    """The result of asking for a sport's scores.

    Attributes:
        run: the row that records it; None if nothing was asked.
        quarantined: markets that lose prices, because the call opened the provider's circuit.
        not_asked: why nothing was asked though results are missing; empty where none are.
    """

    run: PollRun | None = None
    quarantined: Sequence[int] = ()
    not_asked: str = ""

    @property
    def is_answered(self) -> bool:
        """True if the provider was asked, and its answer was usable."""
        return self.run is not None and self.run.outcome == PollOutcome.OK

    def require_answer(self) -> None:
        """Require that the request, if one was needed, brought an answer.

        Raises:
            PollUnansweredError: it did not.
        """
        if self.not_asked:
            raise PollUnansweredError(self.not_asked)
        if self.run is not None and not self.is_answered:
            words = f"{self.run.feed} was not asked, or its answer is not usable"
            raise PollUnansweredError(words)


def due_scores(config: Config, now: Now = database_now) -> list[tuple[int, str]]:
    """Return the providers and sports to ask, in two queries.

    A sport is asked for if an event of it has started, has no result, and is recent enough for the
    service to list it. Of providers that share a service, the one with the most credits is asked.
    One whose circuit is not closed is passed over: it would be refused, and asked again each time.
    So is one whose latest answer about the sport was of no use, for `FAILED_WAIT`.
    """
    time = now()
    unhealthy = circuits.unhealthy_circuits(config).values("provider")
    rows = (
        _ungraded(time)
        .exclude(provider__in=unhealthy)
        .order_by("provider")
        .values_list(
            "provider",
            "provider__adapter",
            "provider__base_url",
            "provider__sports",
            "provider__quota_remaining",
            "event__sport__key",
        )
        .distinct()
    )
    wanted: dict[tuple[int, str, str, float, tuple[str, ...]], set[str]] = {}
    for provider, adapter, base_url, sports, remaining, sport in rows:
        credits_left = inf if remaining is None else remaining
        of_provider = (provider, adapter, base_url, credits_left, tuple(sports))
        wanted.setdefault(of_provider, set()).add(sport)
    failed = _failed_feeds(time) if wanted else set()
    claimed: dict[tuple[str, str, str], int] = {}
    for each in sorted(wanted, key=lambda row: (-row[3], row[0])):
        provider, adapter, base_url, _, offered = each
        source = scores_adapter(adapter)
        for sport in sports_to_ask(offered, wanted[each]):
            if source and (provider, source.scores_request(base_url, sport).feed) not in failed:
                claimed.setdefault((adapter, base_url, sport), provider)
    return sorted((provider, sport) for (_, _, sport), provider in claimed.items())


def poll_scores(
    provider_id: int, sport: str, config: Config, now: Now = database_now
) -> ScoresPoll:
    """Ask a provider for a sport's scores, under its circuit, and write the results of its events.

    Nothing is asked if no event of the sport lacks a result, or if the credits that are left are
    needed for polls. A half-open circuit is left for a poll to probe.

    Args:
        provider_id: the provider; one that is gone or disabled is not asked.
        sport: the key of the sport.
        config: deadlines and policies.
        now: returns the current time.
    """
    provider = Provider.objects.filter(pk=provider_id, enabled=True).first()
    source = None if provider is None else scores_adapter(provider.adapter)
    if provider is None or source is None:
        return ScoresPoll(not_asked="the provider is gone or disabled, or offers no scores")
    if not _is_due(provider, sport, now()):
        return ScoresPoll()
    if not _has_credits(provider, source, now()):
        return ScoresPoll(not_asked=f"{provider.key} has no credits to spare for scores")
    request = source.scores_request(provider.base_url, sport)
    admission = circuits.admit(provider.pk, config, now(), may_probe=False)
    if isinstance(admission, Decision):
        run = PollRun(provider=provider, feed=request.feed[:2000])
        refuse(run, admission)
        return ScoresPoll(run)
    if not _reserved(provider, source):
        return ScoresPoll(not_asked=f"another request has taken credits of {provider.key}")
    with operation("provider", "poll", provider=provider.key, feed=request.feed) as op:
        run, answer = _ask(provider, source, request, sport, config, admission.generation)
        log_run(op, run)
    failure = answer.failure
    is_about_feed = failure is not None and failure.scope == "feed"
    quarantined: Sequence[int] = ()
    if run.outcome != PollOutcome.REPEATED and not is_about_feed:
        call = CallOutcome.of(failure, answer.seconds)
        quarantined = settle(admission, call, config, now)
    return ScoresPoll(run, quarantined)


def import_scores(scores: Scores, config: Config) -> Imported:
    """Write the results that an answer holds, as far as their events are known.

    What a person has said of an event stands.
    """
    imported = import_results(scores.results, config.matching, replaces_others=False)
    if imported.changed or imported.doubtful:
        note(
            "provider",
            "ingest",
            f"{imported.changed} results of events were written"
            f", {len(imported.doubtful)} are doubtful",
            events=imported.changed,
        )
    return imported


def scores_adapter(key: str) -> _ScoresAdapter | None:
    """Return the adapter of a key if it offers scores, otherwise None."""
    source: object = ADAPTERS.get(key)
    return cast("_ScoresAdapter", source) if isinstance(source, ScoreSource) else None


def _ungraded(now: datetime) -> QuerySet[EventAlias]:
    """Return providers' ids of events that have started and have no result.

    The longest look back of an adapter holds for all: a request too many finds nothing new.
    """
    offering = {key: each for key in ADAPTERS if (each := scores_adapter(key)) is not None}
    days = max((each.scores_days for each in offering.values()), default=0)
    return EventAlias.objects.filter(
        provider__enabled=True,
        provider__clock=Clock.WALL,
        provider__adapter__in=sorted(offering),
        event__commence_time__lte=now,
        event__commence_time__gt=now - timedelta(days=days),
        event__result__isnull=True,
    )


def _failed_feeds(now: datetime) -> set[tuple[int, str]]:
    """Return, by provider, the feeds of scores whose latest answer was of no use lately.

    What may pass by itself is not meant: the provider's circuit counts it.
    """
    answers = PollRun.objects.filter(
        started_at__gt=now - FAILED_WAIT, feed__endswith=SCORES_FEED_END
    ).exclude(outcome__in=NOT_REQUESTED)
    latest = answers.order_by("provider", "feed", "-id").distinct("provider", "feed")
    rows = latest.values_list("provider", "feed", "failure_kind")
    return {(provider, feed) for provider, feed, kind in rows if kind in {"permanent", "data"}}


def _is_due(provider: Provider, sport: str, now: datetime) -> bool:
    keys = _ungraded(now).filter(provider=provider).values_list("event__sport__key", flat=True)
    return sport in sports_to_ask(provider.sports, keys.distinct())


def _has_credits(provider: Provider, source: ScoreSource, now: datetime) -> bool:
    allowance = Allowance(
        provider.quota_remaining, provider.quota_poll_cost, provider.quota_resets_at
    )
    if is_affordable(source.scores_cost, allowance, now):
        return True
    note(
        "provider",
        "poll",
        f"{provider.key} is not asked for scores: {allowance.remaining} credits are left,"
        f" and a poll costs {allowance.poll_cost}",
        status="skipped",
        provider=provider.key,
    )
    return False


def _reserved(provider: Provider, source: ScoreSource) -> bool:
    """Take the cost off what is known to be left; False if another request was faster.

    The next answer says what is left in truth.
    """
    if provider.quota_remaining is None:
        return True
    unchanged = Provider.objects.filter(pk=provider.pk, quota_remaining=provider.quota_remaining)
    left = max(provider.quota_remaining - source.scores_cost, 0)
    return unchanged.update(quota_remaining=left) == 1


def _ask(
    provider: Provider,
    source: _ScoresAdapter,
    request: Request,
    sport: str,
    config: Config,
    generation: int,
) -> tuple[PollRun, Answer[Imported]]:
    """Make the request and write its results; return its row and what came of it."""
    run = PollRun(provider=provider, feed=request.feed[:2000])

    def use(response: Response) -> Imported:
        note_quota(run, source.quota(response))
        scores = source.decode_scores(request, response)
        note_left_out(run, scores.left_out)
        require_readable(scores, config.poll.max_unreadable_share)
        imported = import_scores(scores, config)
        run.outcome = PollOutcome.OK
        return imported

    def send(request: Request) -> Response | None:
        return sender(provider, source, config)(request)

    again = (POLL_SCORES, [provider.pk, sport])
    return run, ask(run, request, send, use, generation, again)
