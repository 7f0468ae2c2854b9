"""Observations of the stream in the database, by a few statements whose cost no history raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from betting.db.sql import fetch_all
from streaming.core.health import Status
from streaming.core.health_since import Record, Recorded
from streaming.core.outlook import Outlook
from streaming.core.outlook import read as read_outlook
from streaming.core.poll_plan import PollPlan
from streaming.health.counters import Counters
from streaming.health.feeds import FeedFacts, failing_feeds
from streaming.models import HealthSnapshot, Risk, plan_of, risk_of
from valuation.vouching import count_open

SHORT, LONG = timedelta(minutes=5), timedelta(hours=1)
"""The windows that rates are taken over."""

MAX_PROVIDERS = 100
"""The most providers that are observed one by one; each is a label in the metrics."""

MAX_COUNTED = 10_000
"""Unvalued markets and a provider's quarantined quotes are counted no further."""

MAX_EDGES = 1_000
"""Open edges are counted no further: each is judged again by the quotes that still vouch for it."""

MAX_SUBSCRIBERS = 100
"""The most subscribers that are named."""


@dataclass(frozen=True, slots=True)
class ProviderFacts:
    """One enabled provider.

    Attributes:
        key: its key.
        interval_seconds: between two of its polls, as it is paced now.
        stale_after_seconds: its limit of silence.
        silence_seconds: since its newest answer; None if there never was one.
        circuit: closed, open or half_open, as far as calls are concerned.
        reason: why.
        quota_remaining: credits left; None where it does not say.
        quota_poll_cost: credits that one poll costs.
        is_paced: whether it is polled less often, so that they last.
        circuit_since: when its circuit opened or closed; None where that is not recorded.
        quarantined: its quotes that are quarantined, `MAX_COUNTED` at most; counted only where its
            circuit has opened or its silence is above its limit, else 0.
        polled_seconds: since its first poll that is still kept; None if it was never polled, or has
            answered.
        calls: what its throttle remembers of its calls, as JSON; None before the first.
        polls: the plan of its polls, as JSON; None before the first.
    """

    key: str
    interval_seconds: float
    stale_after_seconds: float
    silence_seconds: float | None
    circuit: str
    reason: str
    quota_remaining: float | None
    quota_poll_cost: float | None
    is_paced: bool
    circuit_since: datetime | None
    quarantined: int
    polled_seconds: float | None
    calls: str | None = None
    polls: str | None = None

    @property
    def risk(self) -> Risk | None:
        """The risk of its next calls; None while none is assessed."""
        return risk_of(self.calls)

    @property
    def plan(self) -> PollPlan | None:
        """The plan of its polls; None while there is none."""
        return plan_of(self.polls)

    @property
    def unanswered_seconds(self) -> float:
        """Seconds since its newest answer; if there never was one, since it was first polled."""
        return self.silence_seconds or self.polled_seconds or 0.0

    @property
    def is_in_trouble(self) -> bool:
        """Return True if its circuit has opened, or its silence is above its limit."""
        return self.circuit != "closed" or self.unanswered_seconds > self.stale_after_seconds


@dataclass(frozen=True, slots=True)
class Unread:
    """A feed whose newest answer held records that could not be read.

    Attributes:
        provider: its provider's key.
        feed: path and markets.
        count: how many records were left out.
        reasons: why.
    """

    provider: str
    feed: str
    count: int
    reasons: str


@dataclass(frozen=True, slots=True)
class Earlier:
    """The content of the newest snapshot.

    Attributes:
        taken_at: when it was taken.
        status: how the whole was.
        checks: check → how it was, and since when.
        workers: queue → workers that took from it.
        counted_until: up to when the totals go.
        counters: of all work until then.
        hints_dropped: as Redis counted.
        outlook: the weighted score, burn rates and trends then; None where it has none.
    """

    taken_at: datetime
    status: Status
    checks: Mapping[str, Recorded]
    workers: Mapping[str, int]
    counted_until: datetime
    counters: Counters
    hints_dropped: int
    outlook: Outlook | None = None

    @property
    def record(self) -> Record:
        """The status of each check in it, and its beginning."""
        return Record(self.taken_at, self.checks)


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """The observations of the database at one moment.

    Attributes:
        now: the database's time.
        providers: those that are enabled and live.
        polled_seconds: since the newest poll; None if there never was one.
        recomputed_seconds: since the newest recompute; None if there never was one.
        feeds: those that fail on their own.
        books_heard: bookmakers in feeds that answer and list anything.
        books_silent: those among them that nothing confirms any more, by provider.
        unread: feeds whose newest answer held what could not be read.
        unvalued_markets: markets that wait for their valuation, `MAX_COUNTED` + 1 at most.
        unvalued_seconds: how long the first of them has.
        edges_open: edges that are open and vouched for, `MAX_EDGES` at most; counted only where a
            provider is in trouble, else 0.
        letters_new: dead letters that nobody has dealt with.
        suppressed: keys of subscribers that are left alone for a while.
        scores: hours from now (negative) and the score then, over the past hour.
        earlier: the newest snapshot; None before the first.
    """

    now: datetime
    providers: Sequence[ProviderFacts]
    polled_seconds: float | None
    recomputed_seconds: float | None
    feeds: Sequence[FeedFacts]
    books_heard: int
    books_silent: Mapping[str, int]
    unread: Sequence[Unread]
    unvalued_markets: int
    unvalued_seconds: float
    edges_open: int
    letters_new: int
    suppressed: Sequence[str]
    scores: Sequence[tuple[float, float]]
    earlier: Earlier | None


