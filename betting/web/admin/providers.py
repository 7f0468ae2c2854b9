"""Providers, which operators edit, and their feeds."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Model, Q, QuerySet
from django.db.models import Field as ModelField
from django.forms import Field
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

from betting.admin_base.filters import by_choice, by_related, by_value, if_empty
from betting.admin_base.formatting import ABSENT, link, milliseconds, moment
from betting.admin_base.read_only import FactAdmin, ListMixin, Table, TablesMixin
from betting.admin_base.unfold_types import LISTS_ON_ONE_LINE, ThemedAdmin, badge, number
from betting.models import Feed, FeedBookmaker, Provider
from streaming.admin.circuits import STATE_COLOURS
from streaming.core.durations import spoken
from streaming.forms.provider import ProviderForm
from streaming.models import PollRun
from streaming.providers.registry import ADAPTERS

POLLS_SHOWN = 20


@admin.register(Provider)
class ProviderAdmin(TablesMixin, ListMixin, ThemedAdmin):
    """Providers: the model by which operators configure the stream.

    `manage.py provider remove` deletes one: it says what is deleted along with a provider, and
    needs no page that lists all of it.
    """

    form = ProviderForm
    formfield_overrides = LISTS_ON_ONE_LINE
    list_display = (
        "key",
        "adapter",
        "is_enabled",
        "circuit_state",
        "interval",
        "next_poll",
        "credits_left",
    )
    list_filter = ("enabled", by_value("adapter"), by_choice("clock"))
    search_fields = ("key", "base_url", "sports")
    list_select_related = ("circuit",)
    readonly_fields = (
        "next_poll_at",
        "risk",
        "plan",
        "estimate",
        "credits_left",
        "quota_used",
        "quota_resets_at",
        "quota_poll_cost",
        "paced_interval_seconds",
        "created_at",
    )
    fieldsets = (
        (None, {"fields": ("key", "adapter", "base_url", "api_key_env", "enabled")}),
        (
            "What is asked",
            {
                "fields": (
                    "sports",
                    "markets",
                    "event_markets",
                    "regions",
                    "bookmakers",
                    "odds_format",
                )
            },
        ),
        (
            "When",
            {
                "fields": (
                    "interval_seconds",
                    "stale_after_seconds",
                    "clock",
                    "next_poll_at",
                    "risk",
                    "plan",
                    "estimate",
                )
            },
        ),
        (
            "Account",
            {
                "fields": (
                    "credits_left",
                    "quota_used",
                    "quota_resets_at",
                    "quota_poll_cost",
                    "paced_interval_seconds",
                    "created_at",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        """Leave out what no page shows and may be long."""
        return super().get_queryset(request).defer("circuit__poll_memory")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002 - Django's signature
        """Return False: see the class."""
        return False

    def formfield_for_dbfield(
        self, db_field: ModelField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Field | None:
        """Offer a choice of adapters."""
        if db_field.name == "adapter":
            kwargs["widget"] = UnfoldAdminSelectWidget(choices=[(key, key) for key in ADAPTERS])
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="enabled", boolean=True, ordering="enabled")
    def is_enabled(self, provider: Provider) -> bool:
        """Return True if it is polled."""
        return provider.enabled

    @badge("circuit", "circuit__state", STATE_COLOURS)
    def circuit_state(self, provider: Provider) -> str:
        """Return the state of its circuit, which says whether polls pass."""
        return provider.circuit.get_state_display()

    @admin.display(description="risk")
    def risk(self, provider: Provider) -> str:
        """Return the risk of its next calls, and what the throttle does about it."""
        circuit = getattr(provider, "circuit", None)
        return circuit.risk.words if circuit is not None and circuit.risk else ABSENT

    @admin.display(description="adaptive poll")
    def plan(self, provider: Provider) -> str:
        """Return when a plan would have it polled next, and why."""
        circuit = getattr(provider, "circuit", None)
        return circuit.plan.words if circuit is not None and circuit.plan else ABSENT

    @admin.display(description="change to poll, by estimate")
    def estimate(self, provider: Provider) -> str:
        """Return how long changes wait for a poll by its plan, and at even intervals."""
        circuit = getattr(provider, "circuit", None)
        plan = None if circuit is None else circuit.plan
        return (plan and plan.estimate_words) or ABSENT

    @admin.display(description="polled every", ordering="interval_seconds")
    def interval(self, provider: Provider) -> str:
        """Return its interval, and the longer one that saves credits where there is one."""
        paced = provider.paced_interval_seconds
        slower = f", now {spoken(paced)}: few credits are left" if paced else ""
        return f"{spoken(provider.interval_seconds)}{slower}"

    @admin.display(description="next poll", ordering="next_poll_at")
    def next_poll(self, provider: Provider) -> str:
        """Return when it is due."""
        return moment(provider.next_poll_at)

    @number
    @admin.display(description="credits left", ordering="quota_remaining")
    def credits_left(self, provider: Provider) -> str:
        """Return how many credits its account has left, if it says so."""
        left = provider.quota_remaining
        return ABSENT if left is None else f"{left:,.0f}"

    def tables(self, row: Provider) -> list[Table]:
        """Return its feeds and its latest polls."""
        is_silent = Q(books__silent_since__isnull=False)
        feeds = row.feeds.annotate(silent_books=Count("books", filter=is_silent)).order_by("key")
        polls = PollRun.objects.filter(provider=row).order_by("-id")[:POLLS_SHOWN]
        return [
            Table(
                "Feeds",
                ("feed", "last answer", "silent bookmakers", "admitted"),
                [
                    (
                        link(feed, feed.key),
                        moment(feed.observed_at),
                        feed.silent_books,
                        "yes" if feed.generation == row.generation else "no",
                    )
                    for feed in feeds
                ],
                numbers=frozenset({"silent bookmakers"}),
            ),
            Table(
                "Latest polls",
                ("started", "feed", "outcome", "quotes", "changes", "took", "failure"),
                [
                    (
                        link(poll, moment(poll.started_at)),
                        poll.feed,
                        poll.get_outcome_display(),
                        poll.quotes_seen,
                        poll.changes,
                        milliseconds(poll.duration_ms),
                        poll.failure_message,
                    )
                    for poll in polls
                ],
                numbers=frozenset({"quotes", "changes", "took"}),
                note=f"The newest {POLLS_SHOWN}.",
            ),
        ]


@admin.register(Feed)
class FeedAdmin(FactAdmin):
    """The requests that have been answered, and when each was last answered."""

    list_display = ("key", "provider", "observed_at", "is_admitted")
    list_filter = (by_related("provider"),)
    search_fields = ("key", "provider__key")
    list_select_related = ("provider",)

    @admin.display(description="admitted", boolean=True)
    def is_admitted(self, feed: Feed) -> bool:
        """Return True if a complete answer has come since its provider's circuit last opened."""
        return feed.generation == feed.provider.generation


