"""A card for each provider: whether it answers, how fast, and what is off the board without it.

Three statements for any number of providers and feeds; their rows are bounded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from betting.db.sql import fetch_all
from streaming.core.poll_plan import PollPlan
from streaming.health.observations import Away
from streaming.health.report import HealthReport
from streaming.health.stream import MAX_PROVIDERS
from streaming.models import NOT_REQUESTED, PollOutcome, Risk, plan_of, risk_of

Tone = Literal["good", "warn", "bad", "off"]

REQUESTS = 50
"""Rates and latencies are those of the requests among so many newest polls of a provider."""

FEEDS_SHOWN = 6
"""The feeds that a card lists, those that fail first."""

MAX_FEEDS = 60
"""The feeds that all cards together list."""


@dataclass(frozen=True, slots=True)
class Requests:
    """The newest requests to a provider, or those of them that were for one of its feeds.

    Attributes:
        count: how many there are, `REQUESTS` of a provider at most.
        good: how many were answered and read.
        p50_ms, p95_ms: how long the good ones took, with the ingest of their answers.
        error: the newest failure, in words; empty if none of them failed.
        error_status: its HTTP status.
        error_at: when that was.
        is_failing: whether the newest one failed.
    """

    count: int
    good: int
    p50_ms: float | None
    p95_ms: float | None
    error: str
    error_status: int | None
    error_at: datetime | None
    is_failing: bool


@dataclass(frozen=True, slots=True)
class FeedLine:
    """A feed on a card.

    Attributes:
        id: its circuit's id.
        name: its key.
        is_open: whether polls leave it out.
        since: since when its circuit is as it is.
        retry_at: when polls ask for it again.
        reason: why.
        answered_at: when its newest answer arrived; None before the first.
        quarantined: its quotes that are off the board, where it fails on its own.
        requests: those of the provider's newest requests that were for it, if any.
    """

    id: int
    name: str
    is_open: bool
    since: datetime | None
    retry_at: datetime | None
    reason: str
    answered_at: datetime | None
    quarantined: int
    requests: Requests | None


@dataclass(frozen=True, slots=True)
class Card:
    """A provider.

    Attributes:
        id, key, adapter: the provider's.
        is_enabled: whether it is polled.
        is_live: whether its prices age by the clock on the wall; a recording's do not.
        interval_seconds: between two polls, as it is paced now.
        paced: whether it is polled less often than it could be, so that its credits last.
        next_poll_at: when it is due.
        quota_remaining, quota_used: credits; None where it does not say.
        quota_resets_at: when they are renewed.
        circuit_id: its circuit's; None if it was never polled.
        state, mode: of the circuit.
        since: since when the circuit is as it is.
        retry_at: its next probe.
        reason, advice: why the circuit is as it is, and what a person has to do.
        answered_at: when the newest answer of any feed arrived; None before the first.
        stale_after_seconds: the silence that is too long.
        feeds_polled, feeds_open: the feeds that polls ask for, and those that they leave out.
        quarantined: its quotes off the board; None where that was not counted.
        requests: its newest requests; None if there were none.
        feeds: some of its feeds, those that fail first.
        now: the time of all this.
        calls: what its throttle remembers of its calls, as JSON; None before the first.
        polls: the plan of its polls, as JSON; None before the first.
    """

    id: int
    key: str
    adapter: str
    is_enabled: bool
    is_live: bool
    interval_seconds: float
    paced: bool
    next_poll_at: datetime | None
    quota_remaining: float | None
    quota_used: float | None
    quota_resets_at: datetime | None
    circuit_id: int | None
    state: str
    mode: str
    since: datetime | None
    retry_at: datetime | None
    reason: str
    advice: str
    answered_at: datetime | None
    stale_after_seconds: float
    feeds_polled: int
    feeds_open: int
    now: datetime
    calls: str | None = None
    polls: str | None = None
    quarantined: int | None = None
    requests: Requests | None = None
    feeds: Sequence[FeedLine] = ()

    @property
    def is_refusing(self) -> bool:
        """Return True if its circuit has opened, or an operator holds it open."""
        return self.mode == "forced_open" or (self.mode == "automatic" and self.state != "closed")

    @property
    def risk(self) -> Risk | None:
        """The risk of its next calls; None while none is assessed, or it is not polled."""
        return risk_of(self.calls) if self.is_enabled and self.is_live else None

    @property
    def plan(self) -> PollPlan | None:
        """The plan of its polls; None while there is none, or it is not polled."""
        return plan_of(self.polls) if self.is_enabled and self.is_live else None

    @property
    def next_reason(self) -> str:
        """Why its next poll is due then; empty where no plan decided it."""
        plan, due = self.plan, self.next_poll_at
        if plan is None or not plan.is_acting or due is None:
            return ""
        return plan.reason if abs(due.timestamp() - plan.next_at) < 1 else ""

    @property
    def is_silent(self) -> bool:
        """Return True if its newest answer is older than its limit."""
        if not (self.is_enabled and self.is_live):
            return False
        if self.answered_at is None:
            return self.requests is not None
        return (self.now - self.answered_at).total_seconds() > self.stale_after_seconds

    @property
    def tone(self) -> Tone:
        """The colour of its state."""
        if not self.is_enabled:
            return "off"
        if self.is_refusing or self.is_silent:
            return "bad"
        is_failing = self.requests is not None and self.requests.is_failing
        return "warn" if is_failing or self.feeds_open or self.mode != "automatic" else "good"

    @property
    def words(self) -> str:
        """Its state in words."""
        if not self.is_enabled:
            return "disabled"
        if self.mode != "automatic":
            return {
                "forced_open": "held open",
                "forced_closed": "held closed",
                "disabled": "circuit disabled",
            }[self.mode]
        if self.state != "closed":
            return {"open": "circuit open", "half_open": "being probed"}[self.state]
        if self.is_silent:
            return "silent"
        if self.tone == "warn":
            return "some feeds fail" if self.feeds_open else "last request failed"
        return "answers" if self.answered_at is not None else "never polled"

    @property
    def feeds_more(self) -> int:
        """The number of feeds that the card does not list."""
        return self.feeds_polled - len(self.feeds)

    @property
    def quota_total(self) -> float | None:
        """The credits of the period, as far as the provider says."""
        if self.quota_remaining is None or self.quota_used is None:
            return None
        return self.quota_remaining + self.quota_used or None

    @property
    def trouble(self) -> str:
        """The failure of its answers, to stand after its name."""
        if self.mode == "forced_open":
            why = self.reason.rstrip(".")
            return f"is not polled, because an operator holds its circuit open: {why}"
        wrong = self.requests
        if wrong is None or not wrong.error:
            return f"does not answer: {self.reason.rstrip('.')}" if self.reason else "is silent"
        if wrong.error_status is not None and wrong.error_status >= 400:
            return f"answers HTTP {wrong.error_status}"
        return f"fails: {wrong.error.rstrip('.')}"


def cards(report: HealthReport) -> list[Card]:
    """Return the cards of all providers, those in trouble first."""
    stream = report.observations.stream
    if isinstance(stream, Away):
        return []
    requests = _requests(stream.now)
    off = {(each.provider, each.feed): each.quarantined for each in stream.feeds}
    lost = {each.key: each.quarantined for each in stream.providers if each.is_in_trouble}
    for provider, _ in off:
        lost.setdefault(provider, sum(n for (key, _), n in off.items() if key == provider))
    feeds: dict[int, list[FeedLine]] = defaultdict(list)
    rows = fetch_all(_PROVIDERS, {"now": stream.now, "limit": MAX_PROVIDERS})
    found = [Card(*row) for row in rows]
    keys = {each.id: each.key for each in found}
    limits = {"each": FEEDS_SHOWN, "all": MAX_FEEDS}
    for provider_id, *line in fetch_all(_FEEDS, limits):
        name = line[1]
        lost_of_feed = off.get((keys.get(provider_id, ""), name), 0)
        feeds[provider_id].append(
            FeedLine(*(*line, lost_of_feed, requests.get((provider_id, name))))
        )
    return _worst_first(_complete(each, requests, feeds, lost) for each in found)


def _complete(
    card: Card,
    requests: Mapping[tuple[int, str | None], Requests],
    feeds: Mapping[int, Sequence[FeedLine]],
    lost: Mapping[str, int],
) -> Card:
    return replace(
        card,
        quarantined=lost.get(card.key, 0) if card.is_enabled and card.is_live else None,
        requests=requests.get((card.id, None)),
        feeds=feeds.get(card.id, ()),
    )


def _worst_first(found: Iterable[Card]) -> list[Card]:
    order = {"bad": 0, "warn": 1, "good": 2, "off": 3}
    return sorted(found, key=lambda card: (order[card.tone], card.key))


def _requests(now: datetime) -> dict[tuple[int, str | None], Requests]:
    """Return (provider, feed) → its newest requests; all of a provider's under the feed None."""
    parameters = {
        "now": now,
        "count": REQUESTS,
        "providers": MAX_PROVIDERS,
        "left_out": list(NOT_REQUESTED),
        "failed": PollOutcome.FAILED.value,
    }
    return {(row[0], row[1]): Requests(*row[2:]) for row in fetch_all(_REQUESTS, parameters)}


