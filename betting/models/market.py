"""Bookmakers, and the markets and outcomes that they price."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from betting.models.event import Event


class BookmakerKind(models.TextChoices):
    """The kind of a bookmaker: how it makes its prices."""

    SPORTSBOOK = "sportsbook", "sportsbook"
    EXCHANGE = "exchange", "exchange"


class FeeModel(models.TextChoices):
    """The base that a bookmaker's commission is a part of."""

    WINNINGS = "winnings", "of net winnings"
    CONTRACT = "contract", "rate · p · (1 − p) of each contract of 1"


class Bookmaker(models.Model):
    """A sportsbook or exchange that offers prices, and its weight in the consensus."""

    key = models.CharField(unique=True, max_length=64)
    title = models.CharField(max_length=128)
    kind = models.CharField(
        max_length=10,
        choices=BookmakerKind,
        default=BookmakerKind.SPORTSBOOK,
        db_default=BookmakerKind.SPORTSBOOK,
    )
    weight = models.FloatField(
        default=1.0, db_default=1.0, help_text="weight in the consensus; 0 leaves it out"
    )
    is_venue = models.BooleanField(
        "venue",
        default=True,
        db_default=True,
        help_text="whether its prices may be offered as edges; those of a bookmaker that is no"
        " venue are shown and inform the consensus",
    )
    commission = models.FloatField(
        null=True,
        blank=True,
        default=0.0,
        db_default=0.0,
        help_text="rate of the fee, e.g. 0.05; empty while it is not known, so that no edge is"
        " opened on its prices",
    )
    fee_model = models.CharField(
        max_length=8,
        choices=FeeModel,
        default=FeeModel.WINNINGS,
        db_default=FeeModel.WINNINGS,
        help_text="what the commission is a part of: the net winnings, or each contract bought at"
        " the price p, won or lost",
    )
    price_group = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="a name for those that share one price, as skins of one operator do: they count"
        " once, with the largest of their weights; empty for none",
    )

    class Meta:
        ordering = ["key"]
        constraints = [
            models.CheckConstraint(
                name="bookmaker_kind_known", condition=Q(kind__in=BookmakerKind.values)
            ),
            models.CheckConstraint(
                name="bookmaker_fee_model_known", condition=Q(fee_model__in=FeeModel.values)
            ),
            models.CheckConstraint(
                name="bookmaker_weight_not_negative", condition=Q(weight__gte=0)
            ),
            models.CheckConstraint(
                name="bookmaker_commission_is_a_fraction",
                condition=Q(commission__gte=0) & Q(commission__lt=1),
            ),
            models.CheckConstraint(
                name="bookmaker_only_an_exchange_keeps_an_unknown_part",
                condition=Q(commission__isnull=False) | Q(kind=BookmakerKind.EXCHANGE),
                violation_error_message="What a sportsbook keeps is known: enter 0 for nothing.",
            ),
        ]

    def __str__(self) -> str:
        return self.key


class BookmakerWeight(models.Model):
    """The weight of a bookmaker in some consensuses, instead of its own: `betting.db.weights`."""

    bookmaker = models.ForeignKey(
        Bookmaker, on_delete=models.CASCADE, related_name="weights", db_index=False
    )
    family = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="the sport's key up to its first underscore; empty for any",
    )
    kind = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="the kind of market, e.g. h2h; empty for any",
    )
    weight = models.FloatField(help_text="weight in the consensus; 0 leaves it out")
    evidence = models.CharField(
        max_length=400,
        blank=True,
        default="",
        db_default="",
        help_text="what the weight rests on; empty where an operator chose it",
    )

    class Meta:
        ordering = ["bookmaker", "family", "kind"]
        constraints = [
            # recompute, board: a bookmaker's weights on a market
            models.UniqueConstraint(
                name="bookmaker_weight_unique",
                fields=["bookmaker", "family", "kind"],
                violation_error_message="The bookmaker has this family and kind twice.",
            ),
            models.CheckConstraint(
                name="bookmaker_weight_is_particular",
                condition=~Q(family="", kind=""),
                violation_error_message="Enter a family or a kind: the weight of all others is"
                " the bookmaker's own.",
            ),
            models.CheckConstraint(
                name="bookmaker_particular_weight_not_negative", condition=Q(weight__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.family or 'any'} {self.kind or 'any'}: {self.weight:g}"


class Market(models.Model):
    """One question about an event: a kind of bet, a period and a participant.

    `version` rises in the transaction that changes its quotes; `valued_version` is the version
    that its fair prices and edges were computed from. They differ while the market is stale.
    """

    event = models.ForeignKey(
        Event, on_delete=models.CASCADE, related_name="markets", db_index=False
    )
    kind = models.CharField(max_length=64)
    period = models.CharField(max_length=32, default="full", db_default="full")
    participant = models.CharField(max_length=200, default="", db_default="", blank=True)
    version = models.BigIntegerField(default=0, db_default=0)
    valued_version = models.BigIntegerField(default=0, db_default=0)
    changed_at = models.DateTimeField(
        null=True, blank=True, help_text="arrival of the answer that last changed a quote"
    )
    dirty_at = models.DateTimeField(
        null=True, blank=True, help_text="commit of the oldest change not valued yet"
    )
    swept_at = models.DateTimeField(
        null=True, blank=True, help_text="when the sweeper last sent it to be valued"
    )
    valued_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            # resolve: an event's market; also every look-up by event
            models.UniqueConstraint(
                name="market_series_unique", fields=["event", "kind", "period", "participant"]
            ),
            models.CheckConstraint(
                name="market_valued_version_not_ahead",
                condition=Q(valued_version__lte=F("version")),
            ),
        ]
        indexes = [
            # sweep and health: unvalued markets, oldest first
            models.Index(
                name="market_stale",
                fields=["dirty_at"],
                condition=~Q(version=F("valued_version")),
            ),
        ]

    def __str__(self) -> str:
        return " ".join(part for part in (self.key, self.participant) if part)

    @property
    def key(self) -> str:
        """The market's key as feeds write it, e.g. `spreads_h1`."""
        return self.kind if self.period == "full" else f"{self.kind}_{self.period}"


class Outcome(models.Model):
    """One way a market can end. The point is part of its identity."""

    market = models.ForeignKey(
        Market, on_delete=models.CASCADE, related_name="outcomes", db_index=False
    )
    name = models.CharField(max_length=200)
    point = models.FloatField(null=True, blank=True)
    line = models.FloatField(
        null=True, blank=True, help_text="the point as the home side, or the over, sees it"
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            # resolve: a market's outcome
            models.UniqueConstraint(
                name="outcome_point_unique",
                fields=["market", "name", "point"],
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="outcome_line_goes_with_point",
                condition=Q(point__isnull=True, line__isnull=True)
                | Q(point__isnull=False, line__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name if self.point is None else f"{self.name} {self.point:+g}"
