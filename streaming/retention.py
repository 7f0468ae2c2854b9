"""Rows that only grow are kept for a while and then deleted, a bounded number at a time."""

from __future__ import annotations

from betting.config import RetentionConfig
from betting.sql import fetch_all

ROWS_PER_STATEMENT = 10_000


def prune_old_rows(config: RetentionConfig) -> dict[str, int]:
    """Delete what is past its retention.

    Returns:
        Rows deleted, by table.
    """
    return {
        table: _prune(table, column, days)
        for table, column, days in (
            ("streaming_pollrun", "started_at", config.poll_run_days),
            ("streaming_circuittransition", "recorded_at", config.circuit_transition_days),
            ("streaming_deliveryrun", "started_at", config.delivery_run_days),
            ("valuation_recomputerun", "finished_at", config.recompute_run_days),
            ("betting_linechange", "recorded_at", config.line_change_days),
            ("valuation_edge", "closed_at", config.closed_edge_days),
            ("django_celery_results_taskresult", "date_done", config.task_result_days),
            (
                "streaming_deadletteroccurrence",
                "seen_at",
                config.dead_letter_occurrence_days,
            ),
            ("streaming_deadletteraction", "requested_at", config.dead_letter_action_days),
            ("streaming_healthsnapshot", "taken_at", config.health_snapshot_days),
            ("streaming_baselinesnapshot", "captured_at", config.baseline_snapshot_days),
        )
    }


def _prune(table: str, column: str, days: int) -> int:
    statement = f"""
        DELETE FROM {table} WHERE id IN (
            SELECT id FROM {table}
            WHERE {column} < now() - %(days)s * interval '1 day' LIMIT %(rows)s
        ) RETURNING 1
    """  # noqa: S608 - names from the table above, never from outside
    deleted = 0
    while rows := len(fetch_all(statement, {"days": days, "rows": ROWS_PER_STATEMENT})):
        deleted += rows
    return deleted
