"""Fair prices, edges, arbitrages and middles."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from betting.models import Outcome, Side
from betting.web.api.serializers.odds import (
    EventSerializer,
    FairSerializer,
    MarketKeySerializer,
    OutcomeKeySerializer,
)
from betting.web.api.serializers.priced import PricedSerializer
from valuation.closes.statistics import ClvSummary
from valuation.fees import net_price_of
from valuation.models import Edge, Opportunity
from valuation.opportunity_legs import Leg

_OLDEST = "when the one of its bets that has waited longest was last confirmed"


class FairPriceSerializer(FairSerializer):
    """The consensus on one outcome."""

    id = serializers.IntegerField()
    event = EventSerializer(source="market.event")
    market = MarketKeySerializer()
    outcome = OutcomeKeySerializer()


class EdgeSerializer(PricedSerializer[Edge]):
    """A quote that pays more than its fair price."""

    odds = ("price", "net_price", "opened_price")

    id = serializers.IntegerField()
    event = EventSerializer(source="market.event")
    market = MarketKeySerializer()
    outcome = OutcomeKeySerializer(source="quote.outcome")
    quote = serializers.IntegerField(source="quote_id")
    bookmaker = serializers.CharField(source="quote.bookmaker.key")
    side = serializers.ChoiceField(choices=Side.choices, source="quote.side")
    price = serializers.FloatField(help_text="decimal odds as quoted, now or when it closed")
    net_price = serializers.SerializerMethodField(
        help_text="the price after commission; of a lay, the commission-free lay price as good"
    )
    probability = serializers.FloatField(help_text="consensus of the other bookmakers")
    ev = serializers.FloatField(help_text="expected value per unit staked, net of commission")
    kelly = serializers.FloatField(help_text="full Kelly stake, fraction of the bankroll")
    advised = serializers.FloatField(
        source="current_advised",
        help_text="advised risk, fraction of the bankroll: a back's stake, a lay's liability;"
        " 0 while it is stale",
    )
    hold = serializers.FloatField(help_text="hold of the bookmaker's line")
    books = serializers.IntegerField(help_text="other bookmakers in the consensus")
    warnings = serializers.ListField(child=serializers.CharField())
    in_play = serializers.BooleanField(
        source="is_in_play",
        help_text="the event has started, or had when it closed; a stake is advised only if a"
        " setting asks",
    )
    doubtful = serializers.BooleanField(
        source="is_doubtful",
        help_text="an outlier's own price, too good, or contradicted by another provider's price of"
        " the same bookmaker; no stake is advised",
    )
    peak_ev = serializers.FloatField()
    opened_at = serializers.DateTimeField()
    opened_price = serializers.FloatField()
    opened_probability = serializers.FloatField()
    updated_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    close_reason = serializers.CharField(help_text="empty while it is open")
    confirmed_at = serializers.DateTimeField(help_text="when its quote was last confirmed")
    is_stale = serializers.BooleanField(
        help_text="open, and not to be taken: its quote, or too few of the others, are confirmed"
    )
    version = serializers.IntegerField(help_text="the market version it was last computed from")

    def get_net_price(self, edge: Edge) -> float | None:
        """Return the price net of the current commission, or None if that is not known any more."""
        return net_price_of(edge.quote.bookmaker, edge.price, edge.quote.side)


class ClvSummarySerializer(serializers.Serializer[ClvSummary]):
    """The closing line value of a class of edges."""

    key = serializers.CharField(help_text="the class; empty for all edges")
    title = serializers.CharField(help_text="what people call it")
    count = serializers.IntegerField(help_text="edges")
    events = serializers.IntegerField(help_text="the events they are of")
    mean = serializers.FloatField(help_text="mean CLV per unit staked")
    standard_error = serializers.FloatField(
        allow_null=True, help_text="of the mean, clustered by event; null with fewer than two"
    )
    beats_close = serializers.FloatField(help_text="share of edges with a CLV above 0")
    claimed_ev = serializers.FloatField(help_text="mean expected value when they opened")
    is_losing = serializers.BooleanField(
        help_text="30 edges or more, and the mean is below 0 by two standard errors"
    )


class ClvSerializer(serializers.Serializer[Any]):
    """The closing line value of edges, together and by class."""

    since = serializers.DateTimeField(help_text="closes taken from then on are counted")
    total = ClvSummarySerializer(allow_null=True, help_text="null where there is no edge")
    group_by = serializers.CharField(help_text="empty for none")
    groups = ClvSummarySerializer(many=True)


class SelectionSerializer(serializers.Serializer[Outcome]):
    """An outcome that can be bet on."""

    name = serializers.CharField()
    point = serializers.FloatField(allow_null=True)


class LegSerializer(PricedSerializer[Leg]):
    """A bet with its stake, as a part of the total that is risked."""

    odds = ("price", "net_price")

    selection = SelectionSerializer(source="quote.outcome")
    side = serializers.ChoiceField(choices=Side.choices, source="quote.side")
    bookmaker = serializers.CharField(source="quote.bookmaker.key")
    quote = serializers.IntegerField(source="quote.pk")
    price = serializers.FloatField(help_text="decimal odds as quoted")
    net_price = serializers.FloatField(
        allow_null=True,
        help_text="the price after commission; of a lay, the commission-free lay price as good",
    )
    confirmed_at = serializers.DateTimeField(
        source="quote.confirmed_at", help_text="when it was last confirmed"
    )
    disputed = serializers.BooleanField(
        source="quote.is_disputed", help_text="another provider says another price of it now"
    )
    stake = serializers.FloatField(
        source="stake.stake", help_text="at the quoted price; of a lay what the other side stakes"
    )
    liability = serializers.FloatField(
        source="stake.liability", help_text="what it loses if it loses; of a back its stake"
    )


class _OpportunitySerializer(serializers.Serializer[Opportunity]):
    """Bets on one market that are worth something together."""

    id = serializers.IntegerField()
    event = EventSerializer(source="market.event")
    market = MarketKeySerializer()
    booksum = serializers.FloatField(help_text="sum of 1/odds, net of commission")
    in_play = serializers.BooleanField(source="is_in_play", help_text="the event has started")
    confirmed_at = serializers.DateTimeField(help_text=_OLDEST)
    profit = serializers.FloatField(help_text="where one bet wins, of the total staked")
    opened_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField(help_text="the market version it was last computed from")


class ArbitrageSerializer(_OpportunitySerializer):
    """Bets of which exactly one wins, unless a result hits their point and returns stakes."""

    bets = LegSerializer(many=True, source="legs")
    worst = serializers.FloatField(
        help_text="at the worst result: 0 where a whole point may return all stakes"
    )


class MiddleSerializer(_OpportunitySerializer):
    """Two bets that can both win when the result falls between their points."""

    above = serializers.SerializerMethodField()
    below = serializers.SerializerMethodField()
    gap = serializers.FloatField()
    worst = serializers.FloatField(help_text="profit at the worst result, of the total staked")
    best = serializers.FloatField(help_text="profit at the best result, of the total staked")
    break_even = serializers.FloatField(
        help_text="chance of the best result above which it pays, the worst happening otherwise"
    )

    @extend_schema_field(LegSerializer)
    def get_above(self, middle: Any) -> Any:
        """Return the bet on more."""
        return LegSerializer(middle.legs[0], context=self.context).data

    @extend_schema_field(LegSerializer)
    def get_below(self, middle: Any) -> Any:
        """Return the bet on less."""
        return LegSerializer(middle.legs[1], context=self.context).data
