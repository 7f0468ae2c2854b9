"""The past hours in snapshots of health: figures with their curves, the pipeline, the strip.

The snapshots of a minute are represented by its last one, so that two hours of them are as many
rows as two hours have minutes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from betting.config import Config
from betting.db.sql import fetch_all
from betting.models import LineChange
from streaming.core.durations import spoken
from streaming.core.health import Status, title
from streaming.core.histogram import quantile_ms
from streaming.health.counters import Counters
from streaming.health.objective import Objective, batch, major
from streaming.models import PollOutcome

MINUTE = timedelta(minutes=1)
CURVE_MINUTES, STRIP_MINUTES = 60, 120
WINDOW_MINUTES = 5
"""Rates and quantiles are those of so many minutes, as those that the checks judge."""

STILL_SECONDS = 10.0
"""If no change has come for longer, the page says so: a rate of minutes looks as before."""

SHORTEST_CURVE_MINUTES = 10
"""The curves of an installation that is younger than an hour begin with it, but not later."""

WIDTH, HEIGHT = 120.0, 32.0
"""The size of a curve, in its own units."""

_SEVERITIES = [status.value for status in Status]


@dataclass(frozen=True, slots=True)
class Point:
    """The last snapshot of a minute.

    Attributes:
        minute: its beginning.
        counted_until: up to when the counters go.
        counters: of all work until then.
        edges_open: edges that nothing had closed; None of an old snapshot, which did not count.
        queue_seconds: how long the oldest message waited.
        status: check → its status.
    """

    minute: datetime
    counted_until: datetime
    counters: Counters
    edges_open: int | None
    queue_seconds: float | None
    status: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its curve over the past hour.

    Attributes:
        title: what it is.
        value: the newest one, in words.
        note: what it is measured against, or made of.
        status: the status of the checks that judge it.
        curve: its values, one a minute; None where there is none.
        limit: the value that it should stay below; None where there is no such.
        address: the page that says more.
    """

    title: str
    value: str
    note: str
    status: str
    curve: Sequence[float | None]
    limit: float | None = None
    address: str = ""

    @property
    def highest(self) -> float:
        """The top of the chart."""
        known = [value for value in self.curve if value is not None]
        return max([*known, self.limit or 0.0, 1e-9])

    @property
    def lines(self) -> list[str]:
        """The points of each unbroken part of the curve, as SVG's polyline has them."""
        drawn = self.curve[self._beginning :]
        step = WIDTH / max(1, len(drawn) - 1)
        parts: list[list[str]] = [[]]
        for place, value in enumerate(drawn):
            if value is None:
                parts.append([])
            else:
                parts[-1].append(f"{place * step:.1f},{self._height(value):.1f}")
        # A line from a point to itself is drawn as a dot.
        return [" ".join(part if len(part) > 1 else part * 2) for part in parts if part]

    @property
    def limit_height(self) -> float | None:
        """The height of the limit in the chart."""
        return None if self.limit is None else round(self._height(self.limit), 1)

    @property
    def description(self) -> str:
        """The curve in words."""
        known = [value for value in self.curve if value is not None]
        if not known:
            return f"{self.title}: no figure in the past hour"
        return (
            f"{self.title} in the past hour: between {_short(min(known))} and {_short(max(known))}"
        )

    @property
    def _beginning(self) -> int:
        """The place of the first value to draw."""
        known = (place for place, value in enumerate(self.curve) if value is not None)
        return min(next(known, 0), max(0, len(self.curve) - SHORTEST_CURVE_MINUTES))

    def _height(self, value: float) -> float:
        return HEIGHT - 1 - value / self.highest * (HEIGHT - 2)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the pipeline, with its rate in the past minutes.

    Attributes:
        title: what is counted.
        rate: how much of it.
        note: what it was made of.
        address: the page that lists it.
    """

    title: str
    rate: str
    note: str
    address: str


@dataclass(frozen=True, slots=True)
class Minute:
    """A minute of the strip.

    Attributes:
        tooltip: its time, its worst status and the checks that did not pass.
        color: the class of its colour, as Unfold's tracker calls it.
    """

    tooltip: str
    color: str


@dataclass(frozen=True, slots=True)
class History:
    """The past hours, as the snapshots have recorded them.

    Attributes:
        figures: the figures, each with its curve.
        steps: the pipeline; empty before there are two snapshots.
        minutes: the strip, oldest first.
        counted_until: the end of the window of the pipeline's rates.
    """

    figures: Sequence[Figure]
    steps: Sequence[Step]
    minutes: Sequence[Minute]
    counted_until: datetime | None


def history(config: Config, now: datetime, letters_new: int) -> History:
    """Return the past hours.

    Args:
        config: the configuration.
        now: the database's time.
        letters_new: dead letters that wait for a person.
    """
    points = _points(now)
    return History(
        figures=_figures(config, now, points, letters_new),
        steps=_steps(points),
        minutes=_minutes(now),
        counted_until=points[-1].counted_until if points else None,
    )


def _points(now: datetime) -> list[Point]:
    since = now - (CURVE_MINUTES + WINDOW_MINUTES + 1) * MINUTE
    return [
        Point(minute, until, Counters(totals), edges, seconds, status)
        for minute, until, totals, edges, seconds, status in fetch_all(
            _POINTS, {"since": since, "now": now}
        )
    ]


def _figures(
    config: Config, now: datetime, points: Sequence[Point], letters_new: int
) -> list[Figure]:
    policy = config.health
    curves = _Curves(now, points)
    changes = curves.of(lambda one, before: _rate(one, before, "changes"))
    letters = curves.of(lambda one, before: _work(one, before).sum("letters"), minutes=1)
    ages = curves.of(lambda one, _before: one.queue_seconds, minutes=0)
    edges = curves.of(
        lambda one, _before: None if one.edges_open is None else float(one.edges_open), minutes=0
    )
    status = points[-1].status if points else {}
    silence = _worst(status, "circuits", "provider_silence")
    still = _still_since(now)
    return [
        Figure(
            "Open edges", _count(edges[-1]), "open now" if edges[-1] else "board empty",
            "pass" if edges[-1] else silence, edges,
            address="admin:valuation_edge_changelist",
        ),
        Figure(
            "Changes a second", _short(changes[-1]),
            f"over {WINDOW_MINUTES} min" + (f"; none since {still:%H:%M:%S}" if still else ""),
            silence if still and silence != Status.PASS.value
            else _worst(status, "missing_recomputes", "recompute_ratio"), changes,
            address="admin:betting_linechange_changelist",
        ),
        _latency(major(policy), "Major moves, p99", curves, _worst(status, "latency_major")),
        _latency(batch(policy), "Other changes, p99", curves, _worst(status, "latency_batch")),
        Figure(
            "Queue age", "–" if ages[-1] is None else spoken(ages[-1]),
            f"limit {spoken(policy.queue_seconds[1])}", _worst(status, "queue_age"), ages,
        ),
        Figure(
            "Dead letters", f"{letters_new:,}", "waiting now; curve: new in each minute",
            _worst(status, "dead_letter_rate", "dead_letter_growth"), letters,
            address="admin:streaming_deadletter_changelist",
        ),
    ]  # fmt: skip


def _latency(objective: Objective, title: str, curves: _Curves, status: str) -> Figure:
    curve = curves.of(lambda one, before: _p99(objective, one, before))
    is_late = curve[-1] is not None and curve[-1] > objective.bound_ms
    return Figure(
        title,
        "–" if curve[-1] is None else f"{curve[-1]:,.0f} ms",
        f"change → value, objective {objective.bound_ms:,.0f} ms",
        "warn" if is_late and status == Status.PASS.value else status,
        curve,
        limit=objective.bound_ms,
        address="admin:valuation_recomputerun_changelist",
    )


class _Curves:
    """Makes a curve of each figure: a value for each minute of the past hour."""

    def __init__(self, now: datetime, points: Sequence[Point]) -> None:
        self._by_minute = {point.minute: point for point in points}
        last = points[-1].minute if points else now.replace(second=0, microsecond=0)
        # While nobody takes snapshots the curve ends where they do, and the page says so.
        self._minutes = [last - back * MINUTE for back in reversed(range(CURVE_MINUTES))]

    def of(
        self,
        value: Callable[[Point, Point], float | None],
        minutes: int = WINDOW_MINUTES,
    ) -> list[float | None]:
        """Return a curve.

        Args:
            value: the figure, from a minute's point and that of some minutes before.
            minutes: so many; where there is no point so long before, a newer one is taken.
        """
        return [self._value(minute, value, minutes) for minute in self._minutes]

    def _value(
        self, minute: datetime, value: Callable[[Point, Point], float | None], minutes: int
    ) -> float | None:
        point = self._by_minute.get(minute)
        if point is None:
            return None
        if not minutes:
            return value(point, point)
        earlier = (self._by_minute.get(minute - back * MINUTE) for back in range(minutes, 0, -1))
        before = next(filter(None, earlier), None)
        return None if before is None else value(point, before)


def _work(one: Point, before: Point) -> Counters:
    return one.counters.since(before.counters)


def _rate(one: Point, before: Point, name: str) -> float | None:
    seconds = (one.counted_until - before.counted_until).total_seconds()
    return _work(one, before).sum(name) / seconds if seconds > 0 else None


def _p99(objective: Objective, one: Point, before: Point) -> float | None:
    return quantile_ms(objective.latencies(_work(one, before)), 0.99)


def _still_since(now: datetime) -> datetime | None:
    """Return when the last change came, if that is a while ago: rates follow only later."""
    last = LineChange.objects.order_by("-id").values_list("received_at", flat=True).first()
    return last if last is not None and (now - last).total_seconds() > STILL_SECONDS else None


def _steps(points: Sequence[Point]) -> list[Step]:
    """Return the pipeline's rates over the last minutes that the newest snapshot has counted."""
    if not points:
        return []
    last = points[-1]
    earliest = last.minute - WINDOW_MINUTES * MINUTE
    first = next(point for point in points if point.minute >= earliest)
    minutes = (last.counted_until - first.counted_until).total_seconds() / 60
    if minutes <= 0:
        return []
    work = _work(last, first)
    polls = work.by_label("polls")
    all_polls, failed = sum(polls.values()), polls.get(PollOutcome.FAILED.value, 0)
    changes, batches = work.sum("changes"), work.by_label("recomputes")
    runs, asked = sum(batches.values()), work.sum("asked")
    share = f"{asked / changes:.2f} for each change" if changes else "no change"
    return [
        Step(
            "Polls", _per_minute(all_polls, minutes), f"{failed:,.0f} of {all_polls:,.0f} failed",
            "admin:streaming_pollrun_changelist",
        ),
        Step(
            "Changes", _per_minute(changes, minutes), f"of {work.sum('quotes'):,.0f} quotes seen",
            "admin:betting_linechange_changelist",
        ),
        Step(
            "Batches", _per_minute(runs, minutes),
            f"{batches.get('major', 0):,.0f} of {runs:,.0f} for a major move",
            "admin:valuation_recomputerun_changelist",
        ),
        Step(
            "Recomputes", _per_minute(asked, minutes), share,
            "admin:valuation_recomputerun_changelist",
        ),
        Step(
            "Edges", _per_minute(work.of("edges", "opened"), minutes),
            f"opened; {work.of('edges', 'closed'):,.0f} closed",
            "admin:valuation_edge_changelist",
        ),
    ]  # fmt: skip


