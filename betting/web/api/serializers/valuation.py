"""Fair prices, edges, arbitrages and middles."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from betting.models import Side
from betting.web.api.serializers.odds import (
    EventSerializer,
    FairSerializer,
    MarketKeySerializer,
    OutcomeKeySerializer,
)
from valuation.edges import net_price
from valuation.models import Edge
from valuation.opportunities import Bet, Selection

_OLDEST = "when the one of its bets that has waited longest was last confirmed"


class FairPriceSerializer(FairSerializer):
    """The consensus on one outcome."""

    id = serializers.IntegerField()
    event = EventSerializer(source="market.event")
    market = MarketKeySerializer()
    outcome = OutcomeKeySerializer()


class EdgeSerializer(serializers.Serializer[Edge]):
    """A quote that pays more than its fair price."""

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
        return net_price(edge.price, edge.quote.side, edge.quote.bookmaker.commission)


class SelectionSerializer(serializers.Serializer[Selection]):
    """An outcome that can be bet on."""

    name = serializers.CharField()
    point = serializers.FloatField(allow_null=True)


class BetSerializer(serializers.Serializer[Bet]):
    """One bookmaker's offer."""

    selection = SelectionSerializer()
    side = serializers.ChoiceField(choices=Side.choices)
    bookmaker = serializers.CharField()
    price = serializers.FloatField(help_text="decimal odds as quoted")
    net_price = serializers.FloatField(
        help_text="the price after commission; of a lay, the commission-free lay price as good"
    )
    confirmed_at = serializers.DateTimeField(help_text="when it was last confirmed")
    disputed = serializers.BooleanField(
        source="is_disputed", help_text="another provider says another price of it now"
    )


class LegSerializer(BetSerializer):
    """A bet with its stake, as a part of the total that is risked."""

    stake = serializers.FloatField(
        help_text="at the quoted price; of a lay what the other side stakes"
    )
    liability = serializers.FloatField(help_text="what it loses if it loses; of a back its stake")


class ArbitrageSerializer(serializers.Serializer[Any]):
    """Bets of which exactly one wins, unless a result hits their point and returns stakes."""

    event = EventSerializer()
    market = MarketKeySerializer()
    bets = LegSerializer(many=True)
    booksum = serializers.FloatField()
    in_play = serializers.BooleanField(help_text="the event has started")
    confirmed_at = serializers.DateTimeField(help_text=_OLDEST)
    profit = serializers.FloatField(help_text="where one bet wins, of the total staked")
    worst = serializers.FloatField(
        help_text="at the worst result: 0 where a whole point may return all stakes"
    )


class MiddleSerializer(serializers.Serializer[Any]):
    """Two bets that can both win when the result falls between their points."""

    event = EventSerializer()
    market = MarketKeySerializer()
    above = BetSerializer()
    below = BetSerializer()
    gap = serializers.FloatField()
    in_play = serializers.BooleanField(help_text="the event has started")
    confirmed_at = serializers.DateTimeField(help_text=_OLDEST)
    worst = serializers.FloatField(help_text="profit at the worst result, of the total staked")
    best = serializers.FloatField(help_text="profit at the best result, of the total staked")
    break_even = serializers.FloatField(
        help_text="chance of the best result above which it pays, the worst happening otherwise"
    )


class ArbitragesSerializer(serializers.Serializer[Any]):
    """The current arbitrages, best first."""

    markets_examined = serializers.IntegerField()
    results = ArbitrageSerializer(many=True)


class MiddlesSerializer(serializers.Serializer[Any]):
    """The current middles, cheapest first."""

    markets_examined = serializers.IntegerField()
    results = MiddleSerializer(many=True)
