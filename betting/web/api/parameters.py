"""The lists' parameters: their valid values and the rows that they select."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from rest_framework import serializers

from betting.db.clock import database_now
from betting.db.querysets import confirmed_within
from betting.models import Event, EventStatus, Market, MoveClass, QuoteStatus, Side
from betting.web.api.edge_pages import BY_EV, ORDERINGS
from betting.web.api.pagination import MAX_PAGE
from betting.web.api.stream import CHANNELS, DEFAULT_CHANNELS
from streaming.core.odds_formats import ODDS_FORMATS
from streaming.models import HealthStatus, LetterKind, LetterStatus, PollOutcome
from valuation.closes.statistics import GROUPINGS, JUDGES, PRICES, Choice
from valuation.models import DOUBTFUL, IN_PLAY, FairPriceState, RecomputeTrigger
from valuation.vouching import (
    CLOSED,
    EDGE_STATES,
    MAY_BE_IN_PLAY,
    PRICED,
    JudgedEdge,
    judged_among,
)

_YEAR_SECONDS = 31_536_000

MAX_CURSOR = 6_000
"""The longest cursor: one of edges holds the number of each transaction that was open, and the
address that it is part of has to stay below the 8 kB that proxies accept."""

MAX_FOLLOWED = 50
"""The most events whose prices one stream follows."""


def _text(**options: Any) -> serializers.CharField:
    return serializers.CharField(required=False, max_length=255, **options)


def _number(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(required=False, **options)


def _choice(choices: Any, **options: Any) -> serializers.ChoiceField:
    known = ", ".join(str(value) for value in serializers.ChoiceField(choices).choices)
    words: dict[str, Any] = {"invalid_choice": f"There is no such choice. There are: {known}."}
    return serializers.ChoiceField(choices=choices, required=False, error_messages=words, **options)


class Parameters(serializers.Serializer[Any]):
    """The parameters of a query. One that is not declared is an error, and not ignored.

    Attributes:
        lookups: parameter → the Django lookup that it is the value of.
    """

    lookups: ClassVar[Mapping[str, str]] = {}

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values by name.

        Raises:
            ValidationError: a value is out of range, or a name is unknown.
        """
        unknown = sorted(set(data) - set(self.fields))
        if unknown:
            words = f"There is no such parameter. There are: {', '.join(self.fields)}."
            raise serializers.ValidationError({name: [words] for name in unknown})
        return super().to_internal_value(data)

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that the parameters select."""
        given = self.validated_data
        return rows.filter(
            **{self.lookups[name]: given[name] for name in given if name in self.lookups}
        )


class PageParameters(Parameters):
    """The page of a list, and its length."""

    cursor = serializers.CharField(
        required=False,
        max_length=MAX_CURSOR,
        help_text="of an earlier page's `next` or `previous`",
    )
    page_size = _number(min_value=1, max_value=MAX_PAGE)


_ODDS_FORMAT = _choice(
    list(ODDS_FORMATS),
    help_text="writes each price once more beside the decimal one: `price` as `price_display`",
)


class OddsParameters(Parameters):
    """The way in which odds are written, of one row."""

    odds_format = _ODDS_FORMAT


class PricedPageParameters(PageParameters):
    """The page of a list of rows with prices, and the way in which odds are written."""

    odds_format = _ODDS_FORMAT


class EventParameters(PageParameters):
    """The filters of events."""

    lookups = {
        "sport": "sport__key",
        "status": "status",
        "starts_after": "commence_time__gte",
        "starts_before": "commence_time__lt",
    }
    sport = _text(help_text="a sport's key, e.g. `basketball_nba`")
    status = _choice(EventStatus.choices)
    starts_after = serializers.DateTimeField(required=False)
    starts_before = serializers.DateTimeField(required=False)


class MarketParameters(PageParameters):
    """The filters of markets."""

    lookups = {
        "sport": "event__sport__key",
        "event": "event",
        "kind": "kind",
        "status": "event__status",
    }
    sport = _text()
    event = _number()
    kind = _text(help_text="`h2h`, `spreads`, `totals`, …")
    status = _choice(EventStatus.choices, help_text="of the event")


class QuoteParameters(PricedPageParameters):
    """The filters of quotes."""

    lookups = {
        "sport": "market__event__sport__key",
        # Use the indexes on outcomes and quotes: only active quotes have an index by market.
        "event": "outcome__market__event",
        "market": "outcome__market",
        "kind": "market__kind",
        "bookmaker": "bookmaker__key",
        "side": "side",
        "status": "status",
        "stale": "is_stale",
    }
    sport = _text()
    event = _number()
    market = _number()
    kind = _text()
    bookmaker = _text(help_text="a bookmaker's key")
    side = _choice(Side.choices)
    status = _choice(QuoteStatus.choices)
    stale = serializers.BooleanField(
        required=False, help_text="whether it is too old to trust, in any status"
    )
    max_age_seconds = _number(
        min_value=0, max_value=_YEAR_SECONDS, help_text="since it was last confirmed, at most"
    )

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the quotes that the parameters select."""
        rows = super().narrow(rows)
        seconds = self.validated_data.get("max_age_seconds")
        return rows if seconds is None else confirmed_within(rows, seconds, quote="")