def _minutes(now: datetime) -> list[Minute]:
    last = now.replace(second=0, microsecond=0)
    since = last - (STRIP_MINUTES - 1) * MINUTE
    rows = fetch_all(_STRIP, {"since": since, "now": now, "severities": _SEVERITIES})
    found = {minute: (status, wrong) for minute, status, wrong in rows}
    return [
        _minute(at, *found.get(at, ("none", ())))
        for at in (since + place * MINUTE for place in range(STRIP_MINUTES))
    ]


_IN_WORDS: Mapping[str, str] = {
    "pass": "well",
    "warn": "warning",
    "unknown": "not known",
    "fail": "not well",
    "none": "nobody checked",
}


def _minute(at: datetime, status: str, wrong: Sequence[str]) -> Minute:
    because = f": {', '.join(map(title, wrong))}" if wrong else ""
    return Minute(f"{at:%H:%M} {_IN_WORDS[status]}{because}", f"op-is-{status}")


def _worst(status: Mapping[str, str], *checks: str) -> str:
    known = [Status(status[name]) for name in checks if name in status]
    return max(known, key=lambda each: each.severity, default=Status.PASS).value


def _per_minute(amount: float, minutes: float) -> str:
    """Format a rate: a second where that is at least one, else a minute.

    >>> _per_minute(600, 5), _per_minute(12, 5)
    ('2 /s', '2.4 /min')
    """
    rate = amount / minutes
    return f"{_short(rate / 60)} /s" if rate >= 60 else f"{_short(rate)} /min"


