"""Recompute: from the quotes of unvalued markets to their fair prices, edges and opportunities.

Four steps: forget that the markets are scheduled, read, value, write. A change that arrives after
the first step schedules the markets again; one that arrives after the second raises their version
past the one written here, so they stay unvalued. If the process dies between two steps, the
database still says which markets are unvalued.

All unvalued markets of an event are read at one moment and written in one transaction, whichever of
them was asked for. So nobody reads some of them as of one answer and others as of another: each
commit leaves the event as it was at the latest moment that a recompute has read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, fields
from itertools import compress
from statistics import median

import numpy as np
from django.db import DataError, IntegrityError, transaction

from betting.db.sql import Bigints, Floats, fetch_all
from streaming.coalescing.buffer import clear_scheduled
from streaming.core.histogram import counts_of
from valuation.arrays import BoolArray, FloatArray
from valuation.board import REASON_TEXT, Edges, Reason, Valued, value
from valuation.closing import LOST
from valuation.edges import advised_stake, bet_odds
from valuation.models import (
    CONTRADICTED,
    DOUBTFUL,
    IN_PLAY,
    OUTLIER,
    SUSPICIOUS,
    RecomputeRun,
)
from valuation.opportunity_rows import WRITE_OPPORTUNITIES, opportunity_parameters
from valuation.policy import ValuationPolicy
from valuation.unvalued import FEW, UnvaluedMarkets, parts_by_event, read

NEAR_STALE = 0.8
"""The part of its staleness limit from which a quote's edge carries a warning."""


@dataclass(frozen=True, slots=True)
class EdgeChange:
    """An edge that opened or closed, with the numbers that were written.

    Attributes:
        edge_id: the edge.
        version: the market's version whose valuation opened or closed it.
        price: decimal odds.
        probability: the consensus of the other bookmakers.
        ev: expected value per unit staked.
        advised: the advised stake, fraction of the bankroll.
        peak_ev: the highest expected value it had.
        reason: a `CloseReason`; empty for one that opened.
    """

    edge_id: int
    version: int
    price: float
    probability: float
    ev: float
    advised: float
    peak_ev: float
    reason: str


@dataclass(frozen=True, slots=True)
class RecomputeResult:
    """The result of a recompute.

    Attributes:
        valued: ids of the markets valued; the others were up to date, or are now.
        edges_opened: edges that were not open before.
        edges_closed: edges that no longer hold.
        latencies_ms: for each market valued, from the commit of its oldest change to the commit
            of its value.
    """

    valued: Sequence[int] = ()
    edges_opened: Sequence[EdgeChange] = ()
    edges_closed: Sequence[EdgeChange] = ()
    latencies_ms: Sequence[float] = ()


def _tell_nobody(_result: RecomputeResult) -> None:
    """Do nothing with the result: the default of `recompute`."""


def recompute(
    market_ids: Sequence[int],
    trigger: str,
    policy: Callable[[], ValuationPolicy],
    on_commit: Callable[[RecomputeResult], None] = _tell_nobody,
) -> RecomputeResult:
    """Value the unvalued ones among some markets, each attempt leaving one `RecomputeRun` row.

    All unvalued markets of their events are valued with them, those of an event in one transaction;
    many events in several. A market whose value the database refuses does not stop the others: the
    batch is valued without the rest of its events, and halved until that market stands alone.

    Args:
        market_ids: markets asked for; unknown and up-to-date ones are skipped.
        trigger: the reason for the recompute, a `RecomputeTrigger`.
        policy: returns the valuation rules; called once the quotes are read. Changed rules raise
            the markets' versions after they have changed: a recompute that reads the raised
            versions gets them.
        on_commit: called with what was written, once for each transaction. Of several, some may be
            committed when another one fails.

    Returns:
        What was written; of a batch in several transactions, by its last one.

    Raises:
        DataError, IntegrityError: the value of a single market was refused.
    """
    result, refused = RecomputeResult(), None
    for part in parts_by_event(market_ids):
        try:
            result = _recompute_part(part, trigger, policy, on_commit)
        except (DataError, IntegrityError) as error:
            refused = error
    if refused is not None:
        raise refused
    return result


def _recompute_part(
    market_ids: Sequence[int],
    trigger: str,
    policy: Callable[[], ValuationPolicy],
    on_commit: Callable[[RecomputeResult], None],
) -> RecomputeResult:
    try:
        result = _recompute(market_ids, trigger, policy, by_event=True)
    except (DataError, IntegrityError):
        return _recompute_apart(market_ids, trigger, policy, on_commit)
    on_commit(result)
    return result


