"""When each bookmaker was last confirmed, which decides how long its prices are trusted."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from betting.models.market import Bookmaker
from betting.models.provider import Feed


class FeedBook(models.Model):
    """One bookmaker within a feed of a live provider.

    Confirmed means that the provider has looked at it again: its stamps moved on. Without stamps,
    every answer that lists it confirms it. `streaming.confirmations` keeps these rows.
    """

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="books", db_index=False)
    bookmaker = models.ForeignKey(Bookmaker, on_delete=models.CASCADE, db_index=False)
    confirmed_at = models.DateTimeField()
    expires_at = models.DateTimeField(
        help_text="unless it is confirmed before, its quotes are quarantined then"
    )
    silent_since = models.DateTimeField(
        null=True, blank=True, help_text="when they were; empty while it is heard"
    )
    gaps = ArrayField(
        models.IntegerField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="histogram of its completed gaps, see streaming.core.staleness",
    )

    class Meta:
        ordering = ["feed", "bookmaker"]
        constraints = [
            # ingest, recompute: the books of a feed
            models.UniqueConstraint(name="feed_book_unique", fields=["feed", "bookmaker"]),
        ]
        indexes = [
            # sweep: books that have gone unconfirmed for too long
            models.Index(
                name="feed_book_expiry",
                fields=["expires_at"],
                condition=Q(silent_since__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bookmaker} in {self.feed}"
