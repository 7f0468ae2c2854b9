"""The words of a list of the admin that has no rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template

from betting.admin_base.formatting import moment
from betting.web.board.strip import strip

register = template.Library()


@dataclass(frozen=True, slots=True)
class EmptyList:
    """The words of an empty list.

    Attributes:
        title: what there is none of.
        reason: why.
        is_narrowed: whether a search or a filter leaves rows out.
    """

    title: str
    reason: str
    is_narrowed: bool


@register.simple_tag
def why_empty(changes: Any) -> EmptyList:
    """Return the words for a list without rows.

    Args:
        changes: the list, as Django gives it to its templates.
    """
    name = str(changes.opts.verbose_name_plural)
    pages = changes.model_admin
    if changes.query or changes.has_active_filters:
        reason = "Change the search or the filters."
        return EmptyList(f"No {name} match", reason, is_narrowed=True)
    down = outage() if getattr(pages, "needs_prices", False) else ""
    title = getattr(pages, "empty_title", "") or f"No {name}"
    return EmptyList(title, down or getattr(pages, "empty_words", ""), is_narrowed=False)


def outage() -> str:
    """Return what is wrong with the prices and since when; empty if they are live.

    The board's strip says the same above its own lists.
    """
    now = strip()
    if not now.text:
        return ""
    since = f", since {moment(now.since)}" if now.since else ""
    return f"{now.text}{since}."
