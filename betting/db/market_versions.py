"""The SQL that raises markets' versions, which has them valued again: shared by all statements."""

from __future__ import annotations

_LOCKED = """locked AS MATERIALIZED (
    -- In id order, as every writer of markets locks them.
    SELECT id FROM betting_market WHERE id IN (SELECT market_id FROM touched)
    ORDER BY id FOR NO KEY UPDATE
)"""

_RAISED = """UPDATE betting_market m
SET version = m.version + 1,
    dirty_at = CASE WHEN m.version = m.valued_version THEN clock_timestamp() ELSE m.dirty_at END
FROM locked WHERE m.id = locked.id
RETURNING m.id"""


def raising(touched: str, answer: str = "") -> str:
    """Return the statement that raises the versions of some markets by one.

    Args:
        touched: a WITH clause whose last query is ``touched (market_id)``.
        answer: what the statement selects; by default the ids of the markets.
    """
    if answer:
        return f"{touched},\n{_LOCKED},\nraised AS (\n{_RAISED}\n)\n{answer}"
    return f"{touched},\n{_LOCKED}\n{_RAISED}\n"