def look_at_stream(now: datetime | None = None) -> StreamFacts:
    """Query the database.

    Args:
        now: the time to judge by; by default the database's.

    Raises:
        django.db.Error: it does not answer.
    """
    (overview,) = fetch_all(_OVERVIEW, {"now": now, "counted": MAX_COUNTED})
    moment, polled, recomputed, unvalued, unvalued_seconds, letters = overview
    at = {"now": moment}
    books = fetch_all(_BOOKS, at)
    suppressed = fetch_all(_SUPPRESSED, {"limit": MAX_SUBSCRIBERS})
    providers = [
        ProviderFacts(*row)
        for row in fetch_all(_PROVIDERS, {**at, "limit": MAX_PROVIDERS, "counted": MAX_COUNTED})
    ]
    return StreamFacts(
        now=moment,
        providers=providers,
        polled_seconds=polled,
        recomputed_seconds=recomputed,
        feeds=failing_feeds(moment),
        books_heard=sum(heard for _, heard, _ in books),
        books_silent={provider: silent for provider, _, silent in books if silent},
        unread=[
            Unread(*row)
            for row in fetch_all(_UNREAD, {**at, "since": moment - SHORT, "limit": MAX_PROVIDERS})
        ],
        unvalued_markets=unvalued,
        unvalued_seconds=max(0.0, unvalued_seconds),
        edges_open=_edges_open(providers),
        letters_new=letters,
        suppressed=[subscriber for (subscriber,) in suppressed],
        scores=fetch_all(_SCORES, {**at, "since": moment - LONG}),
        earlier=newest(),
    )


def _edges_open(providers: Sequence[ProviderFacts]) -> int:
    if not any(each.is_in_trouble for each in providers):
        return 0
    return count_open(MAX_EDGES)


def newest() -> Earlier | None:
    """Return the newest snapshot; None before the first."""
    row = HealthSnapshot.objects.order_by("-id").first()
    if row is None:
        return None
    return Earlier(
        taken_at=row.taken_at,
        status=Status(row.status),
        checks={name: _recorded(recorded) for name, recorded in row.checks.items()},
        workers=row.workers,
        counted_until=row.counted_until,
        counters=Counters(row.totals),
        hints_dropped=row.hints_dropped,
        outlook=read_outlook(row.outlook),
    )


def counters_within(counters: Counters, until: datetime, window: timedelta) -> Counters:
    """Return the counters of the window that ends when the totals do.

    The window begins with the last snapshot before it. Before there is one, with the first.
    """
    earlier = (
        HealthSnapshot.objects.filter(counted_until__lte=until - window)
        .order_by("-counted_until")
        .first()
        or HealthSnapshot.objects.order_by("counted_until").first()
    )
    return counters.since(Counters(earlier.totals if earlier is not None else {}))


def _recorded(recorded: Mapping[str, Any]) -> Recorded:
    since = datetime.fromisoformat(recorded["since"])
    return Recorded(Status(recorded["status"]), since, bool(recorded.get("sinceAtLeast")))


_OVERVIEW = """
WITH moment AS (SELECT COALESCE(%(now)s::timestamptz, clock_timestamp()) AS now),
unvalued AS (
    SELECT dirty_at FROM betting_market WHERE version <> valued_version
    ORDER BY dirty_at LIMIT %(counted)s + 1
)
SELECT now,
       extract(epoch FROM now - (SELECT max(started_at) FROM streaming_pollrun))::float8,
       extract(epoch FROM now - (SELECT max(finished_at) FROM valuation_recomputerun))::float8,
       (SELECT count(*) FROM unvalued),
       COALESCE(extract(epoch FROM now - (SELECT min(dirty_at) FROM unvalued)), 0)::float8,
       (SELECT count(*) FROM streaming_deadletter WHERE status = 'new')
FROM moment
"""