class HistoryParameters(PricedPageParameters):
    """The filters of a line's changes."""

    lookups = {"movement": "classification"}
    movement = _choice(MoveClass.choices)


class FairPriceParameters(PricedPageParameters):
    """The filters of fair prices."""

    lookups = {
        "sport": "market__event__sport__key",
        "event": "market__event",
        "market": "market",
        "kind": "market__kind",
        "min_books": "books__gte",
    }
    sport = _text()
    event = _number()
    market = _number()
    kind = _text()
    state = _choice(FairPriceState.choices)
    min_books = _number(min_value=0, help_text="bookmakers in the consensus, at least")

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the fair prices that the parameters select."""
        rows, state = super().narrow(rows), self.validated_data.get("state")
        return rows if state is None else rows.filter(PRICED[state])


class EdgeParameters(PricedPageParameters):
    """The filters and orders of edges; by default those are listed that are open and confirmed."""

    lookups = {
        "sport": "market__event__sport__key",
        # Use the indexes on outcomes and quotes: closed edges have no index by market.
        "event": "quote__outcome__market__event",
        "market": "quote__outcome__market",
        "kind": "market__kind",
        "bookmaker": "quote__bookmaker__key",
        "min_ev": "ev__gte",
        "min_books": "books__gte",
    }
    state = _choice(
        [*EDGE_STATES, "all"],
        default="open",
        help_text="`stale`: open, but no longer confirmed, which `open` leaves out",
    )
    sport = _text()
    event = _number()
    market = _number()
    kind = _text()
    bookmaker = _text()
    min_ev = serializers.FloatField(
        required=False, min_value=-1, max_value=1_000, help_text="expected value, e.g. 0.03"
    )
    min_books = _number(min_value=0, help_text="other bookmakers in the consensus, at least")
    max_age_seconds = _number(
        min_value=0,
        max_value=_YEAR_SECONDS,
        help_text="since the quote was last confirmed, at most",
    )
    in_play = _choice(
        ["false", "true", "any"],
        default="false",
        help_text="whether the event has started; those in play are a list of their own",
    )
    doubtful = _choice(
        ["false", "true", "any"],
        default="false",
        help_text="whether it is rather a mistake: an outlier's own price, too good to be true, or"
        " contradicted by another provider",
    )

    ordering = _choice(
        list(ORDERINGS),
        default="-id",
        help_text="by expected value (`open` and `stale` ones), or by when it opened; a minus is"
        " the greatest first",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the values.

        Raises:
            ValidationError: closed edges are to be ordered by their expected value.
        """
        if attrs["ordering"] in BY_EV and attrs["state"] not in {"open", "stale"}:
            words = "Only edges in the state open or stale are ordered by ev."
            raise serializers.ValidationError({"ordering": [words]})
        return attrs

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the edges that the parameters select by what is stored of them."""
        rows, given = super().narrow(rows), self.validated_data
        if given["state"] != "all":
            rows = rows.filter(closed_at__isnull=given["state"] != "closed")
        if given["doubtful"] != "any":
            is_doubtful = Q(warnings__overlap=DOUBTFUL)
            rows = rows.filter(is_doubtful if given["doubtful"] == "true" else ~is_doubtful)
        if given["in_play"] != "any":
            rows = rows.filter(_MAY_BE[given["in_play"]])
        if (seconds := given.get("max_age_seconds")) is not None:
            rows = confirmed_within(rows, seconds, quote="quote__")
        return rows

    def listed(self, edge_ids: Sequence[int]) -> dict[int, JudgedEdge]:
        """Return, by id, those among some edges that the parameters select as they are now."""
        given = self.validated_data
        judged = judged_among(edge_ids, given["state"])
        if given["in_play"] == "any":
            return judged
        wanted = given["in_play"] == "true"
        return {pk: edge for pk, edge in judged.items() if edge.is_in_play == wanted}


_WAS_IN_PLAY = Q(warnings__contains=[IN_PLAY])
_MAY_BE = {
    "true": CLOSED & _WAS_IN_PLAY | Q(closed_at__isnull=True) & MAY_BE_IN_PLAY,
    "false": CLOSED & ~_WAS_IN_PLAY | Q(closed_at__isnull=True),
}
"""Conditions on what is stored of edges that may be in play, or before the start."""


class ClvParameters(Parameters):
    """The filters of closing line value, and the classes it is given by."""

    group_by = _choice([*GROUPINGS], help_text="the classes; none if not given")
    days = _number(
        min_value=1, max_value=366, default=90, help_text="closes taken in so many past days"
    )
    price = _choice([*PRICES], default="opened", help_text="at which the edges are taken")
    judge = _choice(
        [*JUDGES],
        default="consensus",
        help_text="whose close judges: the other bookmakers', or a sharp one's alone",
    )
    sport = _text(default="")
    kind = _text(default="")
    bookmaker = _text(default="")
    min_ev = serializers.FloatField(
        default=-1.0, min_value=-1, max_value=1_000, help_text="expected value when it opened"
    )
    doubtful = serializers.BooleanField(
        default=False, help_text="whether edges that are rather mistakes count as well"
    )

    @property
    def grouping(self) -> str:
        """The name of the classes; empty for none."""
        return str(self.validated_data.get("group_by", ""))

    def choice(self) -> Choice:
        """Return the edges that the parameters select."""
        given = {name: self.validated_data[name] for name in self.validated_data}
        given.pop("group_by", None)
        since = database_now() - timedelta(days=given.pop("days"))
        return Choice(since=since, **given)


class OpportunityParameters(PricedPageParameters):
    """The filters of arbitrages and middles."""

    lookups = {
        "sport": "market__event__sport__key",
        "event": "market__event",
        "market": "market",
        "kind": "market__kind",
    }
    sport = _text()
    event = _number()
    market = _number()
    kind = _text(help_text="of the market: `h2h`, `spreads`, `totals`, …")
    in_play = _choice(
        ["false", "true", "any"], default="any", help_text="whether the event has started"
    )

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the opportunities that the parameters select."""
        rows, given = super().narrow(rows), self.validated_data
        return (
            rows
            if given["in_play"] == "any"
            else rows.filter(is_in_play=given["in_play"] == "true")
        )

    def narrow_markets(self, markets: QuerySet[Market]) -> QuerySet[Market]:
        """Return the markets in which opportunities of the parameters can be."""
        given = self.validated_data
        paths = {"sport": "event__sport__key", "event": "event", "market": "pk", "kind": "kind"}
        return markets.filter(**{paths[name]: given[name] for name in given if name in paths})


