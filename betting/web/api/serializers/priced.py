"""Rows with prices, which are written once more in the format that the client asks for."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import Direction
from rest_framework import serializers

from streaming.core.odds_formats import written

T = TypeVar("T")


class PricedSerializer(serializers.Serializer[T]):
    """A row with odds. With `odds_format` in its context each has a text beside it.

    Attributes:
        odds: the fields that hold decimal odds.
    """

    odds: ClassVar[tuple[str, ...]] = ("price",)

    def to_representation(self, instance: T) -> Any:
        """Return the row, with its odds in words if a format is asked for."""
        shown = super().to_representation(instance)
        style = self.context.get("odds_format")
        if style:
            for name in self.odds:
                price = shown[name]
                shown[f"{name}_display"] = None if price is None else written(price, style)
        return shown


class PricedExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """The description of the texts, which are there only if a format is asked for."""

    target_class = PricedSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Direction) -> dict[str, Any]:
        """Return the framework's schema of the serializer, and the texts."""
        schema: dict[str, Any] = auto_schema._map_serializer(  # noqa: SLF001 - documented for extensions
            self.target, direction, bypass_extensions=True
        )
        for name in self.target.odds:
            schema["properties"][f"{name}_display"] = {
                "type": "string",
                "nullable": True,
                "description": f"`{name}` in the `odds_format` that was asked for",
            }
        return schema
