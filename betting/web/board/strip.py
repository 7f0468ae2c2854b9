"""The live strip: one sentence on whether the prices shown can be relied on, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.db.models import Count, Max, Q
from django.utils.dateparse import parse_datetime

from betting.config import get_config
from betting.db.clock import database_now
from betting.models import Clock, Event, EventStatus, Feed, FeedBookmaker
from streaming.core.durations import spoken
from streaming.core.health import Status, title
from streaming.models import HealthSnapshot, HealthStatus
from streaming.polling.circuits import unhealthy_circuits
from valuation.vouching import count_open

Level = Literal["ok", "warn", "bad"]

CHECKED_SECONDS = 12.5
"""Prices are not called live if nothing has checked the pipeline for longer than this.

A snapshot is taken every 10 s, and pages ask every 2 s: they say within 15 s that workers are gone.
"""

MAX_EDGES = 200
"""The most open edges that are counted: to judge whether one still stands takes time."""


@dataclass(frozen=True, slots=True)
class Strip:
    """The content of the strip.

    Attributes:
        level: "ok" (live), "warn" or "bad".
        text: the sentence without a full stop, empty where all is well.
        since: when that began, if it is known.
        updated_at: when a provider last answered.
        sports, books: how many there are.
        open_edges: how many edges can be taken now, `MAX_EDGES` at most.
    """

    level: Level
    text: str
    since: datetime | None
    updated_at: datetime | None
    sports: int
    books: int
    open_edges: int

    @property
    def edges(self) -> str:
        """The number of open edges in words.

        >>> Strip("ok", "", None, None, 1, 1, 1).edges, Strip("ok", "", None, None, 1, 1, 200).edges
        ('1 edge', '200+ edges')
        """
        more = "+" if self.open_edges == MAX_EDGES else ""
        return f"{self.open_edges}{more} edge{'' if self.open_edges == 1 else 's'}"


def strip() -> Strip:
    """Return the strip as it is now."""
    now = database_now()
    feeds = Feed.objects.filter(provider__enabled=True).aggregate(
        updated_at=Max("observed_at"),
        live=Count("pk", filter=Q(provider__clock=Clock.WALL)),
        providers=Count("provider", distinct=True),
    )
    level, text, since = _level(
        now, feeds["updated_at"], providers=feeds["providers"], is_live=feeds["live"] > 0
    )
    fresh = FeedBookmaker.objects.filter(silent_since=None, expires_at__gt=now)
    open_events = Event.objects.exclude(status=EventStatus.ENDED)
    return Strip(
        level=level,
        text=text,
        since=since,
        updated_at=feeds["updated_at"],
        sports=open_events.aggregate(n=Count("sport", distinct=True))["n"],
        books=fresh.aggregate(n=Count("bookmaker", distinct=True))["n"],
        open_edges=count_open(MAX_EDGES),
    )


def _level(
    now: datetime, updated_at: datetime | None, *, providers: int, is_live: bool
) -> tuple[Level, str, datetime | None]:
    """Return the level, its sentence, and since when it is so."""
    if updated_at is None:
        return "warn", "No provider has answered yet", None
    if not is_live:
        return "warn", "These prices are from a recording and are not live", None
    age = spoken((now - updated_at).total_seconds())
    snapshot = HealthSnapshot.objects.order_by("-id").first()
    if snapshot is None or (now - snapshot.taken_at).total_seconds() > CHECKED_SECONDS:
        return _unchecked(age, None if snapshot is None else snapshot.taken_at)
    level: Level = "bad" if snapshot.status == HealthStatus.FAIL else "warn"
    circuits = unhealthy_circuits(get_config()).filter(provider__enabled=True)
    if opened := circuits.select_related("provider").order_by("since"):
        # With all of them open no price is renewed; the next snapshot is up to 10 s away.
        level = "bad" if len(opened) >= providers else level
        circuit = opened[0]
        reason = circuit.reason.rstrip(".")
        text = f"Prices are {age} old: {circuit.provider.key}: {reason}"
        return level, text, circuit.since
    if snapshot.status == HealthStatus.PASS:
        return "ok", "", None
    name, check = _worst(snapshot)
    return level, f"{name}: {_consequence(check['output'])}", parse_datetime(check["since"] or "")


def _unchecked(age: str, checked_at: datetime | None) -> tuple[Level, str, datetime | None]:
    """Return the level of prices for which no recent check vouches."""
    if checked_at is None:  # the first seconds of a new installation
        return "warn", f"Prices are {age} old, and the pipeline has not been checked yet", None
    return "bad", f"Prices are {age} old, and nothing has checked the pipeline", checked_at


def _worst(snapshot: HealthSnapshot) -> tuple[str, dict[str, Any]]:
    """Return the name and the record of the worst check of a snapshot that does not pass."""
    name, check = max(snapshot.checks.items(), key=lambda item: Status(item[1]["status"]).severity)
    return title(name).capitalize(), check


def _consequence(detail: str) -> str:
    """Return the last sentence of a check's detail: what its figures mean for those who read.

    >>> _consequence("3 of 9 moves were late (p99 1.2 s). Edges open and close too late.")
    'Edges open and close too late'
    """
    return detail.rstrip(".").rpartition(". ")[2]
