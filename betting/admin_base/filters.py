"""Filters of the admin's lists, which stand in a bar above the list: one field each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from unfold.contrib.filters.admin.mixins import DropdownMixin, ValueMixin

if TYPE_CHECKING:

    class ChoiceFilter(admin.SimpleListFilter):
        """A filter by a choice, with a name for what is listed without one."""

        all_option: tuple[str, str]
else:
    ChoiceFilter = DropdownFilter

__all__ = ["ChoiceFilter", "by_choice", "by_related", "by_time", "by_value", "if_empty"]

Filter = tuple[str, type[Any]]
"""A field's path and its filter, as a model's pages list them."""


class _ValueFilter(ValueMixin, DropdownMixin, admin.AllValuesFieldListFilter):  # type: ignore[misc]  # no types
    """A filter by one of the values that a field has."""

    def choices(self, changelist: Any) -> Iterator[Any]:  # noqa: ARG002 - Django's signature
        """Yield the form to choose by."""
        values = [value for value in self.lookup_choices if value not in {None, ""}]
        yield _form(self, self.lookup_kwarg, [(value, value) for value in values])


class _EmptyFilter(ValueMixin, DropdownMixin, admin.EmptyFieldListFilter):  # type: ignore[misc]  # no types
    """A filter by whether a field has a value."""

    def choices(self, changelist: Any) -> Iterator[Any]:  # noqa: ARG002 - Django's signature
        """Yield the form to choose by."""
        yield _form(self, self.lookup_kwarg, [("0", "yes"), ("1", "no")])


class _RelatedFilter(RelatedDropdownFilter):  # type: ignore[misc]  # no types
    """A filter by a related row, which is named by its title if it has one."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[Any]:  # noqa: ARG002 - Django's signature
        """Return the related rows by name."""
        rows = field.remote_field.model._default_manager.all()  # noqa: SLF001 - Django's documented name
        named = [(row.pk, getattr(row, "title", "") or str(row)) for row in rows]
        return sorted(named, key=lambda choice: choice[1].casefold())


class _TimeFilter(RangeDateTimeFilter):  # type: ignore[misc]  # no types
    """A filter by a range of times, in UTC as all times of the admin."""

    title: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = f"{self.title} (UTC)"


def by_choice(field: str) -> Filter:
    """Return the filter by one of a field's choices."""
    return field, ChoicesDropdownFilter


def by_related(field: str) -> Filter:
    """Return the filter by a related row."""
    return field, _RelatedFilter


def by_time(field: str) -> Filter:
    """Return the filter by a range of times."""
    return field, _TimeFilter


def by_value(field: str) -> Filter:
    """Return the filter by one of the values that a field without choices has."""
    return field, _ValueFilter


def if_empty(field: str) -> Filter:
    """Return the filter by whether a field has a value."""
    return field, _EmptyFilter


def _form(chosen: Any, name: str, choices: list[tuple[str, str]]) -> dict[str, Any]:
    form = chosen.form_class(
        label=f"By {chosen.title}",
        name=name,
        choices=[chosen.all_option, *choices],
        data={name: chosen.value()},
    )
    return {"form": form}
