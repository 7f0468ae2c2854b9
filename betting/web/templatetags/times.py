"""Times as elements that the script shared/times.js keeps true: "12 s ago", "in 5 min".

The exact time and its zone are the element's title. A list has hundreds of them: a template each
would take longer than all the rest of the page, and what does not change is written once.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from functools import lru_cache

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from streaming.core.durations import spoken

register = template.Library()

CLOCK = "%H:%M:%S"


@register.simple_tag
def ago(at: datetime | None, now: datetime | None = None) -> str:
    """Return a past time; "never" for None.

    Args:
        at: the time.
        now: that of the page, for the words until the script counts on; else the time of day.
    """
    if at is None:
        return "never"
    return _counted("ago", at, "" if now is None else f"{_since(at, now)} ago")


@register.simple_tag
def lasting(at: datetime, now: datetime | None = None) -> SafeString:
    """Return how long something has lasted; without `now`, until the script counts, its begin."""
    return _counted("for", at, "" if now is None else _since(at, now), before="since ")


@register.simple_tag
def ahead(at: datetime, now: datetime) -> SafeString:
    """Return in how long something happens; "now" once its time has come."""
    seconds = (at - now).total_seconds()
    return _counted("in", at, f"in {spoken(seconds)}" if seconds > 0 else "now")


@register.simple_tag
def start(at: datetime) -> SafeString:
    """Return the start of an event; without the script, day and time."""
    return _counted("start", at, text="{day} %b %H:%M")


@register.simple_tag
def moment(at: datetime | None, now: datetime | None = None) -> str:
    """Return a time that stays as it is; with its date unless that is today's, in this zone."""
    if at is None:
        return "not recorded"
    local, today = timezone.localtime(at), timezone.localtime(now).date()
    words = local.strftime(CLOCK if local.date() == today else f"%Y-%m-%d {CLOCK}")
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), words)


@register.filter
def duration(seconds: float) -> str:
    """Return a duration in words."""
    return spoken(seconds)


def _since(at: datetime, now: datetime) -> str:
    return spoken((now - at).total_seconds())


def _counted(
    kind: str, at: datetime, words: str = "", text: str = CLOCK, before: str = ""
) -> SafeString:
    """Return an element whose text is kept true.

    Args:
        kind: how, by the script.
        at: the time.
        words: its text as of now; empty for the time itself.
        text: the format of that.
        before: what stands in the title before the exact time.
    """
    opening, written = _element(kind, at, timezone.get_current_timezone(), text, before)
    return format_html("{}{}</time>", opening, words or written)


@lru_cache(maxsize=4_096)
def _element(
    kind: str, at: datetime, zone: tzinfo, text: str, before: str
) -> tuple[SafeString, str]:
    local = at.astimezone(zone)
    opening = format_html(
        '<time datetime="{}" title="{}{}" data-{}>',
        local.isoformat(timespec="seconds"),
        before,
        _written(local, "{day} %b %Y, %H:%M:%S %Z"),
        kind,
    )
    return opening, _written(local, text)


def _written(local: datetime, text: str) -> str:
    # A day without its leading zero has no portable code.
    return local.strftime(text.format(day=local.day))