def _recompute_apart(
    market_ids: Sequence[int],
    trigger: str,
    policy: Callable[[], ValuationPolicy],
    on_commit: Callable[[RecomputeResult], None],
) -> RecomputeResult:
    """Value some markets without the others of their events, of which one may be refused."""
    try:
        result = _recompute(market_ids, trigger, policy, by_event=False)
    except (DataError, IntegrityError):
        if len(market_ids) < 2:
            raise
    else:
        on_commit(result)
        return result
    middle = len(market_ids) // 2
    try:
        _recompute_apart(market_ids[:middle], trigger, policy, on_commit)
    finally:
        result = _recompute_apart(market_ids[middle:], trigger, policy, on_commit)
    return result


def _recompute(
    market_ids: Sequence[int],
    trigger: str,
    policy: Callable[[], ValuationPolicy],
    *,
    by_event: bool,
) -> RecomputeResult:
    started = time.perf_counter()
    clear_scheduled(market_ids)
    unvalued = read(market_ids, by_event=by_event)
    # A change that may wait is not late where a major move takes it along.
    timed = set(market_ids) if trigger == "major" else None
    result = RecomputeResult()
    # Durable: within another transaction this were a savepoint, whose number no snapshot names, and
    # a page of edges would count as seen what it has not.
    with transaction.atomic(durable=True):
        if unvalued.ids.size:
            rules = policy()
            result = write(unvalued, value(unvalued.board, rules), rules, timed)
        RecomputeRun.objects.create(
            trigger=trigger,
            duration_ms=(time.perf_counter() - started) * 1000,
            markets=len(market_ids),
            valued=len(result.valued),
            edges_opened=len(result.edges_opened),
            edges_closed=len(result.edges_closed),
            latency_ms_median=median(result.latencies_ms) if result.latencies_ms else None,
            latency_ms_max=max(result.latencies_ms, default=None),
            latency_counts=counts_of(result.latencies_ms) if result.latencies_ms else [],
            latency_ms_sum=sum(result.latencies_ms),
        )
    return result


def write(
    unvalued: UnvaluedMarkets,
    valued: Valued,
    policy: ValuationPolicy,
    timed: Container[int] | None = None,
) -> RecomputeResult:
    """Write what the markets are worth that were not valued at a later version meanwhile.

    Fair prices, edges and opportunities. An opportunity whose figures change keeps its row, found
    by its kind and legs. Idempotent by the version: a market is written once at each.

    Runs in the caller's transaction. The markets are locked before the statement that writes
    begins, so that it sees the edges of a recompute it had to wait for.

    Args:
        unvalued: the markets as they were read.
        valued: their values.
        policy: the valuation rules.
        timed: the markets whose latencies are counted; all if not given.
    """
    is_prepared = len(unvalued.ids) <= FEW
    is_too_old = unvalued.is_in_play & (unvalued.age_seconds > policy.in_play_seconds)
    lock = _LOCK_FEW if is_prepared else _LOCK
    fetch_all(lock, {"markets": Bigints(unvalued.ids)}, is_prepared=is_prepared)
    (row,) = fetch_all(
        _WRITE,
        {
            "markets": Bigints(unvalued.ids),
            "versions": Bigints(unvalued.versions),
            "read_at": unvalued.read_at,
            "method": policy.method,
            **_fair_parameters(valued),
            **_edge_parameters(unvalued, valued, is_too_old, policy),
            **opportunity_parameters(unvalued, is_too_old, policy),
        },
        is_prepared=is_prepared,
    )
    written_at, accepted, opened, closed = row
    dirty_at = dict(zip(unvalued.ids.tolist(), unvalued.dirty_ats, strict=True))
    return RecomputeResult(
        valued=accepted,
        edges_opened=[EdgeChange(*change) for change in opened],
        edges_closed=[EdgeChange(*change) for change in closed],
        latencies_ms=[
            (written_at - since).total_seconds() * 1000
            for market in accepted
            if (since := dirty_at[market]) is not None and (timed is None or market in timed)
        ],
    )


def _fair_parameters(valued: Valued) -> dict[str, object]:
    fair = valued.fair
    return {
        "fair_outcomes": Bigints(fair.outcome_id),
        "fair_markets": Bigints(fair.market_id),
        "fair_probabilities": Floats(fair.probability),
        "fair_books": Bigints(fair.books),
        "fair_reasons": Bigints(fair.reason),
        "priced_outcomes": Bigints(fair.outcome_id[fair.reason == Reason.OK]),
        "reason_texts": [REASON_TEXT[reason] for reason in sorted(REASON_TEXT)],
    }


