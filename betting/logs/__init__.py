"""Structured logs: one JSON object a line. docs/logging.md describes them.

Hardline's own code logs with `operation` and `note` only.
"""

from __future__ import annotations

from betting.logs.operations import Operation, note, operation

__all__ = ["Operation", "note", "operation"]