class ArbitrageParameters(OpportunityParameters):
    """The filters and orders of arbitrages."""

    ordering = _choice(["-profit", "-worst"], default="-profit")


class MiddleParameters(OpportunityParameters):
    """The filters and orders of middles."""

    ordering = _choice(["break_even", "-worst", "-best"], default="break_even")


class ProviderParameters(PageParameters):
    """The filters of providers."""

    lookups = {"adapter": "adapter", "enabled": "enabled"}
    adapter = _text()
    enabled = serializers.BooleanField(required=False)


class OfProviderParameters(PageParameters):
    """The filter of rows by provider."""

    lookups = {"provider": "provider__key"}
    provider = _text(help_text="a provider's key")


class FeedCircuitParameters(OfProviderParameters):
    """The filters of feeds' circuits."""

    lookups = {**OfProviderParameters.lookups, "state": "state"}
    state = _choice([("closed", "closed"), ("open", "open")])


class PollRunParameters(OfProviderParameters):
    """The filters of polls."""

    lookups = {**OfProviderParameters.lookups, "outcome": "outcome"}
    outcome = _choice(PollOutcome.choices)


class FeedBookParameters(PageParameters):
    """The filters of feeds' bookmakers."""

    lookups = {
        "provider": "feed__provider__key",
        "feed": "feed",
        "bookmaker": "bookmaker__key",
        "silent": "silent_since__isnull",
    }
    provider = _text(help_text="a provider's key")
    feed = _number()
    bookmaker = _text()
    silent = serializers.BooleanField(
        required=False, help_text="whether it has not been confirmed for too long"
    )

    def validate_silent(self, silent: bool) -> bool:  # noqa: FBT001 - the framework's signature
        """Return the value of the `isnull` lookup."""
        return not silent