_PROVIDERS = """
SELECT p.id, p.key, p.adapter, p.enabled, p.clock = 'wall',
       GREATEST(p.interval_seconds, COALESCE(p.paced_interval_seconds, 0)),
       p.paced_interval_seconds IS NOT NULL, p.next_poll_at,
       p.quota_remaining, p.quota_used, p.quota_resets_at,
       c.id, COALESCE(c.state, 'closed'), COALESCE(c.mode, 'automatic'), c.since, c.retry_at,
       COALESCE(c.reason, ''), COALESCE(c.advice, ''),
       (SELECT max(f.observed_at) FROM betting_feed f WHERE f.provider_id = p.id),
       p.stale_after_seconds, asked.feeds, asked.opened, %(now)s::timestamptz,
       c.call_history::text, c.poll_plan::text
FROM betting_provider p LEFT JOIN streaming_circuit c ON c.provider_id = p.id
CROSS JOIN LATERAL (
    SELECT count(*) AS feeds, count(*) FILTER (WHERE fc.state = 'open') AS opened
    FROM streaming_feedcircuit fc WHERE fc.provider_id = p.id
) AS asked
ORDER BY p.enabled DESC, p.key LIMIT %(limit)s
"""

_FEEDS = """
SELECT provider_id, id, feed, is_open, since, retry_at, reason, observed_at
FROM (
    SELECT c.provider_id, c.id, c.feed, c.state = 'open' AS is_open, c.since, c.retry_at, c.reason,
           f.observed_at,
           row_number() OVER (
               PARTITION BY c.provider_id ORDER BY c.state DESC, f.observed_at NULLS FIRST, c.feed
           ) AS place
    FROM streaming_feedcircuit c
    LEFT JOIN betting_feed f ON f.provider_id = c.provider_id AND f.key = c.feed
) AS placed
WHERE place <= %(each)s
ORDER BY is_open DESC, place, provider_id LIMIT %(all)s
"""

