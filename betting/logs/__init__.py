"""Structured logs: one JSON object a line. docs/logging.md says what is in it.

`operation` and `note` are the only ways in which Hardline's own code logs.
"""

from __future__ import annotations

from betting.logs.operations import Operation, note, operation

__all__ = ["Operation", "note", "operation"]
