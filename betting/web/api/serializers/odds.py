"""Events, markets, quotes and the history of their lines."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from betting.models import (
    Bookmaker,
    BookmakerKind,
    BookmakerWeight,
    ChangeKind,
    Event,
    EventStatus,
    FeeModel,
    LineChange,
    Market,
    MoveClass,
    Outcome,
    Quote,
    QuoteStatus,
    Side,
)
from betting.web.api.serializers.priced import PricedSerializer
from betting.words import no_edge
from valuation.models import FairPriceState


class EventSerializer(serializers.Serializer[Event]):
    """An event: a fixture or a field of runners."""

    id = serializers.IntegerField()
    sport = serializers.CharField(source="sport.key")
    home = serializers.CharField()
    away = serializers.CharField()
    commence_time = serializers.DateTimeField()
    status = serializers.ChoiceField(choices=EventStatus.choices)


class MarketKeySerializer(serializers.Serializer[Market]):
    """The market that a row is about."""

    id = serializers.IntegerField()
    key = serializers.CharField(help_text="as feeds write it, e.g. `spreads_h1`")
    kind = serializers.CharField()
    period = serializers.CharField()
    participant = serializers.CharField(help_text="whom it is about; empty for the event itself")


class MarketSerializer(MarketKeySerializer):
    """A market, and whether its fair prices are up to date."""

    event = EventSerializer()
    version = serializers.IntegerField()
    valued_version = serializers.IntegerField(
        help_text="below `version` while its valuation is under way"
    )
    changed_at = serializers.DateTimeField(allow_null=True)
    valued_at = serializers.DateTimeField(allow_null=True)


class OutcomeKeySerializer(serializers.Serializer[Outcome]):
    """One way a market can end."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    point = serializers.FloatField(allow_null=True)


class QuoteKeySerializer(serializers.Serializer[Quote]):
    """The bookmaker and side of a quote."""

    id = serializers.IntegerField()
    bookmaker = serializers.CharField(source="bookmaker.key")
    side = serializers.ChoiceField(choices=Side.choices)


class DisputeSerializer(PricedSerializer[Any]):
    """The price that another provider says of the same quote."""

    provider = serializers.CharField()
    price = serializers.FloatField(help_text="decimal odds")
    confirmed_at = serializers.DateTimeField(help_text="when that provider last looked at it")


class PriceSerializer(PricedSerializer[Quote], QuoteKeySerializer):
    """A bookmaker's current price."""

    provider = serializers.CharField(source="feed.provider.key")
    price = serializers.FloatField(help_text="decimal odds")
    status = serializers.ChoiceField(choices=QuoteStatus.choices)
    source_at = serializers.DateTimeField(allow_null=True)
    changed_at = serializers.DateTimeField()
    confirmed_at = serializers.DateTimeField(help_text="when the provider last looked at it")
    is_stale = serializers.BooleanField(
        help_text="too old to trust, in any status: it is in no fair price and no edge"
    )
    disputed_by = DisputeSerializer(
        many=True, help_text="other providers that say another price of the bookmaker's now"
    )
    no_edge = serializers.SerializerMethodField(
        help_text="why its price is never an edge, though it is in the fair price; empty for none"
    )

    def get_no_edge(self, quote: Quote) -> str:
        """Return the reason that lies in its bookmaker, or an empty text."""
        return no_edge(quote.bookmaker)


class QuoteSerializer(PriceSerializer):
    """A bookmaker's current price, with its event, market and outcome."""

    event = EventSerializer(source="market.event")
    market = MarketKeySerializer()
    outcome = OutcomeKeySerializer()