def _short(value: float | None) -> str:
    """Format a figure with as many digits as it has meaning.

    >>> _short(0.04), _short(3.25), _short(41.6), _short(5946.0), _short(None)
    ('0', '3.2', '42', '5,946', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if value >= 10 else f"{round(value, 1):g}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


_POINTS = """
SELECT date_trunc('minute', s.taken_at), s.counted_until, s.totals, s.edges_open,
       (s.checks -> 'queue_age' ->> 'observedValue')::float8,
       (SELECT jsonb_object_agg(key, value ->> 'status') FROM jsonb_each(s.checks))
FROM streaming_healthsnapshot s
JOIN (
    SELECT max(id) AS id FROM streaming_healthsnapshot
    WHERE taken_at >= %(since)s AND taken_at <= %(now)s GROUP BY date_trunc('minute', taken_at)
) AS last USING (id)
ORDER BY s.id
"""

# The names of what was wrong are read of one snapshot a minute alone.
_STRIP = """
SELECT worst.minute, worst.status, ARRAY(
    SELECT each.key FROM streaming_healthsnapshot s, jsonb_each(s.checks) AS each
    WHERE s.id = worst.id AND worst.status <> 'pass' AND each.value ->> 'status' <> 'pass'
)
FROM (
    SELECT DISTINCT ON (date_trunc('minute', taken_at))
           date_trunc('minute', taken_at) AS minute, status, id
    FROM streaming_healthsnapshot WHERE taken_at >= %(since)s AND taken_at <= %(now)s
    ORDER BY date_trunc('minute', taken_at),
             array_position(%(severities)s::text[], status::text) DESC, id DESC
) AS worst
"""
