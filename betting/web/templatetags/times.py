"""Times as elements that the page's script keeps true: "12 s ago", "in 5 min".

The exact time and its zone are the element's title. A list has hundreds of them: a template each
would take longer than all the rest of the page.
"""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def ago(at: datetime | None) -> SafeString | str:
    """Return a past time; without the script, the time of day."""
    return _time(at, "ago", "%H:%M:%S")


@register.simple_tag
def lasting(at: datetime | None) -> SafeString | str:
    """Return how long something has lasted; without the script, when it began."""
    return _time(at, "for", "%H:%M:%S", "since ")


@register.simple_tag
def start(at: datetime | None) -> SafeString | str:
    """Return the start of an event; without the script, day and time."""
    return _time(at, "start", "{day} %b %H:%M")


def _time(at: datetime | None, kind: str, text: str, before: str = "") -> SafeString | str:
    if at is None:
        return ""
    local = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}" data-{}>{}</time>',
        local.isoformat(timespec="seconds"),
        before + _written(local, "{day} %b %Y, %H:%M:%S %Z"),
        kind,
        _written(local, text),
    )


def _written(local: datetime, text: str) -> str:
    # A day without its leading zero has no portable code.
    return local.strftime(text.format(day=local.day))