def _edge_parameters(
    unvalued: UnvaluedMarkets, valued: Valued, is_too_old: BoolArray, policy: ValuationPolicy
) -> dict[str, object]:
    board = unvalued.board
    edges = _without(valued.edges, is_too_old)
    is_in_play = unvalued.is_in_play[edges.row]
    marks = {
        IN_PLAY: is_in_play,
        OUTLIER: edges.is_outlier,
        SUSPICIOUS: edges.ev > policy.suspicious_ev,
        CONTRADICTED: _contrary_ev(unvalued, edges) < policy.min_edge_ev,
        "disputed": unvalued.is_disputed[edges.row],
        "near_stale": unvalued.ages[edges.row] > NEAR_STALE,
        "few_books": edges.books <= policy.min_books,
        "push_unknown": np.isnan(edges.returned),
    }
    is_doubtful = np.any([marks[mark] for mark in DOUBTFUL], axis=0)
    is_advised = ~is_doubtful & (policy.in_play_advice | ~is_in_play)
    return {
        "stale_quotes": Bigints(unvalued.quote_ids[board.is_stale | is_too_old]),
        "edge_quotes": Bigints(unvalued.quote_ids[edges.row]),
        "edge_markets": Bigints(board.market_id[edges.row]),
        "edge_prices": Floats(board.price[edges.row]),
        "edge_probabilities": Floats(edges.probability),
        "edge_evs": Floats(edges.ev),
        "edge_kellys": Floats(edges.kelly),
        "edge_advised": Floats(np.where(is_advised, advised_stake(edges.kelly, policy), 0.0)),
        "edge_holds": Floats(edges.hold),
        "edge_books": Bigints(edges.books),
        "edge_warnings": [
            ",".join(compress(marks, marked)) for marked in zip(*marks.values(), strict=True)
        ],
    }


def _contrary_ev(unvalued: UnvaluedMarkets, edges: Edges) -> FloatArray:
    """Return the EV of each edge at what other providers say of its price; NaN if none does."""
    board, row = unvalued.board, edges.row
    odds = bet_odds(board.price[row], board.commission[row], board.is_lay[row])
    # The probability is that of the other bookmakers: only the odds differ.
    at_risk = 1 - np.nan_to_num(edges.returned)
    evs: FloatArray = ((1 + edges.ev / at_risk) * unvalued.contrary_odds[row] / odds - 1) * at_risk
    return evs


def _without(edges: Edges, left_out: BoolArray) -> Edges:
    """Return the edges without those of some rows of the board."""
    kept = ~left_out[edges.row]
    return Edges(*(getattr(edges, field.name)[kept] for field in fields(edges)))


# In id order, as every writer of markets locks them.
_LOCK = """
SELECT id FROM betting_market WHERE id = ANY (%(markets)s::bigint[])
ORDER BY id FOR NO KEY UPDATE
"""

# Planning what is written of a few markets takes twice as long as writing it, and PostgreSQL, which
# expects ten elements of every array, would plan it anew each time. Holds for the transaction.
_LOCK_FEW = """
SELECT id, set_config('plan_cache_mode', 'force_generic_plan', true)
FROM betting_market WHERE id = ANY (%(markets)s::bigint[])
ORDER BY id FOR NO KEY UPDATE
"""

