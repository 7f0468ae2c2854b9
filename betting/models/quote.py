"""Prices: what each bookmaker offers now, and every change that led there."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from betting.models.market import Bookmaker, Market, Outcome
from betting.models.provider import Feed


class Side(models.TextChoices):
    """Which side of the bet the price is for."""

    BACK = "back", "back"
    LAY = "lay", "lay"


class QuoteStatus(models.TextChoices):
    """Whether a quote can be bet on."""

    ACTIVE = "active", "active"
    SUSPENDED = "suspended", "suspended"
    QUARANTINED = "quarantined", "quarantined"


class Quote(models.Model):
    """A bookmaker's current price for one side of one outcome.

    Written by `streaming.ingest.ingest`, and only when price or status change (the last time a poll
    confirmed it is its feed's `observed_at`), and by `streaming.ingest.quarantine`.
    """

    outcome = models.ForeignKey(
        Outcome, on_delete=models.CASCADE, related_name="quotes", db_index=False
    )
    # The outcome's market once more: valuation and suspension read quotes by market. Held true by
    # the outcome's own reference: a check of this one would read all quotes for each market that
    # goes.
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
            # PostgreSQL holds NaN above every number, infinity included.
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
            # retention and removal: whether any quote refers to a feed, which its deletion asks too
            models.Index(name="quote_feed", fields=["feed"]),
            # recompute: the quotes that value a market
            models.Index(
                name="quote_market_active", fields=["market"], condition=Q(status="active")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.price:g}"


class RivalQuote(models.Model):
    """What a feed says of a quote that another provider holds, where the two prices differ.

    A side fact, written by `streaming.ingest.ingest` when it changes. Whether it counts is asked of
    `betting.db.freshness.disputes`: the quote may have moved on, and the feed have fallen silent.
    """

    quote = models.ForeignKey(
        Quote, on_delete=models.CASCADE, related_name="rivals", db_index=False
    )
    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="+", db_index=False)
    # Held true by the quote's own reference.
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
            # ingest: the rows that an answer no longer bears out; quarantine: those of a feed
            models.Index(name="rival_quote_feed", fields=["feed"]),
        ]

    def __str__(self) -> str:
        return f"{self.price:g}"


class ChangeKind(models.TextChoices):
    """What happened to a quote."""

    OPENED = "opened", "opened"
    PRICE = "price", "price moved"
    POINT = "point", "point moved"
    SUSPENDED = "suspended", "suspended"
    RESUMED = "resumed", "resumed"
    ENDED = "ended", "event ended"
    QUARANTINED = "quarantined", "quarantined"


class Movement(models.TextChoices):
    """How urgent a change is: a major one is valued without waiting for others."""

    MINOR = "minor", "minor"
    MAJOR = "major", "major"


class LineChange(models.Model):
    """One change of one quote. Append-only: a trigger refuses every update.

    A point move belongs to the quote at the new point and names the point it came from.
    """

    quote = models.ForeignKey(
        Quote, on_delete=models.CASCADE, related_name="changes", db_index=False
    )
    # Held true by the quote's own reference; a second check per row would slow every ingest.
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
    classification = models.CharField(max_length=5, choices=Movement)
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
            # API stream: major moves from a moment on
            models.Index(
                name="line_change_major",
                fields=["recorded_at", "id"],
                condition=Q(classification="major"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.old_price} → {self.new_price}"
