"""The last confirmation of each bookmaker, which decides how long its prices are trusted."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from betting.models.market import Bookmaker
from betting.models.provider import Feed

MAX_POLLS = 10
"""The most polls that are counted to have seen a price."""


class FeedBookmaker(models.Model):
    """One bookmaker within a feed.

    The provider confirms a bookmaker when it looks at it again, which moves its stamps on. Without
    stamps, every answer that lists it confirms it. `streaming.ingest.confirmations` keeps these
    rows; for recordings, only if they have stamps.

    The prices of all its markets are trusted for `expires_at − confirmed_at` after `confirmed_at`,
    except those of `lagging_markets`: each of these is trusted for as long after its own time in
    `lagging_ats`. Deleted markets may still be listed there.

    `polled_ats` says how many polls have seen a price: the one that brought it, and those that
    came later. It holds one time less than polls are counted.
    """

    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="books", db_index=False)
    bookmaker = models.ForeignKey(Bookmaker, on_delete=models.CASCADE, db_index=False)
    confirmed_at = models.DateTimeField()
    expires_at = models.DateTimeField(
        help_text="unless it is confirmed before, its quotes are quarantined then"
    )
    silent_since = models.DateTimeField(
        null=True, blank=True, help_text="when they were; empty while it is confirmed"
    )
    gaps = ArrayField(
        models.IntegerField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="histogram of its completed gaps, see streaming.core.staleness",
    )
    lagging_markets = ArrayField(
        models.BigIntegerField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="ids of the markets that the provider last looked at before the others",
    )
    lagging_ats = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="when it looked at each of them",
    )
    polled_ats = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="arrivals of the newest complete answers in which the provider had looked again",
    )
    stale_markets = ArrayField(
        models.BigIntegerField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="ids of the markets whose prices are too old to be valued",
    )
    next_stale_at = models.DateTimeField(
        null=True, blank=True, help_text="when the next of those that lag becomes too old"
    )

    class Meta:
        db_table = "betting_feedbook"
        ordering = ["feed", "bookmaker"]
        constraints = [
            # ingest, recompute: the books of a feed
            models.UniqueConstraint(name="feed_book_unique", fields=["feed", "bookmaker"]),
            models.CheckConstraint(
                name="feed_book_lagging_markets_have_times",
                condition=Q(lagging_markets__len=F("lagging_ats__len")),
            ),
            models.CheckConstraint(
                name="feed_book_polls_are_bounded", condition=Q(polled_ats__len__lt=MAX_POLLS)
            ),
        ]
        indexes = [
            # sweep: books that have gone unconfirmed for too long
            models.Index(
                name="feed_book_expiry",
                fields=["expires_at"],
                condition=Q(silent_since__isnull=True),
            ),
            # sweep: books one of whose markets has become too old
            models.Index(
                name="feed_book_next_stale",
                fields=["next_stale_at"],
                condition=Q(next_stale_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bookmaker} in {self.feed}"
