"""Pruning old rows, past events and feeds without recent answers, in bounded steps."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from django.db import OperationalError, ProgrammingError, transaction
from psycopg.errors import InsufficientPrivilege

from betting.config import RetentionConfig
from betting.db import partitions
from betting.db.clock import database_now
from betting.db.outages import is_locked
from betting.db.partitions import LINE_CHANGES, POLL_RUNS, RECOMPUTE_RUNS, Partitioned
from betting.db.sql import Bigints, execute, fetch_all
from streaming.core.participants import sport_family
from streaming.core.partitions import days_ahead, plan
from streaming.dead_letters.repeated import run_each
from streaming.ingest.locks import lock_family
from streaming.retention.delete_events import erase_events

ROWS_PER_STATEMENT = 10_000
EVENTS_PER_RUN = 10_000
#: Ingests of the family wait for as long as these take.
EVENTS_PER_TRANSACTION = 10
FEEDS_PER_RUN = 1_000
DAYS_OF_EXPIRED_SESSIONS = 1

logger = logging.getLogger(__name__)


class PartitionsMissingError(Exception):
    """No partition could be made for days, and the last one ends within a day."""


def prune_old_rows(config: RetentionConfig) -> dict[str, int]:
    """Delete the rows that are past their retention.

    A table whose rows cannot be deleted keeps none of the others from its turn.

    Returns:
        Rows deleted, by table; those of partitions as PostgreSQL estimates them. Rows deleted
        along with an event or a feed are not counted.

    Raises:
        PartitionsMissingError: rows of the day to come have no partition; all else was done.
        django.db.Error: a table could not be pruned, the first of those; all else was done, unless
            PostgreSQL is away.
    """
    in_partitions = (
        (POLL_RUNS, config.operations_days),
        (RECOMPUTE_RUNS, config.operations_days),
        (LINE_CHANGES, config.history_days),
    )
    by_age = (
        ("streaming_circuittransition", "recorded_at", config.audit_days),
        ("streaming_deliveryrun", "started_at", config.operations_days),
        ("streaming_alert", "claimed_at", config.history_days),
        ("valuation_closingprice", "taken_at", config.history_days),
        ("valuation_closingquote", "taken_at", config.history_days),
        ("valuation_edgeclosing", "taken_at", config.history_days),
        ("valuation_edge", "closed_at", config.history_days),
        ("valuation_opportunity", "closed_at", config.history_days),
        ("django_celery_results_taskresult", "date_done", config.operations_days),
        ("streaming_deadletteroccurrence", "seen_at", config.operations_days),
        ("streaming_deadletteraction", "requested_at", config.audit_days),
        ("streaming_healthsnapshot", "taken_at", config.operations_days),
        ("streaming_baselinesnapshot", "captured_at", config.audit_days),
        ("django_admin_log", "action_time", config.audit_days),
        ("django_session", "expire_date", DAYS_OF_EXPIRED_SESSIONS),
    )
    prune_table: dict[str, Callable[[], int]] = {
        **{table.name: partial(_prune_partitions, table, days) for table, days in in_partitions},
        **{table: partial(_prune, table, column, days) for table, column, days in by_age},
        # In this order: most rows of an event are its history, and a feed is deleted without
        # quotes.
        "betting_event": partial(_delete_past_events, config.event_days),
        "betting_feed": partial(_delete_unheard_feeds, config.event_days),
    }
    deleted: dict[str, int] = {}

    def prune_and_count(table: str) -> None:
        deleted[table] = prune_table[table]()

    run_each(*(partial(prune_and_count, table) for table in prune_table), _require_partitions)
    return deleted


def _prune_partitions(table: Partitioned, days: int) -> int:
    """Make the partitions that the next days need, and drop those past their retention.

    Rows are deleted only from partitions that hold older ones beside younger ones for long: those
    of times that have no partition, of a time before there were any, and of a longer retention.
    """
    there = partitions.partitions(table)
    todo = plan(there, days, database_now())
    made = [partitions.make(table, span) for span in todo.make]
    dropped = [partitions.drop(table, there[span]) for span in todo.drop]
    if any(made) or any(rows is not None for rows in dropped):
        partitions.analyze(table)
    trimmed = [table.default, *(there[span] for span in todo.trim)]
    return sum(filter(None, dropped)) + sum(_trim(each, table.column, days) for each in trimmed)


def _trim(partition: str, column: str, days: int) -> int:
    try:
        return _prune(partition, column, days)
    except ProgrammingError as error:
        if not isinstance(error.__cause__, InsufficientPrivilege):
            raise
        # Rights on the table are none on its partitions. All else is pruned.
        logger.warning("retention leaves old rows in %s: %s", partition, error)
        return 0


def _require_partitions() -> None:
    tomorrow = database_now() + timedelta(days=1)
    missing = [
        table.name
        for table in partitions.TABLES
        if not days_ahead(partitions.partitions(table), tomorrow)
    ]
    if missing:
        raise PartitionsMissingError(
            f"{', '.join(missing)}: no partition for tomorrow could be made. Rows go into the"
            " default one, and nothing is lost. Something reads the table all the time, or this"
            " role may not create tables."
        )


def _prune(table: str, column: str, days: int) -> int:
    statement = f"""
        DELETE FROM {table} WHERE ctid IN (
            SELECT ctid FROM {table}
            WHERE {column} < now() - %(days)s * interval '1 day' {_UNLESS.get(table, "")}
            LIMIT %(rows)s
        )
    """  # noqa: S608 - names from the table above, never from outside
    deleted = 0
    while rows := execute(statement, {"days": days, "rows": ROWS_PER_STATEMENT}):
        deleted += rows
    return deleted


def _delete_past_events(days: int) -> int:
    by_family: dict[str, list[int]] = defaultdict(list)
    for event_id, sport_key in fetch_all(_PAST_EVENTS, {"days": days, "events": EVENTS_PER_RUN}):
        by_family[sport_family(sport_key)].append(event_id)
    return sum(_delete_of_family(family, events, days) for family, events in by_family.items())


def _delete_of_family(family: str, event_ids: Sequence[int], days: int) -> int:
    deleted = 0
    try:
        for start in range(0, len(event_ids), EVENTS_PER_TRANSACTION):
            batch = event_ids[start : start + EVENTS_PER_TRANSACTION]
            deleted += _delete_if_past(family, batch, days)
    except OperationalError as error:
        if not is_locked(error):
            raise
        # A family that is locked delays no other family. The next run tries again.
        logger.warning("retention postpones the deletion of past events of %s: %s", family, error)
    return deleted


def _delete_if_past(family: str, event_ids: Sequence[int], days: int) -> int:
    parameters = {"events": Bigints(event_ids), "family": family, "days": days}
    with transaction.atomic():
        lock_family(family)
        # Look again under the lock: no answer can change them now.
        past = [event_id for (event_id,) in fetch_all(_STILL_PAST, parameters)]
        erase_events(past)
    return len(past)


def _delete_unheard_feeds(days: int) -> int:
    with transaction.atomic():
        # Every ingest locks its feed's row while it writes quotes. Only a statement that begins
        # after the wait sees what that ingest wrote, so the feeds are locked first and looked at
        # then.
        locked = fetch_all(_LOCK_UNHEARD_FEEDS, {"days": days, "feeds": FEEDS_PER_RUN})
        return execute(_DELETE_FEEDS, {"feeds": Bigints(feed_id for (feed_id,) in locked)})


# The close of an edge is taken at the start of its event, which may be long after it closed.
_UNLESS = {
    "valuation_edge": """
        AND NOT EXISTS (SELECT FROM valuation_edgeclosing c WHERE c.edge_id = valuation_edge.id)
        AND NOT EXISTS (
            SELECT FROM betting_market m JOIN betting_event e ON e.id = m.event_id
            WHERE m.id = valuation_edge.market_id AND e.closed_for IS DISTINCT FROM e.commence_time
        )
    """
}

# A recording is replayed with its own old times: `commence_time` does not say when the rows were
# made. `created_at` and `valued_at` are the database's. Markets waiting for their valuation stay.
_IS_PAST = """
    e.commence_time < now() - %(days)s * interval '1 day'
    AND e.created_at < now() - %(days)s * interval '1 day'
    AND NOT EXISTS (
        SELECT FROM betting_market m
        WHERE m.event_id = e.id
          AND (m.version <> m.valued_version
               OR m.valued_at >= now() - %(days)s * interval '1 day')
    )