@admin.register(FeedBookmaker)
class FeedBookmakerAdmin(FactAdmin):
    """The confirmation of each bookmaker of a feed, and until when it is trusted."""

    list_display = (
        "bookmaker_title",
        "feed",
        "confirmed",
        "expires",
        "silent",
        "lagging",
    )
    list_filter = (by_related("feed__provider"), if_empty("silent_since"))
    search_fields = ("=bookmaker__key", "feed__key")
    list_select_related = ("bookmaker", "feed")

    @admin.display(description="bookmaker", ordering="bookmaker__title")
    def bookmaker_title(self, book: FeedBookmaker) -> str:
        """Return the bookmaker's title."""
        return book.bookmaker.title

    @admin.display(description="confirmed", ordering="confirmed_at")
    def confirmed(self, book: FeedBookmaker) -> str:
        """Return when it was last confirmed."""
        return moment(book.confirmed_at)

    @admin.display(description="trusted until", ordering="expires_at")
    def expires(self, book: FeedBookmaker) -> str:
        """Return when its prices become stale if nothing confirms them."""
        return moment(book.expires_at)

    @admin.display(description="silent since", ordering="silent_since")
    def silent(self, book: FeedBookmaker) -> str:
        """Return since when it has not been confirmed for too long."""
        return moment(book.silent_since)

    @number
    @admin.display(description="too old / lagging")
    def lagging(self, book: FeedBookmaker) -> str:
        """Return the numbers of its markets that are too old to be valued and that lag behind."""
        return f"{len(book.stale_markets)} / {len(book.lagging_markets)}"
