"""Deleting events with all that belongs to them: markets, outcomes, quotes, history and value."""

from __future__ import annotations

from collections.abc import Sequence

from betting.db.sql import Bigints, execute, fetch_all


def erase_events(event_ids: Sequence[int]) -> None:
    """Delete events and all that refers to them, leaves first, by one statement for each table.

    Django would fetch every row to delete it. Runs in the caller's transaction, which holds the
    lock of the events' family, so that nothing is added to them. The trigger on their aliases
    invalidates the caches of workers; aliases are deleted late, because from there on every other
    writer of names waits.
    """
    if not event_ids:
        return
    parameters = {"events": Bigints(event_ids)}
    fetch_all(_LOCK, parameters)
    for table, condition in ERASED.items():
        execute(f"DELETE FROM {table} WHERE {condition}", parameters)  # noqa: S608 - names from below


# In id order, as every writer of markets locks them: a recompute may be at work on some.
_LOCK = """
SELECT id FROM betting_market WHERE event_id = ANY (%(events)s::bigint[])
ORDER BY id FOR UPDATE
"""

_MARKETS = "SELECT id FROM betting_market WHERE event_id = ANY (%(events)s::bigint[])"
_OUTCOMES = f"SELECT id FROM betting_outcome WHERE market_id IN ({_MARKETS})"  # noqa: S608 - as above
_QUOTES = f"SELECT id FROM betting_quote WHERE outcome_id IN ({_OUTCOMES})"  # noqa: S608 - as above
_EDGES = f"SELECT id FROM valuation_edge WHERE quote_id IN ({_QUOTES})"  # noqa: S608 - as above

#: Tables in the order of deletion: table → the condition of the rows to delete.
ERASED = {
    "valuation_closingquote": f"quote_id IN ({_QUOTES})",
    "valuation_closingprice": f"outcome_id IN ({_OUTCOMES})",
    "valuation_settlement": f"outcome_id IN ({_OUTCOMES})",
    "valuation_result": "event_id = ANY (%(events)s::bigint[])",
    "valuation_opportunity": f"market_id IN ({_MARKETS})",
    "valuation_edgeclosing": f"edge_id IN ({_EDGES})",
    "valuation_edge": f"quote_id IN ({_QUOTES})",
    "betting_linechange": f"quote_id IN ({_QUOTES})",
    "betting_rivalquote": f"quote_id IN ({_QUOTES})",
    "betting_quote": f"outcome_id IN ({_OUTCOMES})",
    "valuation_fairprice": f"outcome_id IN ({_OUTCOMES})",
    "betting_outcome": f"market_id IN ({_MARKETS})",
    "betting_market": "event_id = ANY (%(events)s::bigint[])",
    "betting_doubtfulmatch": "event_id = ANY (%(events)s::bigint[])"
    " OR candidate_id = ANY (%(events)s::bigint[])",
    "betting_eventalias": "event_id = ANY (%(events)s::bigint[])",
    "betting_event": "id = ANY (%(events)s::bigint[])",
}
