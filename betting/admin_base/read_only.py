"""What all pages of facts share: nobody edits them, and no page reads a whole table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from betting.admin_base.unfold_types import ThemedAdmin

MAX_LISTED = 10_000
"""Rows that a list pages through. Beyond it, a filter is quicker than another hundred pages."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # no generic at run time
    """Counts and pages no further than `MAX_LISTED` rows.

    PostgreSQL counts a table by reading it, and reaches page n by reading all pages before: on a
    table that only grows both have to stop somewhere.
    """

    template_name = "betting/pagination.html"

    @cached_property
    def has_more(self) -> bool:
        """Whether there are rows that no page shows."""
        return self._rows > MAX_LISTED

    @cached_property
    def count(self) -> int:
        """The rows there are, at most `MAX_LISTED`."""
        return min(self._rows, MAX_LISTED)

    @cached_property
    def _rows(self) -> int:
        rows = cast("QuerySet[Model]", self.object_list)
        return rows.order_by()[: MAX_LISTED + 1].count()


@dataclass(frozen=True, slots=True)
class Table:
    """A table on a row's page.

    Attributes:
        title: what it lists.
        headers: column titles; those in `numbers` are aligned to the right.
        rows: cells, each row as long as the headers.
        numbers: titles of the columns that hold numbers.
        note: what the table leaves out.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: frozenset[str] = frozenset()
    note: str = ""

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Each column's title, and whether it holds numbers."""
        return [(header, header in self.numbers) for header in self.headers]

    @property
    def cells(self) -> list[list[tuple[object, bool]]]:
        """The rows, each cell with whether it is a number."""
        are_numbers = [header in self.numbers for header in self.headers]
        return [list(zip(row, are_numbers, strict=True)) for row in self.rows]


class TablesMixin:
    """Shows tables of what belongs to a row on the row's page."""

    change_form_outer_after_template = "betting/tables.html"

    def tables(self, row: Any) -> list[Table]:
        """The row's tables, in their order."""
        raise NotImplementedError

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Django's hook between the form and its page."""
        row = kwargs.get("obj")
        context["tables"] = [] if row is None else self.tables(row)
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc, no-any-return]


class ReadOnlyMixin:
    """Takes every way to write away: what happened is not up for editing."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Never."""
        return False


class FactAdmin(ReadOnlyMixin, ThemedAdmin):
    """A table of facts: read-only, newest first, listed without a full count."""

    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
