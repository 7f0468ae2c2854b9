"""The choices of a reader of the board: read from the URL, remembered in a cookie."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Self, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict

from betting.db.clock import database_now
from betting.models import MAX_POLLS, Bookmaker, LineChange, Sport
from streaming.core.odds_formats import OddsFormat
from valuation.vouching import MAY_BE_IN_PLAY, JudgedEdge, JudgedOpportunity

BEFORE_START, IN_PLAY = "before", "in_play"

MARKETS = {
    "h2h": "Winner",
    "spreads": "Spread",
    "totals": "Total",
    "outrights": "Outright",
    "props": "Player and team props",
}
_PLAIN_KINDS = ["h2h", "spreads", "totals", "outrights"]

ZONES = [
    "UTC",
    *("America/Los_Angeles", "America/Denver", "America/Chicago", "America/New_York"),
    *("America/Sao_Paulo", "Europe/London", "Europe/Paris", "Europe/Athens", "Africa/Lagos"),
    *("Asia/Dubai", "Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo", "Australia/Sydney"),
]
"""The time zones to choose from, beside the browser's own."""

SHOWN_AT_MOST_EV = 0.15
"""The board opens with edges up to this: above it they are rather mistakes."""

DEFAULT_POLLS = 2
"""The board opens with prices that so many polls have seen, or more."""

ROWS_AT_ONCE, MAX_ROWS = 50, 200
"""The rows of a list at first, and how many more each time the reader asks for more; the most."""

NEW_SECONDS = 10.0
"""A row that opened while the list was being read is marked as new, a price as moved, so long."""

COOKIE = "board"
"""The choices of the last visit to the board, as its query was."""

_OF_A_LIST = ("sport", "market", "start", "rows", "loaded")
"""The choices that are about a list of the board, not about how and for whom anything is shown."""

ZONE_COOKIE = "timezone"
"""The browser's own time zone, which the page's script writes."""