class RecomputeRunParameters(PageParameters):
    """The filters of recomputes."""

    lookups = {"trigger": "trigger"}
    trigger = _choice(RecomputeTrigger.choices)


class LetterParameters(PageParameters):
    """The filters of dead letters."""

    lookups = {
        "status": "status",
        "kind": "kind",
        "task": "task",
        "queue": "queue",
        "provider": "provider",
        "fingerprint": "fingerprint",
    }
    status = _choice(LetterStatus.choices)
    kind = _choice(LetterKind.choices)
    task = _text()
    queue = _text()
    provider = _text()
    fingerprint = _text(help_text="the same for letters of one cause")


class HealthSnapshotParameters(PageParameters):
    """The filters of health snapshots."""

    lookups = {"status": "status", "taken_after": "taken_at__gte", "taken_before": "taken_at__lt"}
    status = _choice(HealthStatus.choices)
    taken_after = serializers.DateTimeField(required=False)
    taken_before = serializers.DateTimeField(required=False)


class StreamParameters(Parameters):
    """The channels of a stream, and the filters of their notifications."""

    channels = _text(
        default=",".join(DEFAULT_CHANNELS),
        help_text=f"some of `{'`, `'.join(CHANNELS)}`, with commas between them",
    )
    events = _text(
        help_text="of the channel `prices`: ids of the events whose prices are followed, at most"
        f" {MAX_FOLLOWED}, with commas between them"
    )
    type = _choice(
        [kind for kinds in CHANNELS.values() for kind in kinds],
        help_text="the only type of the channels; all, if not given",
    )
    sport = _text(help_text="a sport's key")

    def validate_channels(self, value: str) -> list[str]:
        """Return the channels.

        Raises:
            ValidationError: there is none of such a name.
        """
        chosen = value.split(",")
        if set(chosen) <= CHANNELS.keys():
            return chosen
        words = f"There is no such channel. There are: {', '.join(CHANNELS)}."
        raise serializers.ValidationError(words)

    def validate_events(self, value: str) -> frozenset[int]:
        """Return the events' ids.

        Raises:
            ValidationError: they are no ids, too many, or those of no events.
        """
        parts = value.split(",")
        if not all(part.isascii() and part.isdigit() and len(part) <= 18 for part in parts):
            raise serializers.ValidationError("Enter ids of events with commas between them.")
        ids = frozenset(map(int, parts))
        if len(ids) > MAX_FOLLOWED:
            raise serializers.ValidationError(f"Enter at most {MAX_FOLLOWED} events.")
        missing = ids.difference(Event.objects.filter(pk__in=ids).values_list("pk", flat=True))
        if missing:
            words = f"There is no such event: {', '.join(map(str, sorted(missing)))}."
            raise serializers.ValidationError(words)
        return ids

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the values as the fields of what the stream wants.

        Raises:
            ValidationError: the parameters do not go together.
        """
        channels, events = attrs["channels"], attrs.get("events", frozenset())
        if ("prices" in channels) != bool(events):
            words = "The channel prices and the parameter events belong together."
            raise serializers.ValidationError({"events": [words]})
        kinds = frozenset(kind for channel in channels for kind in CHANNELS[channel])
        if (only := attrs.get("type")) is not None:
            if only not in kinds:
                raise serializers.ValidationError({"type": ["None of the channels has this type."]})
            kinds = frozenset({only})
        return {"kinds": kinds, "sport": attrs.get("sport", ""), "events": events}
