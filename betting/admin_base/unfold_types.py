"""The used parts of the admin's theme, with types, which Unfold does not ship."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from unfold.decorators import display

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    class ThemedAdmin(ModelAdmin[Any]):
        """The admin pages of a model, in the theme."""
else:
    from unfold.admin import ModelAdmin as ThemedAdmin

__all__ = ["Colour", "ThemedAdmin", "badge"]

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
