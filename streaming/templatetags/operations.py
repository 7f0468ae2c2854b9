"""Figures and names on the operators' pages."""

from __future__ import annotations

from django import template

from betting.admin_base.formatting import milliseconds
from streaming.core.health import title

register = template.Library()


@register.filter
def ms(value: float | None) -> str:
    """Return a number of milliseconds; whole ones from ten on."""
    return f"{value:,.0f} ms" if value is not None and value >= 10 else milliseconds(value)


@register.filter
def spaced(name: str) -> str:
    """Return the name of a check or a group as words, the first one capitalised."""
    return title(name).capitalize()