class FairSerializer(PricedSerializer[Any]):
    """The fair price of an outcome, or why there is none."""

    odds = ("fair_odds",)

    state = serializers.ChoiceField(choices=FairPriceState.choices, source="current_state")
    reason = serializers.CharField(
        help_text="why there is none; empty where there is one", source="current_reason"
    )
    probability = serializers.FloatField(allow_null=True, source="current_probability")
    fair_odds = serializers.FloatField(allow_null=True, source="current_fair_odds")
    method = serializers.CharField()
    books = serializers.IntegerField(help_text="bookmakers in the consensus")
    version = serializers.IntegerField(help_text="the market version it was computed from")
    valued_at = serializers.DateTimeField()
    confirmed_at = serializers.DateTimeField(
        allow_null=True,
        help_text="as many bookmakers as a fair price needs have been confirmed since then",
    )
    is_stale = serializers.BooleanField(
        help_text="there was a fair price, and too few bookmakers are still confirmed"
    )


class OutcomeSerializer(OutcomeKeySerializer):
    """An outcome with its fair price and its quotes."""

    fair_price = FairSerializer(allow_null=True, help_text="null before it is first valued")
    quotes = PriceSerializer(many=True)


class MarketBoardSerializer(MarketSerializer):
    """A market with its outcomes, their fair prices and quotes."""

    outcomes = OutcomeSerializer(many=True)


class WeightSerializer(serializers.Serializer[BookmakerWeight]):
    """A weight of a bookmaker on some markets, instead of its own."""

    family = serializers.CharField(help_text="the family of sports; empty for any")
    kind = serializers.CharField(help_text="the kind of market; empty for any")
    weight = serializers.FloatField()


class BookmakerSerializer(serializers.Serializer[Bookmaker]):
    """A bookmaker or exchange, and the terms by which its prices are valued."""

    id = serializers.IntegerField()
    key = serializers.CharField()
    title = serializers.CharField()
    kind = serializers.ChoiceField(choices=BookmakerKind.choices)
    is_venue = serializers.BooleanField(
        help_text="its prices may be offered as edges; those of one that is no venue are shown, and"
        " inform the consensus"
    )
    weight = serializers.FloatField(help_text="in the consensus; 0 for none")
    weights = WeightSerializer(
        many=True,
        help_text="weights on some markets; that of the family and kind comes first, then that of"
        " the family, then that of the kind",
    )
    price_group = serializers.CharField(
        help_text="the same for those that share one price, and count once; empty for none"
    )
    commission = serializers.FloatField(
        allow_null=True, help_text="rate of the fee; null where it is not known"
    )
    fee_model = serializers.ChoiceField(
        choices=FeeModel.choices,
        help_text="what the rate is a part of: `winnings`, or `contract`, rate · p · (1 − p) of"
        " each contract of 1 at the price p",
    )


class BestPriceSerializer(PricedSerializer[Quote], QuoteKeySerializer):
    """The best price of one side, which can be bet on now."""

    price = serializers.FloatField(help_text="decimal odds")
    confirmed_at = serializers.DateTimeField(help_text="when the provider last looked at it")


class BestSerializer(OutcomeKeySerializer):
    """An outcome with the best prices that can be bet on now."""

    best_back = BestPriceSerializer(allow_null=True, help_text="by its pay net of fees")
    best_lay = BestPriceSerializer(allow_null=True, help_text="by its pay net of fees")
    fair_price = FairSerializer(allow_null=True, help_text="null before it is first valued")


class LineChangeSerializer(PricedSerializer[LineChange]):
    """One change of one quote."""

    odds = ("old_price", "new_price")

    id = serializers.IntegerField()
    event = EventSerializer(source="market.event")
    market = MarketKeySerializer()
    outcome = OutcomeKeySerializer(source="quote.outcome")
    quote = QuoteKeySerializer()
    kind = serializers.ChoiceField(choices=ChangeKind.choices)
    old_price = serializers.FloatField(allow_null=True)
    new_price = serializers.FloatField(allow_null=True)
    old_point = serializers.FloatField(allow_null=True)
    new_point = serializers.FloatField(allow_null=True)
    movement = serializers.FloatField(
        allow_null=True, help_text="relative price change, |new − old| / old"
    )
    classification = serializers.ChoiceField(choices=MoveClass.choices)
    source_at = serializers.DateTimeField(allow_null=True)
    received_at = serializers.DateTimeField()
    recorded_at = serializers.DateTimeField()