# The ids alone come first, from their index: by the primary key PostgreSQL would read the runs of
# all other providers to find those of one that is polled seldom. Feeds are grouped by their bytes:
# long keys that begin alike are slow to compare as words.
_REQUESTS = """
WITH newest AS (
    SELECT r.*, r.feed COLLATE "C" AS name, r.outcome = %(failed)s AS has_failed
    FROM (SELECT id FROM betting_provider ORDER BY enabled DESC, key LIMIT %(providers)s) AS p
    CROSS JOIN LATERAL (
        SELECT id FROM streaming_pollrun WHERE provider_id = p.id ORDER BY id DESC LIMIT %(count)s
    ) AS last
    JOIN streaming_pollrun r ON r.id = last.id
    WHERE r.outcome <> ALL(%(left_out)s) AND r.started_at <= %(now)s
)
SELECT provider_id, CASE WHEN GROUPING(name) = 0 THEN name END,
       count(*), count(*) FILTER (WHERE NOT has_failed),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) FILTER (WHERE NOT has_failed),
       percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) FILTER (WHERE NOT has_failed),
       COALESCE((array_agg(failure_message ORDER BY id DESC) FILTER (WHERE has_failed))[1], ''),
       (array_agg(http_status ORDER BY id DESC) FILTER (WHERE has_failed))[1],
       (array_agg(started_at ORDER BY id DESC) FILTER (WHERE has_failed))[1],
       (array_agg(has_failed ORDER BY id DESC))[1]
FROM newest GROUP BY GROUPING SETS ((provider_id), (provider_id, name))
"""
