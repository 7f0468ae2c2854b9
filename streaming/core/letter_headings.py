"""The heading of docs/runbook.md that fits a failure."""

from __future__ import annotations

from streaming.core.letters import Kind

A_LETTER = "A dead letter"
"""The heading for what fits no other."""

_BY_KIND = {
    Kind.DELIVERY: "A subscriber is suppressed",
    Kind.PAYLOAD: "A feed fails",
    Kind.WORKER_LOST: "Workers",
    Kind.UNKNOWN_TASK: "Workers",
}
_BY_WORDS = (
    ("No space left", "Disk"),
    ("DiskFull", "Disk"),
    ("psycopg", "Database"),
    ("django.db", "Database"),
    ("redis", "Redis"),
    ("kombu", "Broker"),
    ("amqp", "Broker"),
    ("circuit", "A circuit is open"),
)
"""Part of the exception's dotted class or its message → heading; the first that fits."""

HEADINGS = {A_LETTER, *_BY_KIND.values(), *(heading for _, heading in _BY_WORDS)}


def runbook_heading(kind: str, exception: str, message: str) -> str:
    """Return the heading to read first.

    >>> runbook_heading("exception", "psycopg.OperationalError", "connection failed")
    'Database'
    >>> (
    ...     runbook_heading("delivery", "", "503"),
    ...     runbook_heading("exception", "builtins.KeyError", "#"),
    ... )
    ('A subscriber is suppressed', 'A dead letter')
    """
    known = {str(each): heading for each, heading in _BY_KIND.items()}
    if kind in known:
        return known[kind]
    said = f"{exception} {message}".lower()
    return next((heading for words, heading in _BY_WORDS if words.lower() in said), A_LETTER)