# Quotes are counted only where a provider is in trouble: those of one that is well are all active,
# and reading them to find no quarantined one would cost more the more there are.
_PROVIDERS = """
SELECT p.key, GREATEST(p.interval_seconds, COALESCE(p.paced_interval_seconds, 0)),
       p.stale_after_seconds, heard.silence,
       CASE WHEN c.mode = 'forced_open' THEN 'open' WHEN c.mode = 'automatic' THEN c.state
            ELSE 'closed' END,
       COALESCE(c.reason, ''), p.quota_remaining, p.quota_poll_cost,
       p.paced_interval_seconds IS NOT NULL, c.since,
       CASE WHEN heard.silence > p.stale_after_seconds OR c.mode = 'forced_open'
                 OR c.mode = 'automatic' AND c.state <> 'closed'
            THEN (SELECT count(*) FROM (
                SELECT FROM betting_quote q JOIN betting_feed f ON f.id = q.feed_id
                WHERE f.provider_id = p.id AND q.status = 'quarantined' LIMIT %(counted)s
            ) AS held)
            ELSE 0 END,
       CASE WHEN heard.silence IS NULL THEN (
           SELECT extract(epoch FROM %(now)s::timestamptz - r.started_at)::float8
           FROM streaming_pollrun r WHERE r.provider_id = p.id ORDER BY r.id LIMIT 1
       ) END,
       c.call_history::text, c.poll_plan::text
FROM betting_provider p LEFT JOIN streaming_circuit c ON c.provider_id = p.id
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM %(now)s::timestamptz - max(f.observed_at))::float8 AS silence
    FROM betting_feed f WHERE f.provider_id = p.id
) AS heard
WHERE p.enabled AND p.clock = 'wall' ORDER BY p.key LIMIT %(limit)s
"""

# Of feeds that still answer; where nothing does, it is the provider that is silent. A feed that
# lists nothing, of a sport out of season say, has no bookmaker to confirm.
_BOOKS = """
SELECT p.key, count(*), count(*) FILTER (WHERE b.silent_since IS NOT NULL)
FROM betting_feedbook b JOIN betting_feed f ON f.id = b.feed_id
JOIN betting_provider p ON p.id = f.provider_id AND p.enabled
WHERE f.observed_at > %(now)s::timestamptz - p.stale_after_seconds * interval '1 second'
  AND (
      EXISTS (
          SELECT FROM betting_feedbook heard
          WHERE heard.feed_id = f.id AND heard.silent_since IS NULL
      )
      OR EXISTS (
          SELECT FROM betting_quote q WHERE q.feed_id = f.id AND q.status = 'quarantined'
      )
  )
GROUP BY p.key
"""

# Each feed's newest answer alone: one that can be read again is well at once. Of an answer of
# several pages the last one's row says what was left out of all. Almost no answer leaves out any,
# so those come first: to sort all answers by feed would cost more than the rest of this module.
_UNREAD = """
WITH answers AS NOT MATERIALIZED (
    SELECT id, provider_id, feed, left_out, left_out_reasons FROM streaming_pollrun
    WHERE started_at > %(since)s AND started_at <= %(now)s AND http_status IS NOT NULL
      AND outcome <> 'page'
)
SELECT p.key, newest.feed, newest.left_out, (
    SELECT string_agg(each ->> 'reason', ', ')
    FROM jsonb_array_elements(newest.left_out_reasons) AS each
)
FROM answers AS newest
JOIN betting_provider p ON p.id = newest.provider_id AND p.enabled
WHERE newest.left_out > 0 AND NOT EXISTS (
    SELECT FROM answers AS later
    WHERE later.provider_id = newest.provider_id AND later.feed = newest.feed
      AND later.id > newest.id
)
ORDER BY newest.left_out DESC, p.key, newest.feed LIMIT %(limit)s
"""

_SUPPRESSED = """
SELECT subscriber FROM streaming_subscriberrecord WHERE suppressed_until IS NOT NULL
ORDER BY subscriber LIMIT %(limit)s
"""

_SCORES = """
SELECT (extract(epoch FROM taken_at - %(now)s::timestamptz) / 3600)::float8, score::float8
FROM streaming_healthsnapshot WHERE taken_at >= %(since)s AND taken_at <= %(now)s
"""
