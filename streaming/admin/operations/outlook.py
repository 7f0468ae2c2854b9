"""The outlook in words: the weighted score, burn rates, and what will run out when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from streaming.core.durations import spoken
from streaming.core.error_budget import BurnLimit
from streaming.core.outlook import WINDOW_NAMES, Outlook
from streaming.health.outlook import CREDITS, DISK, MEMORY, QUEUE
from streaming.health.report import HealthReport

_OBJECTIVES: Mapping[str, str] = MappingProxyType(
    {
        "major": "major moves",
        "batch": "other changes",
        "polls": "polls",
        "deliveries": "deliveries",
    }
)
_RESOURCES: Mapping[str, str] = MappingProxyType(
    {DISK: "the disk", MEMORY: "Redis's memory", QUEUE: "the room of a queue"}
)
_SHOWN_FROM = 0.05
"""A burn rate below this is shown as 0."""


@dataclass(frozen=True, slots=True)
class OutlookLines:
    """The outlook of a report.

    Attributes:
        weighted: the weighted score, and what decides it.
        burn: objective → its burn rates, of those that have any.
        exhausted: resource → when it will have run out.
    """

    weighted: str
    burn: Mapping[str, str]
    exhausted: Mapping[str, datetime]


def outlook_lines(report: HealthReport) -> OutlookLines:
    """Return the outlook of a report in words."""
    score = report.weighted
    words = f"{score.score} of 100" + (f" ({score.reason})" if score.reason else "")
    outlook = report.outlook
    if outlook is None:
        return OutlookLines(words, {}, {})
    exhausted = {_resource(name): at for name, at in outlook.exhausted.items()}
    return OutlookLines(words, dict(_burn(outlook)), exhausted)


def _burn(outlook: Outlook) -> Iterator[tuple[str, str]]:
    limits = outlook.burning()
    for objective, rates in outlook.burn.items():
        shown = [
            f"{rate:.1f} in {spoken(window.total_seconds())}"
            for window, name in WINDOW_NAMES.items()
            if (rate := rates.get(name, 0.0)) >= _SHOWN_FROM
        ]
        if shown:
            limit = limits.get(objective)
            words = f"{', '.join(shown)}{f'; {_too_fast(limit)}' if limit else ''}"
            yield _OBJECTIVES.get(objective, objective), words


def _too_fast(limit: BurnLimit) -> str:
    long, short = (spoken(each.total_seconds()) for each in (limit.long, limit.short))
    return f"above the limit of {limit.rate:g} over {long} and {short}"


def _resource(name: str) -> str:
    if name.startswith(CREDITS):
        return f"credits of {name.removeprefix(CREDITS)}"
    return _RESOURCES.get(name, name)
