"""Times on the operators' pages: the server writes them, and the page's script counts on."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from betting.admin_base.formatting import milliseconds
from streaming.core.durations import spoken

register = template.Library()


@register.simple_tag
def moment(at: datetime | None, now: datetime) -> str:
    """Return a time; with its date unless that is today's."""
    if at is None:
        return "not recorded"
    local, today = localtime(at), localtime(now).date()
    words = f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M:%S}"
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), words)


@register.simple_tag
def lasting(at: datetime, now: datetime) -> SafeString:
    """Return how long something has lasted."""
    return _counted("data-for", at, spoken((now - at).total_seconds()))


@register.simple_tag
def ago(at: datetime | None, now: datetime) -> str:
    """Return how long ago something was; "never" for None."""
    if at is None:
        return "never"
    return _counted("data-ago", at, f"{spoken((now - at).total_seconds())} ago")


@register.simple_tag
def ahead(at: datetime, now: datetime) -> SafeString:
    """Return in how long something happens; "now" once its time has come."""
    seconds = (at - now).total_seconds()
    return _counted("data-in", at, f"in {spoken(seconds)}" if seconds > 0 else "now")


@register.filter
def duration(seconds: float) -> str:
    """Return a duration in words."""
    return spoken(seconds)


@register.filter
def ms(value: float | None) -> str:
    """Return a number of milliseconds; whole ones from ten on."""
    return f"{value:,.0f} ms" if value is not None and value >= 10 else milliseconds(value)


@register.filter
def spaced(name: str) -> str:
    """Return the name of a check or a group as words, the first one capitalised."""
    return name.replace("_", " ").capitalize()


def _counted(kind: str, at: datetime, words: str) -> SafeString:
    title = f"{localtime(at):%Y-%m-%d %H:%M:%S} UTC"
    return format_html(
        '<time datetime="{}" title="{}" {}>{}</time>', at.isoformat(), title, kind, words
    )
