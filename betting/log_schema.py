"""The fields of a log line. docs/logging.md describes them; a test compares the two.

`Facts` types the keyword arguments of `operation` and `note`, so that mypy finds a misspelt or
mistyped field; `Line` is what a reader of the logs can rely on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Required, TypedDict, get_args

import msgspec

Category = Literal[
    "streaming",
    "valuation",
    "provider",
    "bus",
    "circuit",
    "health",
    "deadletter",
    "web",
    "system",
]
"""The part of Hardline that logs; libraries log as ``web`` or ``system``."""

Action = Literal[
    "age",
    "batch_flush",
    "close",
    "cycle",
    "dead_letter",
    "debounce_skip",
    "delivery",
    "event_emit",
    "handler_failure",
    "ingest",
    "library",
    "match",
    "outage",
    "pace",
    "poll",
    "prune",
    "quarantine",
    "recompute",
    "redelivery",
    "replay",
    "revalue",
    "send",
    "spool",
    "sweep",
    "transition",
    "undecodable",
]
"""The action; docs/logging.md lists the facts of each."""

ACTIONS: frozenset[str] = frozenset(get_args(Action))

Status = Literal["ok", "skipped", "failed", "timeout", "degraded", "recovering"]
"""The outcome. ``degraded`` means getting worse, ``recovering`` getting better."""

Level = Literal["debug", "info", "warning", "error", "critical"]

TraceId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0)]


class Facts(TypedDict, total=False):
    """The fields of an action beside its status; every field is optional.

    A new fact needs a line here and one in docs/logging.md. Its name must not be one that
    `streaming.core.redaction.is_secret` blanks.
    """

    advice: str
    answers: Count
    bytes: Count
    changes: Count
    code: str
    delivery_id: str
    dropped: Count
    edges_closed: Count
    edges_opened: Count
    events: Count
    failures_in_a_row: Count
    feed: str
    from_state: str
    http_status: int
    interval_seconds: float
    kind: str
    latency_ms_max: Milliseconds
    latency_ms_median: Milliseconds
    left_out: Count
    letter_task: str
    letter_task_id: str
    major: Count
    markets: Count
    messages: Count
    place: str
    provider: str
    provider_id: int
    quotes: Count
    reason: str
    rows: Count
    shard: Count
    subscriber: str
    suppressed_until: str
    to_state: str
    trigger: str
    valued: Count
    withdrawn: Count


class Line(Facts, total=False):
    """One line, under Hardline's own names."""

    timestamp: Required[
        Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    ]
    level: Required[Level]
    category: Required[Category]
    action: Required[Action]
    status: Required[Status]
    event: Required[str]
    logger: Required[str]
    process: Required[int]
    duration_ms: Milliseconds
    trace_id: TraceId
    trace_ids: Annotated[list[TraceId], msgspec.Meta(min_length=2)]
    task: str
    task_id: str
    queue: str
    sample: Annotated[int, msgspec.Meta(ge=2)]
    exception: str


FIELDS: tuple[str, ...] = tuple(Line.__annotations__)


def validated(line: Mapping[str, Any]) -> Line:
    """Return the line as a `Line`.

    Raises:
        msgspec.ValidationError: a field is missing, unknown or of another type.
    """
    unknown = sorted(line.keys() - set(FIELDS))
    if unknown:
        raise msgspec.ValidationError(f"no such field: {', '.join(unknown)}")
    return msgspec.convert(line, Line)