class BoardForm(forms.Form):
    """The choices of the board; each is optional and has a default."""

    sport = forms.ChoiceField(required=False)
    market = forms.ChoiceField(required=False, choices=[("", "All markets"), *MARKETS.items()])
    start = forms.ChoiceField(
        required=False,
        choices=[("", "Before and in play"), ("before", "Before"), ("in_play", "In play")],
    )
    book = forms.MultipleChoiceField(
        required=False, label="My books", widget=forms.CheckboxSelectMultiple
    )
    min_ev = forms.FloatField(required=False, label="EV from %", min_value=-100, max_value=1000)
    max_ev = forms.FloatField(required=False, label="EV to %", min_value=-100, max_value=1000)
    min_books = forms.IntegerField(required=False, label="Books ≥", min_value=1, max_value=100)
    seen = forms.IntegerField(
        required=False,
        label="Price seen by",
        min_value=1,
        max_value=MAX_POLLS,
        widget=forms.NumberInput({"placeholder": DEFAULT_POLLS}),
    )
    rows = forms.IntegerField(required=False, min_value=1, max_value=MAX_ROWS)
    loaded = forms.FloatField(required=False, min_value=0, max_value=1e11)
    odds = forms.ChoiceField(
        required=False,
        label="Odds",
        choices=[
            ("decimal", "Decimal"),
            ("american", "American"),
            ("fractional", "Fractional"),
        ],
    )
    bankroll = forms.FloatField(required=False, min_value=0, max_value=1e9)
    tz = forms.ChoiceField(
        required=False,
        label="Time zone",
        choices=[("", "This browser's"), *((zone, zone.replace("_", " ")) for zone in ZONES)],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sports = Sport.objects.order_by("title").values_list("key", "title")
        books = Bookmaker.objects.order_by("title").values_list("key", "title")
        cast("forms.ChoiceField", self.fields["sport"]).choices = [("", "All sports"), *sports]
        cast("forms.MultipleChoiceField", self.fields["book"]).choices = list(books)


class Choices:
    """The valid choices of a request; what is missing or wrong has its default.

    Attributes:
        form: the bound form, with the errors of what could not be used.
    """

    def __init__(self, request: HttpRequest, query: QueryDict | None = None) -> None:
        self.form = BoardForm(request.GET if query is None else query)
        self.form.is_valid()
        self._values = self.form.cleaned_data
        self._browser_zone = request.COOKIES.get(ZONE_COOKIE, "")

    @classmethod
    def off_the_board(cls, request: HttpRequest) -> Self:
        """Return the choices for a page without filters: those of the board's last visit.

        Those in the page's own URL come first. Choices that are about a list are left out.
        """
        query = QueryDict(request.COOKIES.get(COOKIE, ""), mutable=True)
        for name, values in request.GET.lists():
            query.setlist(name, values)
        for name in _OF_A_LIST:
            query.pop(name, None)
        return cls(request, query)

    @property
    def odds_format(self) -> OddsFormat:
        """The way in which odds are written."""
        return cast("OddsFormat", self._values.get("odds") or "decimal")

    @property
    def bankroll(self) -> float | None:
        """The reader's bankroll in their own currency, if they have entered one."""
        value: float | None = self._values.get("bankroll")
        return value or None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that times are shown in: the chosen one, the browser's, or UTC."""
        name = self._values.get("tz") or self._browser_zone
        try:
            return ZoneInfo(name or "UTC")
        except (ValueError, ZoneInfoNotFoundError, OSError):  # anyone can write a cookie
            return ZoneInfo("UTC")

    @property
    def books_chosen(self) -> int:
        """The number of bookmakers chosen; 0 for all."""
        return len(self._values.get("book") or [])

    @property
    def polls(self) -> int:
        """The polls that must have seen a price before it is listed."""
        return self._values.get("seen") or DEFAULT_POLLS

    @property
    def rows(self) -> int:
        """The most rows of a list."""
        return self._values.get("rows") or ROWS_AT_ONCE

    @property
    def more_rows(self) -> int:
        """The number of rows that the reader can ask for in addition; 0 if the list is full."""
        return min(ROWS_AT_ONCE, MAX_ROWS - self.rows)

    @cached_property
    def loaded_at(self) -> datetime:
        """When the reader's list was first loaded: now, unless the request updates an older one."""
        loaded: float | None = self._values.get("loaded")
        return self._now if loaded is None else datetime.fromtimestamp(loaded, UTC)

    @property
    def new_since(self) -> datetime:
        """The time from which on a row that has opened is new to the reader."""
        return max(self.loaded_at, self.just_now)

    @property
    def just_now(self) -> datetime:
        """The time from which on a change is so young that others may follow it."""
        return self._now - timedelta(seconds=NEW_SECONDS)

    @cached_property
    def _now(self) -> datetime:
        return database_now()

    @property
    def chosen_more(self) -> list[tuple[str, str]]:
        """The choices made under "More": the words and the name of each."""
        values = self._values
        chosen = []
        if books := values.get("min_books"):
            chosen.append((f"books ≥ {books}", "min_books"))
        if self.polls != DEFAULT_POLLS:
            chosen.append((f"seen by ≥ {self.polls} poll{'' if self.polls == 1 else 's'}", "seen"))
        if zone := values.get("tz"):
            chosen.append((zone.replace("_", " "), "tz"))
        return chosen

    def lists(self, edge: JudgedEdge, tab: str) -> bool:
        """Return True if a tab lists an edge, by what is judged at the time of reading.

        Args:
            edge: what is judged; `stored_conditions` has the other conditions.
            tab: `BEFORE_START` or `IN_PLAY`.
        """
        if edge.is_doubtful or edge.is_in_play != (tab == IN_PLAY):
            return False
        return edge.polls >= self.polls

    def lists_opportunity(self, opportunity: JudgedOpportunity) -> bool:
        """Return True if the tabs list an open opportunity, by what is judged when it is read.

        Args:
            opportunity: what is judged; `opportunity_conditions` has the other conditions.
        """
        return self.fits_start(opportunity) and opportunity.polls >= self.polls

    def fits_start(self, opportunity: JudgedOpportunity) -> bool:
        """Return True if the event of an opportunity has started, or not, as is chosen."""
        start = self._values.get("start")
        return not start or opportunity.is_in_play == (start == IN_PLAY)

    def opportunity_conditions(self) -> list[Q]:
        """Return the conditions on what is stored of an opportunity: every leg at my books."""
        conditions = self._about_market()
        if books := self._values.get("book"):
            mine = Bookmaker.objects.filter(key__in=books).values_list("pk", flat=True)
            conditions.append(Q(bookmakers__contained_by=list(mine)))
        if self._values.get("start") == IN_PLAY:
            conditions.append(MAY_BE_IN_PLAY)
        return conditions

    def narrow_changes(self, changes: QuerySet[LineChange]) -> QuerySet[LineChange]:
        """Return the line changes of the chosen sport, market and books."""
        return changes.filter(*self._about())

    def stored_conditions(self, tab: str) -> list[Q]:
        """Return the conditions on what is stored of an edge; they cost little to judge."""
        values = self._values
        max_ev = values.get("max_ev")
        conditions = [Q(ev__lte=SHOWN_AT_MOST_EV if max_ev is None else max_ev / 100)]
        if (min_ev := values.get("min_ev")) is not None:
            conditions.append(Q(ev__gte=min_ev / 100))
        if min_books := values.get("min_books"):
            conditions.append(Q(books__gte=min_books))
        if tab == IN_PLAY:
            conditions.append(MAY_BE_IN_PLAY)
        return conditions + self._about()

    def _about(self) -> list[Q]:
        """Return the conditions on a row's sport, kind of market and bookmaker."""
        conditions = self._about_market()
        if books := self._values.get("book"):
            conditions.append(Q(quote__bookmaker__key__in=books))
        return conditions

    def _about_market(self) -> list[Q]:
        """Return the conditions on the sport and the kind of a row's market."""
        values = self._values
        conditions = []
        if sport := values.get("sport"):
            conditions.append(Q(market__event__sport__key=sport))
        if kind := values.get("market"):
            is_plain = Q(market__kind__in=_PLAIN_KINDS)
            conditions.append(~is_plain if kind == "props" else Q(market__kind=kind))
        return conditions
