"""The columns of a list of the admin that hold numbers, which are aligned to the right."""

from __future__ import annotations

from typing import Any

from django import template
from django.core.exceptions import FieldDoesNotExist
from django.db.models import FloatField, IntegerField, Model

register = template.Library()


@register.filter
def number_columns(changes: Any) -> str:
    """Return a class for each column of numbers: its place among all columns, from 1.

    Args:
        changes: the list, as Django gives it to its templates.
    """
    return " ".join(
        f"numbers-{place}"
        for place, column in enumerate(changes.list_display, 1)
        if holds_numbers(changes.model, changes.model_admin, column)
    )


def holds_numbers(model: type[Model], pages: Any, column: str) -> bool:
    """Return True if a column is a field of numbers, or a method that is marked as `number`."""
    try:
        field = model._meta.get_field(column)  # noqa: SLF001 - Django's documented name for a model's options
    except FieldDoesNotExist:
        return getattr(getattr(pages, column, None), "holds_numbers", False)
    return isinstance(field, IntegerField | FloatField)