"""

_PAST_EVENTS = f"""
SELECT e.id, s.key FROM betting_event e JOIN betting_sport s ON s.id = e.sport_id
WHERE {_IS_PAST}
ORDER BY e.commence_time, e.id LIMIT %(events)s
"""  # noqa: S608 - the condition above

_STILL_PAST = f"""
SELECT e.id FROM betting_event e JOIN betting_sport s ON s.id = e.sport_id
WHERE e.id = ANY (%(events)s::bigint[]) AND split_part(s.key, '_', 1) = %(family)s AND {_IS_PAST}
"""  # noqa: S608 - as above

# `observed_at` may be a recording's time as well, so a feed stays while a quote, or a rival quote,
# refers to it. One that answers again after its deletion is made again.
_LOCK_UNHEARD_FEEDS = """
SELECT f.id FROM betting_feed f
WHERE f.observed_at < now() - %(days)s * interval '1 day'
  AND NOT EXISTS (SELECT FROM betting_quote q WHERE q.feed_id = f.id)
  AND NOT EXISTS (SELECT FROM betting_rivalquote r WHERE r.feed_id = f.id)
LIMIT %(feeds)s
FOR UPDATE OF f SKIP LOCKED
"""

_DELETE_FEEDS = """
WITH unheard AS (
    SELECT id FROM unnest(%(feeds)s::bigint[]) AS f (id)
    WHERE NOT EXISTS (SELECT FROM betting_quote q WHERE q.feed_id = f.id)
      AND NOT EXISTS (SELECT FROM betting_rivalquote r WHERE r.feed_id = f.id)
),
books AS (DELETE FROM betting_feedbook b USING unheard u WHERE b.feed_id = u.id)
DELETE FROM betting_feed f USING unheard u WHERE f.id = u.id
"""
