"""The used parts of the admin's theme, with types, which Unfold does not ship."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from django.contrib.postgres.fields import ArrayField
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextInputWidget

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline

    class ThemedAdmin(ModelAdmin[Any]):
        """The admin pages of a model, in the theme."""

    class ThemedInline(TabularInline[Any, Any]):
        """Rows of another model on the page of one, in the theme."""
else:
    from unfold.admin import ModelAdmin as ThemedAdmin
    from unfold.admin import TabularInline as ThemedInline

__all__ = [
    "LISTS_ON_ONE_LINE",
    "Colour",
    "ThemedAdmin",
    "ThemedInline",
    "badge",
    "button",
    "number",
]

LISTS_ON_ONE_LINE: dict[Any, dict[str, Any]] = {ArrayField: {"widget": UnfoldAdminTextInputWidget}}
"""The `formfield_overrides` of pages whose lists of keys are entered as one line of text."""

Colour = Literal["success", "info", "warning", "danger"]
Column = TypeVar("Column", bound=Callable[..., object])


def badge(
    description: str, ordering: str, colours: Mapping[str, Colour]
) -> Callable[[Column], Column]:
    """Decorate a list's column to be shown as a badge.

    Args:
        description: the column's title.
        ordering: the field that sorts it.
        colours: value → colour; other values are grey. A column may return a pair of value and
            text.
    """
    decorate = display(description=description, ordering=ordering, label=dict(colours))
    return cast("Callable[[Column], Column]", decorate)


def number(column: Column) -> Column:
    """Decorate a list's column as one of numbers, which stand under one another.

    Columns that are a model's own fields are known to be numbers by their type.
    """
    column.holds_numbers = True  # type: ignore[attr-defined]  # a function takes any attribute
    return column


def button(
    title: str, path: str, icon: str, permission: str, *, is_primary: bool = False
) -> Callable[[Column], Column]:
    """Decorate a method of a model's pages to be a button of a row and of its page.

    The method takes a request and the row's id. It is called by a link, so that it has to act on
    POST only. Users without the permission do not see the button, and get 403.

    Args:
        title: the button's text.
        path: the last part of its address.
        icon: its symbol's name.
        permission: the name that is in the method `has_…_permission` of the pages.
        is_primary: whether it is the button that most people want.
    """
    variant = ActionVariant.PRIMARY if is_primary else ActionVariant.DEFAULT
    decorate = action(
        description=title, url_path=path, icon=icon, permissions=[permission], variant=variant
    )
    return cast("Callable[[Column], Column]", decorate)