_WRITE = f"""
WITH valued AS (
    SELECT * FROM unnest(%(markets)s::bigint[], %(versions)s::bigint[]) AS v (id, version)
),
-- The version guard: a market valued further by somebody else is left alone.
accepted AS MATERIALIZED (
    UPDATE betting_market m
    SET valued_version = v.version, valued_at = clock_timestamp(), swept_at = NULL,
        dirty_at = CASE WHEN m.version = v.version THEN NULL ELSE %(read_at)s END
    FROM valued v WHERE m.id = v.id AND m.valued_version < v.version
    RETURNING m.id, v.version, m.version = v.version AS is_current
),

fair AS MATERIALIZED (
    SELECT outcome_id, market_id, NULLIF(probability, 'NaN') AS probability, books,
           (%(reason_texts)s::text[])[reason + 1] AS reason, a.version
    FROM unnest(
        %(fair_outcomes)s::bigint[], %(fair_markets)s::bigint[], %(fair_probabilities)s::float8[],
        %(fair_books)s::bigint[], %(fair_reasons)s::bigint[]
    ) AS f (outcome_id, market_id, probability, books, reason)
    JOIN accepted a ON a.id = f.market_id
),
priced AS (
    INSERT INTO valuation_fairprice AS p
        (outcome_id, market_id, state, reason, probability, method, books, version, valued_at)
    SELECT outcome_id, market_id, CASE WHEN probability IS NULL THEN 'none' ELSE 'ok' END,
           reason, probability, %(method)s, books, version, clock_timestamp()
    FROM fair
    ON CONFLICT (outcome_id) DO UPDATE
    SET state = excluded.state, reason = excluded.reason, probability = excluded.probability,
        method = excluded.method, books = excluded.books, version = excluded.version,
        valued_at = excluded.valued_at
    WHERE p.version < excluded.version
),
-- An outcome that nobody quotes any more: never the last value again.
unpriced AS (
    UPDATE valuation_fairprice p
    SET state = 'none', reason = 'no active quotes', probability = NULL, books = 0,
        method = %(method)s, version = a.version, valued_at = clock_timestamp()
    FROM accepted a
    WHERE p.market_id = a.id AND p.version < a.version
      AND NOT EXISTS (SELECT FROM fair f WHERE f.outcome_id = p.outcome_id)
),

edge AS MATERIALIZED (
    SELECT e.*, a.version FROM unnest(
        %(edge_quotes)s::bigint[], %(edge_markets)s::bigint[], %(edge_prices)s::float8[],
        %(edge_probabilities)s::float8[], %(edge_evs)s::float8[], %(edge_kellys)s::float8[],
        %(edge_advised)s::float8[], %(edge_holds)s::float8[], %(edge_books)s::bigint[],
        %(edge_warnings)s::text[]
    ) AS e (quote_id, market_id, price, probability, ev, kelly, advised, hold, books, warnings)
    JOIN accepted a ON a.id = e.market_id
    -- A provider that was removed meanwhile took its quotes with it.
    WHERE EXISTS (SELECT FROM betting_quote q WHERE q.id = e.quote_id)
),
opened AS (
    INSERT INTO valuation_edge AS e
        (quote_id, market_id, opened_at, opened_price, opened_probability, price, probability, ev,
         kelly, advised, hold, books, warnings, peak_ev, version, updated_at)
    SELECT quote_id, market_id, statement_timestamp(), price, probability, price, probability, ev,
           kelly, advised, hold, books, string_to_array(warnings, ','), ev, version,
           statement_timestamp()
    FROM edge
    ON CONFLICT (quote_id) WHERE closed_at IS NULL DO UPDATE
    SET price = excluded.price, probability = excluded.probability, ev = excluded.ev,
        kelly = excluded.kelly, advised = excluded.advised, hold = excluded.hold,
        books = excluded.books, warnings = excluded.warnings,
        peak_ev = GREATEST(e.peak_ev, excluded.ev), version = excluded.version,
        updated_at = excluded.updated_at
    RETURNING e.opened_at = e.updated_at AS is_new,
              ROW (e.id, e.version, e.price, e.probability, e.ev, e.advised, e.peak_ev, ''::text)
                  AS change
),
closed AS (
    UPDATE valuation_edge e
    SET closed_at = clock_timestamp(), updated_at = clock_timestamp(), version = a.version,
        close_reason = COALESCE({LOST}, CASE
            WHEN q.outcome_id <> ALL (%(priced_outcomes)s::bigint[]) THEN 'no_fair_value'
            ELSE 'gone' END)
    FROM accepted a, betting_quote q, betting_market m, betting_event ev
    WHERE e.market_id = a.id AND e.closed_at IS NULL
      AND q.id = e.quote_id AND m.id = a.id AND ev.id = m.event_id
      AND e.quote_id <> ALL (%(edge_quotes)s::bigint[])
    RETURNING ROW (e.id, e.version, e.price, e.probability, e.ev, e.advised, e.peak_ev,
                   e.close_reason::text) AS change
),
{WRITE_OPPORTUNITIES}
SELECT clock_timestamp(),
       COALESCE((SELECT array_agg(id) FROM accepted), '{{}}'),
       (SELECT COALESCE(array_agg(change), '{{}}') FROM opened WHERE is_new),
       (SELECT COALESCE(array_agg(change), '{{}}') FROM closed)
"""  # noqa: S608 - the texts imported above
