"""The prices of a market side by side."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from betting.models import Bookmaker, Side
from betting.web.api.serializers.odds import MarketSerializer, OutcomeKeySerializer
from betting.web.api.serializers.priced import PricedSerializer
from valuation.comparison import FRESH, REASONS, ComparedLine, ComparedOutcome, Price
from valuation.models import FairPrice


class ComparedFairSerializer(PricedSerializer[FairPrice]):
    """The fair price of an outcome, or why there is none."""

    odds = ("fair_odds",)

    probability = serializers.FloatField(allow_null=True, source="current_probability")
    fair_odds = serializers.FloatField(allow_null=True, source="current_fair_odds")
    reason = serializers.CharField(
        source="current_reason", help_text="why there is none; empty where there is one"
    )


class ComparedPriceSerializer(PricedSerializer[Price]):
    """A bookmaker's price, and if it can be bet on now."""

    quote = serializers.IntegerField(source="quote.pk")
    bookmaker = serializers.CharField(source="quote.bookmaker.key")
    side = serializers.ChoiceField(choices=Side.choices, source="quote.side")
    price = serializers.FloatField(source="quote.price", help_text="decimal odds")
    state = serializers.ChoiceField(
        choices=[FRESH, *REASONS], help_text="only a fresh one can be bet on"
    )
    reason = serializers.CharField(help_text="why it must not be taken; empty of a fresh one")
    edge = serializers.IntegerField(
        allow_null=True, source="edge.pk", default=None, help_text="the open edge that it is"
    )
    ev = serializers.FloatField(
        allow_null=True, source="edge.ev", default=None, help_text="of that edge"
    )
    changed_at = serializers.DateTimeField(source="quote.changed_at")
    confirmed_at = serializers.DateTimeField(
        source="quote.confirmed_at", help_text="when the provider last looked at it"
    )
    age_seconds = serializers.SerializerMethodField(help_text="since then")

    def get_age_seconds(self, price: Price) -> float:
        """Return the time since the provider last looked at it, by the database's clock."""
        seconds: float = price.quote.age.total_seconds()
        return round(seconds, 3)


class ComparedOutcomeSerializer(serializers.Serializer[ComparedOutcome]):
    """An outcome with its fair price, its best prices and those of all bookmakers."""

    outcome = OutcomeKeySerializer()
    fair = ComparedFairSerializer(allow_null=True, help_text="null before it is first valued")
    best_back = ComparedPriceSerializer(
        allow_null=True, help_text="the fresh one of a venue that pays most, net of fees"
    )
    best_lay = ComparedPriceSerializer(
        allow_null=True, help_text="the fresh one of a venue that pays most, net of fees"
    )
    prices = ComparedPriceSerializer(
        many=True,
        help_text="in the order of the line's bookmakers; of an exchange the back before the lay",
    )


class ComparedBookSerializer(serializers.Serializer[Bookmaker]):
    """A column of the comparison."""

    key = serializers.CharField()
    title = serializers.CharField()
    is_venue = serializers.BooleanField(help_text="its prices may be offered as edges")
    weight = serializers.FloatField(
        help_text="in the consensus where it has no particular one; 0 for none"
    )


class ComparedLineSerializer(serializers.Serializer[ComparedLine]):
    """The outcomes of one line that exclude each other."""

    line = serializers.FloatField(
        allow_null=True, help_text="the point as the home side or the over sees it"
    )
    books = ComparedBookSerializer(many=True, help_text="the sharpest first")
    outcomes = ComparedOutcomeSerializer(many=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    """A market with the prices of all bookmakers side by side."""

    market = MarketSerializer()
    lines = ComparedLineSerializer(many=True, help_text="the one with the most fresh prices first")
