"""The base of read-only pages, on which no request reads a whole table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from betting.admin_base.unfold_types import ThemedAdmin

MAX_LISTED = 10_000
"""The most rows that a list pages through. To find a later one, filter the list."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # no generic at run time
    """A paginator that counts and pages no further than `MAX_LISTED` rows.

    PostgreSQL counts a table by reading it, and reaches page n by reading all pages before it: on
    a table that only grows both need a limit.
    """

    template_name = "betting/pagination.html"

    @cached_property
    def has_more(self) -> bool:
        """Return True if there are rows that no page shows."""
        return self._rows > MAX_LISTED

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most `MAX_LISTED`."""
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
        note: a sentence on what the table leaves out.
    """

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: frozenset[str] = frozenset()
    note: str = ""

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """The columns' titles, each with True if it holds numbers."""
        return [(header, header in self.numbers) for header in self.headers]

    @property
    def cells(self) -> list[list[tuple[object, bool]]]:
        """The rows; each cell with True if its column holds numbers."""
        are_numbers = [header in self.numbers for header in self.headers]
        return [list(zip(row, are_numbers, strict=True)) for row in self.rows]


class TablesMixin:
    """A mixin that shows tables of related rows on a row's page."""

    change_form_outer_after_template = "betting/tables.html"

    def tables(self, row: Any) -> list[Table]:
        """Return the row's tables, in their order."""
        raise NotImplementedError

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the row's tables to the page."""
        row = kwargs.get("obj")
        context["tables"] = [] if row is None else self.tables(row)
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc, no-any-return]


class ReadOnlyMixin:
    """A mixin that refuses to add, change or delete rows."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False."""
        return False


class ListMixin:
    """A mixin for lists, which say why they are empty, and for forms of new rows.

    Attributes:
        empty_title: what there is none of; by default, of the model.
        empty_words: what it means that there is no row.
        needs_prices: whether rows come and go with prices, so that an empty list may mean that
            providers are down.
    """

    empty_title = ""
    empty_words = ""
    needs_prices = False
    list_before_template = "betting/number_columns.html"
    list_fullwidth = True
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER  # each count would read the whole table

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Return the form's parts; of a new row, without what only the system writes."""
        parts = super().get_fieldsets(request, obj)  # type: ignore[misc]
        if obj is not None:
            return parts
        read_only = set(self.get_readonly_fields(request, obj))  # type: ignore[attr-defined]
        left = [
            (title, {**part, "fields": [name for name in part["fields"] if name not in read_only]})
            for title, part in parts
        ]
        return [(title, part) for title, part in left if part["fields"]]


class FactAdmin(ListMixin, ReadOnlyMixin, ThemedAdmin):
    """A table of facts: read-only, newest first, listed without a full count."""

    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
