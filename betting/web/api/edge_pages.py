"""Pages of edges in the order that a client asks for.

To judge whether an edge still stands costs a hundred times as much as to read it. So the order is
that of the stored values, by an index, and only the next rows are judged, until the page is full.

The expected value of an edge changes while a client reads page after page. A page by it leaves out
what the pages before may have listed: edges that were written since the first page. Best first, it
lists those that have never been worth as much as where the page begins.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db.models import Q, QuerySet, Value
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from betting.db.bets import OF_QUOTE
from betting.db.snapshots import SNAPSHOT, Snapshot, with_unchanged
from betting.web.api.pagination import BAD_CURSOR, MAX_PAGE, Pages
from valuation.vouching import JudgedEdge, unjudged_edges, with_judgement

MORE_EACH_TIME = 4
"""Each further look judges so many times the rows of the one before: a list takes few statements
even if hardly any of its rows still stands."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an edge in an order.

    Attributes:
        value: of the ordering's field, when the page was read.
        id: the edge's.
    """

    value: Any
    id: int


@dataclass(frozen=True, slots=True)
class Ordering:
    """An order of edges, in which no two have the same place.

    Attributes:
        field: the field by which they are ordered.
        is_falling: whether the greatest comes first.
        is_id_falling: whether the newest comes first of those with the same value.
    """

    field: str
    is_falling: bool
    is_id_falling: bool

    def sorted(self, rows: QuerySet[Any], *, is_backward: bool) -> QuerySet[Any]:
        """Return the rows in this order, or in its reverse."""
        value = "-" if self.is_falling != is_backward else ""
        by_id = "-" if self.is_id_falling != is_backward else ""
        return rows.order_by(f"{value}{self.field}", f"{by_id}id")

    def beyond(self, place: Place, *, is_backward: bool) -> Q:
        """Return the condition that a row comes after a place, or before it."""
        value = "lt" if self.is_falling != is_backward else "gt"
        by_id = "lt" if self.is_id_falling != is_backward else "gt"
        further = Q(**{f"{self.field}__{value}": place.value}) | Q(**{f"id__{by_id}": place.id})
        # The first condition follows from the other, and lets an index begin at the place.
        return Q(**{f"{self.field}__{value}e": place.value}) & further


ORDERINGS = {
    "-id": Ordering("id", is_falling=True, is_id_falling=True),
    "-ev": Ordering("ev", is_falling=True, is_id_falling=False),
    "ev": Ordering("ev", is_falling=False, is_id_falling=True),
    "-opened_at": Ordering("opened_at", is_falling=True, is_id_falling=True),
    "opened_at": Ordering("opened_at", is_falling=False, is_id_falling=False),
}
"""The orders by the names that clients choose."""

BY_EV = ("-ev", "ev")

_READ: dict[str, Callable[[str], Any]] = {
    "id": int,
    "ev": float,
    "opened_at": datetime.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins.

    Attributes:
        ordering: the name of its order.
        place: the last edge of the page before, or the first of the page after; None at first.
        is_backward: whether the page is the one before the place.
        snapshot: what the first page saw, in an order by a value that changes.
    """

    ordering: str
    place: Place | None = None
    is_backward: bool = False
    snapshot: str = ""

    def encode(self) -> str:
        """Return it as a cursor."""
        assert self.place is not None
        value = self.place.value
        parts = {
            "o": self.ordering,
            "v": value.isoformat() if isinstance(value, datetime) else repr(value),
            "i": self.place.id,
            "r": int(self.is_backward),
            "s": self.snapshot,
        }
        return urlsafe_b64encode(urlencode(parts, safe=":,").encode()).decode()

    @classmethod
    def decode(cls, cursor: str, ordering: str) -> Position:
        """Return the position that a cursor stands for.

        Raises:
            ValueError: it is no cursor of the ordering.
        """
        parts = dict(parse_qsl(urlsafe_b64decode(cursor.encode("ascii")).decode("ascii")))
        snapshot = parts.get("s", "")
        if parts.get("o") != ordering or len(parts.get("i", "")) > 18:
            raise ValueError(cursor)
        if (ordering in BY_EV or snapshot) and not SNAPSHOT.fullmatch(snapshot):
            raise ValueError(cursor)
        value = _READ[ORDERINGS[ordering].field](parts.get("v", ""))
        if not _is_usable(value):
            raise ValueError(cursor)
        place = Place(value, int(parts.get("i", "")))
        return cls(ordering, place, parts.get("r") == "1", snapshot)


@dataclass(frozen=True, slots=True)
class Page:
    """The edges of a page, in order, with what was judged of each.

    Attributes:
        places: of the edges, by id.
        judged: of the edges, by id.
        has_more: whether more edges follow in the direction of reading.
        snapshot: what the first page saw.
    """

    places: Mapping[int, Place]
    judged: Mapping[int, JudgedEdge]
    has_more: bool
    snapshot: str


