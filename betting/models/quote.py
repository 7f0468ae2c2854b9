"""Prices: each bookmaker's current quotes, and the history of their changes."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from betting.models.market import Bookmaker, Market, Outcome
from betting.models.provider import Feed


class Side(models.TextChoices):
    """The side of the bet that the price is for."""

    BACK = "back", "back"
    LAY = "lay", "lay"


class QuoteStatus(models.TextChoices):
    """The state of a quote: whether it can be bet on."""

    ACTIVE = "active", "active"
    SUSPENDED = "suspended", "suspended"
    QUARANTINED = "quarantined", "quarantined"


class Quote(models.Model):
    """A bookmaker's current price for one side of one outcome.

    `streaming.ingest.ingest` writes it, and only when its price or status changes (the time of the
    last poll that confirmed it is its feed's `observed_at`), and so does
    `streaming.ingest.quarantine`.
    """

    outcome = models.ForeignKey(
        Outcome, on_delete=models.CASCADE, related_name="quotes", db_index=False
    )
    # Repeats the outcome's market: valuation and suspension read quotes by market. The outcome's
    # own reference keeps it valid: a constraint on this one would read all quotes for each market
    # that is deleted.
    market = models.ForeignKey(
        Market,
        on_delete=models.CASCADE,
        related_name="quotes",
        db_index=False,
        db_constraint=False,
    )
    bookmaker = models.ForeignKey(Bookmaker, on_delete=models.PROTECT, db_index=False)
    side = models.CharField(max_length=4, choices=Side)
    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, db_index=False)
    price = models.FloatField(help_text="decimal odds")
    status = models.CharField(max_length=11, choices=QuoteStatus)
    source_at = models.DateTimeField(
        null=True, blank=True, help_text="the provider's stamp at the last change"
    )
    changed_at = models.DateTimeField(help_text="arrival of the answer that last changed it")

    class Meta:
        ordering = ["id"]
        constraints = [
            # ingest: the current quote of a key
            models.UniqueConstraint(
                name="quote_key_unique", fields=["outcome", "bookmaker", "side"]
            ),
            # PostgreSQL orders NaN above every number, infinity included.
            models.CheckConstraint(
                name="quote_price_is_decimal_odds", condition=Q(price__gt=1, price__lte=1e6)
            ),
            models.CheckConstraint(name="quote_side_known", condition=Q(side__in=Side.values)),
            models.CheckConstraint(
                name="quote_status_known", condition=Q(status__in=QuoteStatus.values)
            ),
        ]
        indexes = [
            # ingest: the quotes a complete answer must list
            models.Index(
                name="quote_feed_listed", fields=["feed"], condition=~Q(status="suspended")
            ),
            # retention and removal: whether a quote refers to a feed, also checked by its deletion
            models.Index(name="quote_feed", fields=["feed"]),
            # recompute: the quotes that value a market
            models.Index(
                name="quote_market_active", fields=["market"], condition=Q(status="active")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.price:g}"


class RivalQuote(models.Model):
    """The different price that a feed says of a quote that another provider holds.

    `streaming.ingest.ingest` writes it when it changes. `betting.db.freshness.disputes` decides
    whether it counts: the quote may have moved since, and the feed may have fallen silent.
    """

    quote = models.ForeignKey(
        Quote, on_delete=models.CASCADE, related_name="rivals", db_index=False
    )
    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="+", db_index=False)
    # The quote's own reference keeps it valid.
    market = models.ForeignKey(
        Market, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    price = models.FloatField(help_text="decimal odds")
    looked_at = models.DateTimeField(
        help_text="when its provider looked: first at this price, or first since the quote changed"
    )

    class Meta:
        ordering = ["quote", "id"]
        constraints = [
            # ingest: the feed's own row; recompute, admin and API: the rivals of a quote
            models.UniqueConstraint(name="rival_quote_unique", fields=["quote", "feed"]),
            models.CheckConstraint(
                name="rival_quote_price_is_decimal_odds", condition=Q(price__gt=1, price__lte=1e6)
            ),
        ]
        indexes = [
            # ingest: the rows that an answer no longer supports; quarantine: those of a feed
            models.Index(name="rival_quote_feed", fields=["feed"]),
        ]

    def __str__(self) -> str:
        return f"{self.price:g}"


class ChangeKind(models.TextChoices):
    """The kind of change of a quote."""

    OPENED = "opened", "opened"
    PRICE = "price", "price moved"
    POINT = "point", "point moved"
    SUSPENDED = "suspended", "suspended"
    RESUMED = "resumed", "resumed"
    ENDED = "ended", "event ended"
    QUARANTINED = "quarantined", "quarantined"


class MoveClass(models.TextChoices):
    """The urgency of a change: a major one is valued without waiting for others."""

    MINOR = "minor", "minor"
    MAJOR = "major", "major"


class LineChange(models.Model):
    """One change of one quote. Append-only: a trigger refuses every update.

    Partitioned by `recorded_at`, part of the primary key of the database: `betting.db.partitions`.

    A point move belongs to the quote at the new point and names the point it came from.
    """

    # A change is written with its quote, in one statement. A check per row would take a fifth of an
    # ingest; instead a trigger refuses to delete quotes that have a history.
    quote = models.ForeignKey(
        Quote,
        on_delete=models.CASCADE,
        related_name="changes",
        db_index=False,
        db_constraint=False,
    )
    # The quote's own reference keeps it valid.
    market = models.ForeignKey(
        Market, on_delete=models.CASCADE, db_index=False, db_constraint=False
    )
    kind = models.CharField(max_length=11, choices=ChangeKind)
    old_price = models.FloatField(null=True, blank=True)
    new_price = models.FloatField(null=True, blank=True)
    old_point = models.FloatField(null=True, blank=True)
    new_point = models.FloatField(null=True, blank=True)
    movement = models.FloatField(
        null=True, blank=True, help_text="relative price change, |new − old| / old"
    )
    classification = models.CharField(max_length=5, choices=MoveClass)
    source_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="line_change_kind_known", condition=Q(kind__in=ChangeKind.values)
            ),
            models.CheckConstraint(
                name="line_change_prices_fit_kind",
                condition=Q(kind="opened", old_price__isnull=True, new_price__isnull=False)
                | Q(
                    kind__in=["price", "point", "resumed"],
                    old_price__isnull=False,
                    new_price__isnull=False,
                )
                | Q(
                    kind__in=["suspended", "ended", "quarantined"],
                    old_price__isnull=False,
                    new_price__isnull=True,
                ),
            ),
            models.CheckConstraint(
                name="line_change_price_moved",
                condition=~Q(kind="price") | ~Q(old_price=F("new_price")),
            ),
        ]
        indexes = [
            # a quote's line history
            models.Index(name="line_change_quote", fields=["quote", "id"]),
            # retention and rates over a window, without the cost of a second tree per insert
            models.Index(name="line_change_recorded", fields=["recorded_at"]),
            # API stream: major moves since a time
            models.Index(
                name="line_change_major",
                fields=["recorded_at", "id"],
                condition=Q(classification="major"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.old_price} → {self.new_price}"
