"""Ingest: one snapshot in, the changes it makes out.

However large the snapshot, a few statements in one transaction write it: take the lock of the
sport's family, record the feed's answer and what it confirms, read what the feed offers, and apply
what differs from that (upsert, history, versions). Before that the names in the snapshot are
resolved to ids, without a statement when nothing is new.

Most messages of a stream change nothing: for those, the second statement is the last.

Idempotent: an answer ingested twice changes nothing the second time. An answer is skipped if its
feed has already given a newer one, or if it was requested before its provider's circuit opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from django.db import IntegrityError, transaction

from betting.db.sql import Bigints, Booleans, Floats, fetch_all
from betting.db.statistics import Growth
from betting.logs import operation
from betting.models import ChangeKind, EventAlias
from streaming.core.matching import MatchPolicy
from streaming.core.movement import MovementPolicy
from streaming.core.movement import parameters as movement_parameters
from streaming.core.snapshot import Snapshot
from streaming.core.staleness import StalenessPolicy
from streaming.ingest import resolve
from streaming.ingest.columns import QuoteColumns
from streaming.ingest.comparison import all_of, compare, read_offered
from streaming.ingest.confirmations import Confirmed, FeedUpdate, confirm
from streaming.ingest.event_matching import KnownEvent
from streaming.ingest.locks import lock_family
from streaming.ingest.sql import APPLY, TOUCH_FEED

SkippedReason = Literal["superseded", "held"]

FEW = 100
"""The most quotes of an answer, or of its differences, that a prepared statement writes."""

_quotes = Growth(
    "betting_quote",
    "betting_event",
    "betting_eventalias",
    "betting_market",
    "betting_outcome",
    "betting_linechange",
)


@dataclass(frozen=True, slots=True)
class IngestPolicy:
    """The rules that an ingest judges by.

    Attributes:
        movement: what a major move is.
        staleness: how long a bookmaker may go unconfirmed.
        matching: when two providers' events are the same.
    """

    movement: MovementPolicy = field(default_factory=MovementPolicy)
    staleness: StalenessPolicy = field(default_factory=StalenessPolicy)
    matching: MatchPolicy = field(default_factory=MatchPolicy)


@dataclass(frozen=True, slots=True)
class MarketChange:
    """The change that a snapshot made to one market.

    Attributes:
        market_id: the market, whose version rose by one.
        version: the version it rose to.
        provider_id: the provider whose answer it was.
        changes: line changes, at least 1.
        is_major: whether its valuation must not wait.
        price_change: the largest relative price change among the major ones; None without any.
        move: the largest change of a price, in log-odds; None if no price has another one before.
    """

    market_id: int
    version: int
    provider_id: int
    changes: int
    is_major: bool
    price_change: float | None = None
    move: float | None = None


@dataclass(frozen=True, slots=True)
class IngestResult:
    """The result of an ingest.

    Attributes:
        skipped_reason: why nothing was written; None when the answer was ingested. ``superseded``:
            the feed has already given a newer answer, or its provider's circuit has opened since
            the request. ``held``: it is an incremental answer, and the complete one that must come
            first is missing.
        counts: line changes by kind.
        markets: the markets that have to be valued.
        quarantined: markets to be valued at once, because the provider's circuit has opened and
            its quotes there are off the board.
        aged: markets to be valued at once, because a price there has become too old to trust, or is
            confirmed again, or the prices that dispute it have changed; nothing else has changed.
        moved_events: the provider's ids of the answer's events of which a price or point moved or
            left the board. What appears, and what comes back, does not count.
    """

    skipped_reason: SkippedReason | None = None
    counts: Counter[ChangeKind] = field(default_factory=Counter)
    markets: tuple[MarketChange, ...] = ()
    quarantined: Sequence[int] = ()
    aged: Sequence[int] = ()
    moved_events: frozenset[str] = frozenset()


def ingest(
    provider_id: int,
    snapshot: Snapshot,
    policy: IngestPolicy,
    generation: int | None = None,
) -> IngestResult:
    """Write a snapshot and return what changed. The caller enqueues, after this returns.

    Args:
        provider_id: the provider that gave the answer.
        snapshot: a decoded answer.
        policy: the rules for major moves, unconfirmed bookmakers and equal events.
        generation: the provider's generation at the request; None for an answer that was not
            requested.

    Raises:
        django.db.Error: the database refused or is away; nothing was written.
    """
    with operation("streaming", "ingest", provider_id=provider_id, feed=snapshot.feed) as op:
        try:
            result = _ingest(provider_id, snapshot, policy, generation)
        except IntegrityError:
            # A row that the caches knew is gone: resolve the names once more, from the database.
            resolve.forget()
            result = _ingest(provider_id, snapshot, policy, generation)
        _quotes.add(result.counts[ChangeKind.OPENED])
        if result.skipped_reason:
            op.status = "skipped"
            op.add(code=result.skipped_reason)
        op.add(
            changes=result.counts.total(),
            markets=len(result.markets),
            major=sum(market.is_major for market in result.markets),
        )
    return result


def _ingest(
    provider_id: int, snapshot: Snapshot, policy: IngestPolicy, generation: int | None
) -> IngestResult:
    resolved = resolve.resolve(provider_id, snapshot, policy.matching)
    with transaction.atomic():
        lock_family(resolved.source.family)
        is_few = snapshot.is_complete or len(resolved.columns.prices) <= FEW
        touched = _touch_feed(provider_id, snapshot, generation, is_prepared=is_few)
        if touched.skipped_reason:
            return IngestResult(skipped_reason=touched.skipped_reason)
        if not (snapshot.events or snapshot.is_complete):
            return IngestResult()  # nothing has changed
        if touched.names_epoch != resolved.epoch:
            resolve.forget()
            resolved = resolve.resolve_uncached(provider_id, snapshot, policy.matching)
        rows = _apply(provider_id, snapshot, resolved, touched.update, policy)
    moved = {row[2] for row in rows if any(row[kind] for kind in _MOVES)}
    ids = zip(resolved.events, snapshot.events, strict=True)
    return _result(
        provider_id, rows, frozenset(event.external_id for known, event in ids if known.id in moved)
    )


def _apply(
    provider_id: int,
    snapshot: Snapshot,
    resolved: resolve.Resolved,
    update: FeedUpdate,
    policy: IngestPolicy,
) -> list[tuple[Any, ...]]:
    """Record what an answer confirms, and write what it says otherwise than is known."""
    confirmed = confirm(update, resolved.columns, policy.staleness)
    bound_events = _bound_events(snapshot, resolved.events)
    if snapshot.is_complete:
        difference = compare(read_offered(update.feed_id, bound_events), resolved.columns)
    else:
        difference = all_of(resolved.columns)
    is_prepared = len(difference.rows) + len(difference.unlisted) <= FEW
    if snapshot.is_complete and not is_prepared:
        # Until here it was taken to change little: see `_touch_feed`.
        fetch_all("SELECT set_config('plan_cache_mode', 'auto', true)", {})
    parameters: dict[str, object] = {
        "provider": provider_id,
        "feed": update.feed_id,
        "aged": confirmed.aged,
        "received_at": update.received_at,
        "stamps_confirm": snapshot.stamps_confirm,
        "bound_events": bound_events,
        "unlisted": Bigints(difference.unlisted.tolist()),
        **_quote_parameters(resolved.columns, confirmed, difference.rows),
        **_event_parameters(provider_id, snapshot, resolved),
        **movement_parameters(policy.movement),
    }
    return fetch_all(APPLY, parameters, is_prepared=is_prepared)


@dataclass(frozen=True, slots=True)
class _TouchedFeed:
    update: FeedUpdate
    skipped_reason: SkippedReason | None
    names_epoch: int


def _touch_feed(
    provider_id: int, snapshot: Snapshot, generation: int | None, *, is_prepared: bool
) -> _TouchedFeed:
    """Record a feed's newest answer, unless it has to be skipped.

    The result holds the epoch of names too: see `resolve`.
    """
    parameters = {
        "provider": provider_id,
        "key": snapshot.feed,
        "received_at": snapshot.received_at,
        "is_complete": snapshot.is_complete,
        "generation": generation,
        "plan_cache_mode": "force_generic_plan" if is_prepared else "auto",
    }
    rows = fetch_all(TOUCH_FEED, parameters, is_prepared=True)
    if not rows:
        raise IntegrityError(f"Provider {provider_id} does not exist.")
    ((feed_id, is_admitted, is_outdated, is_live, epoch, *times, _),) = rows
    update = FeedUpdate(feed_id, snapshot.stamps_confirm, snapshot.is_complete, not is_live, *times)
    skipped_reason: SkippedReason | None = None
    if not is_admitted:
        skipped_reason = "held" if is_outdated and not snapshot.is_complete else "superseded"
    return _TouchedFeed(update, skipped_reason, epoch)


def _quote_parameters(
    columns: QuoteColumns, confirmed: Confirmed, rows: npt.NDArray[np.intp]
) -> dict[str, object]:
    return {
        "outcomes": Bigints(columns.outcome_ids[rows].tolist()),
        "markets": Bigints(columns.market_ids[rows].tolist()),
        "bookmakers": Bigints(columns.bookmaker_ids[rows].tolist()),
        "lays": Booleans(columns.lays[rows].tolist()),
        "prices": Floats(columns.prices[rows].tolist()),
        "source_seconds": Floats(columns.source_seconds[rows].tolist()),
        "confirmed": Booleans(confirmed.is_trusted[rows].tolist()),
        "leads": Floats(confirmed.leads[rows].tolist()),
    }


def _event_parameters(
    provider_id: int, snapshot: Snapshot, resolved: resolve.Resolved
) -> dict[str, object]:
    owned = [
        (known, event)
        for known, event in zip(resolved.events, snapshot.events, strict=True)
        if known.is_owned
    ]
    return {
        "sport": resolved.source.sport_id,
        "is_list": snapshot.is_list,
        "is_complete": snapshot.is_complete,
        "events": Bigints(
            [*(known.id for known in resolved.events), *_missed_events(provider_id, snapshot)]
        ),
        "owned_events": Bigints(known.id for known, _ in owned),
        "homes": [event.home for _, event in owned],
        "aways": [event.away for _, event in owned],
        "commence_times": [event.commence_time for _, event in owned],
    }


def _missed_events(provider_id: int, snapshot: Snapshot) -> list[int]:
    """Return the events in the answer that could not be read: they have not ended."""
    if not snapshot.missed_events:
        return []
    known = EventAlias.objects.filter(provider=provider_id, external_id__in=snapshot.missed_events)
    return list(known.values_list("event_id", flat=True))


def _bound_events(snapshot: Snapshot, events: list[KnownEvent]) -> Bigints:
    """Return the events that the answer cannot reopen: only their owner's list of the sport can.

    An event's own request may be answered for a while after its end.
    """
    return Bigints(known.id for known in events if not (snapshot.is_list and known.is_owned))


_FIRST_KIND = 6
"""The place of the first kind's count in a row that `APPLY` returns."""

_KINDS = [
    ChangeKind.OPENED,
    ChangeKind.PRICE,
    ChangeKind.POINT,
    ChangeKind.SUSPENDED,
    ChangeKind.RESUMED,
    ChangeKind.ENDED,
]

_MOVES = [
    _FIRST_KIND + _KINDS.index(kind)
    for kind in (ChangeKind.PRICE, ChangeKind.POINT, ChangeKind.SUSPENDED)
]


def _result(
    provider_id: int, rows: list[tuple[Any, ...]], moved_events: frozenset[str]
) -> IngestResult:
    counts: Counter[ChangeKind] = Counter()
    markets, aged = [], []
    for market_id, version, _, is_major, price_change, move, *by_kind in rows:
        if not any(by_kind):
            aged.append(market_id)
            continue
        counts.update(dict(zip(_KINDS, by_kind, strict=True)))
        markets.append(
            MarketChange(
                market_id, version, provider_id, sum(by_kind), is_major, price_change, move
            )
        )
    return IngestResult(
        counts=+counts, markets=tuple(markets), aged=tuple(aged), moved_events=moved_events
    )