def read_page(
    rows: QuerySet[Any],
    judge: Callable[[Sequence[int]], Mapping[int, JudgedEdge]],
    position: Position,
    size: int,
) -> Page:
    """Return the next edges from a position on that are listed.

    Args:
        rows: those that fit by what is stored of them.
        judge: returns those of some edges, by id, that are listed.
        position: where the page begins.
        size: the number of edges of a page.
    """
    places: dict[int, Place] = {}
    judged: dict[int, JudgedEdge] = {}
    wanted = size + 1
    at, look = position, wanted
    while len(places) < wanted:
        found = list(_following(rows, at)[:look])
        listed = judge([pk for pk, _, _ in found])
        for pk, value, _ in found:
            if pk in listed:
                places[pk], judged[pk] = Place(value, pk), listed[pk]
        if len(found) < look:
            break
        last, value, snapshot = found[-1]
        at = replace(at, place=Place(value, last), snapshot=at.snapshot or snapshot)
        look *= MORE_EACH_TIME
    kept = dict(list(places.items())[:size])
    if position.is_backward:
        kept = dict(reversed(kept.items()))
    return Page(kept, judged, len(places) > size, at.snapshot)


def _following(rows: QuerySet[Any], at: Position) -> QuerySet[Any]:
    """Return id, value and snapshot of the edges that come next, in the direction of reading."""
    ordering, is_by_ev = ORDERINGS[at.ordering], at.ordering in BY_EV
    if at.place is not None:
        rows = rows.filter(ordering.beyond(at.place, is_backward=at.is_backward))
        if is_by_ev:
            never_listed = Q(is_unchanged=True)
            if at.ordering == "-ev" and not at.is_backward:
                never_listed |= Q(peak_ev__lt=at.place.value)
            rows = with_unchanged(rows, at.snapshot).filter(never_listed)
    seen = Snapshot() if is_by_ev else Value("")
    ordered = ordering.sorted(rows, is_backward=at.is_backward)
    return ordered.values_list("pk", ordering.field, seen)


def _is_usable(value: datetime | float) -> bool:
    if isinstance(value, datetime):
        # PostgreSQL accepts fewer offsets than Python; a place was written in UTC.
        return value.utcoffset() == timedelta()
    return abs(value) < 2**63  # which neither NaN nor infinity is


class EdgePages(Pages):
    """Pages of edges; the cursor of each names the order that it was made for."""

    _address: str
    _page: Page
    _position: Position

    def read(
        self,
        rows: QuerySet[Any],
        judge: Callable[[Sequence[int]], Mapping[int, JudgedEdge]],
        request: Request,
        ordering: str,
    ) -> list[Any]:
        """Return the edges of the page that is asked for, with what was judged of them.

        Args:
            rows: as for `read_page`, which are not read themselves.
            judge: as for `read_page`.
            request: has the cursor and the size of the page.
            ordering: the name of the order.

        Raises:
            ValidationError: the cursor is none, or one of another order.
        """
        self._address = request.build_absolute_uri()
        self._position = Position(ordering)
        cursor = request.query_params.get(self.cursor_query_param)
        if cursor is not None:
            try:
                self._position = Position.decode(cursor, ordering)
            except ValueError as error:
                raise ValidationError({"cursor": BAD_CURSOR}) from error
        size = self.get_page_size(request) or MAX_PAGE
        self._page = page = read_page(rows, judge, self._position, size)
        whole = {
            edge.pk: edge
            for edge in unjudged_edges()
            .filter(pk__in=page.places)
            .select_related(*OF_QUOTE.related)
        }
        # An edge that has closed since it was judged is none of the page's any more.
        shown = [
            whole[pk]
            for pk in page.places
            if pk in whole and (whole[pk].closed_at is not None) == page.judged[pk].is_closed
        ]
        return with_judgement(shown, page.judged)

    def get_next_link(self) -> str | None:
        """Return the address of the page that follows, or None."""
        is_backward = self._position.is_backward
        return self._link(-1, is_backward=False) if is_backward or self._page.has_more else None

    def get_previous_link(self) -> str | None:
        """Return the address of the page before, or None."""
        is_backward = self._position.is_backward
        has_before = self._page.has_more if is_backward else self._position.place is not None
        return self._link(0, is_backward=True) if has_before else None

    def _link(self, index: int, *, is_backward: bool) -> str:
        places = list(self._page.places.values())
        # An empty page has no place of its own: the way back leads to where it began.
        place = places[index] if places else self._position.place
        there = replace(
            self._position, place=place, is_backward=is_backward, snapshot=self._page.snapshot
        )
        return str(replace_query_param(self._address, self.cursor_query_param, there.encode()))
