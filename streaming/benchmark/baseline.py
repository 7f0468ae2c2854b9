"""The baseline: the measurements of one window of time, as one document.

docs/baseline.md describes each field.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

SCHEMA = 1
"""Raised when a field changes its meaning or is removed; other schemas are refused."""


class BaselineError(Exception):
    """A document is not a baseline that can be read; the message says why."""


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The distribution of some values; each figure is None where there are no values.

    The p-th percentile is the smallest value v such that at least p % of the values are at most v.
    """

    count: int
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class Cycles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The requests that were made to providers; one cycle is a request and its processing."""

    duration_ms: Distribution
    quotes: Distribution
    changes: Distribution
    polling_seconds: float


class ProviderFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One provider's calls, and its circuit."""

    calls: int
    failures: int
    refused: int
    latency_ms: Distribution
    failure_codes: dict[str, int]
    circuit: str
    transitions: dict[str, int]

    @property
    def success_rate(self) -> float | None:
        """The part of the calls that did not fail; None without calls."""
        return 1 - self.failures / self.calls if self.calls else None


class Recomputes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recompute messages, and the markets that they asked for and valued."""

    messages: dict[str, int]
    markets_asked: int
    markets_valued: int
    changes_per_recompute: float | None
    duration_ms: Distribution
    change_to_value_ms: Distribution


class Failures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Work that failed for good, as a part of all the work that was done."""

    dead_letters: int
    work: int

    @property
    def rate(self) -> float | None:
        """Dead letters for each piece of work; None without work."""
        return self.dead_letters / self.work if self.work else None


class Deliveries(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Deliveries of notifications to subscribers, by outcome."""

    delivered: int
    failed: int
    held: int


class BacklogFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The backlog, over the samples of the window."""

    stale_markets: Distribution
    buffered_markets: Distribution
    queued_messages: Distribution
    unacknowledged_messages: Distribution


class ProcessFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The resources used by a program and every process that it started."""

    memory_bytes_mean: float
    memory_bytes_max: int
    cpu_seconds: float


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole document."""

    schema: int = SCHEMA
    label: str
    since: datetime
    seconds: float
    cycles: Cycles
    changes: dict[str, int]
    providers: dict[str, ProviderFigures]
    recomputes: Recomputes
    failures: Failures
    deliveries: Deliveries
    backlog: BacklogFigures
    processes: dict[str, ProcessFigures]
    markets: int
    overdue_markets: int


def decode(document: bytes) -> Baseline:
    """Read a baseline.

    Raises:
        BaselineError: it is no baseline, or one of another schema.

    >>> decode(b'{"schema": 99}')
    Traceback (most recent call last):
    streaming.benchmark.baseline.BaselineError: schema 99 cannot be read here; this is schema 1
    """
    try:
        schema = msgspec.json.decode(document, type=dict[str, msgspec.Raw]).get("schema")
        if schema is None or bytes(schema) != b"%d" % SCHEMA:
            found = bytes(schema or b"none").decode(errors="replace")[:20]
            raise BaselineError(f"schema {found} cannot be read here; this is schema {SCHEMA}")
        return msgspec.json.decode(document, type=Baseline)
    except msgspec.DecodeError as error:
        raise BaselineError(f"not a baseline: {error}") from error
