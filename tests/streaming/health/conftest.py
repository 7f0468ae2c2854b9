"""Health of a stream that is well, under a clock of the test's own."""

from __future__ import annotations

from tests.support.watch import all_workers, watch

__all__ = ["all_workers", "watch"]
