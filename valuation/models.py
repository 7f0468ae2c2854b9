"""Fair prices, edges, opportunities, and the runs that computed them."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from betting.models import Bookmaker, Event, Market, Outcome, Quote


class FairPriceState(models.TextChoices):
    """The state of an outcome's fair price: whether there is one."""

    OK = "ok", "fair price"
    NONE = "none", "no fair value"


UNCONFIRMED = "too few bookmakers are still confirmed"
UNVALUED = "its quotes or their terms have changed, and nothing has valued them since"
"""The reasons why a fair price does not hold any more."""


class FairPrice(models.Model):
    """The consensus probability of one outcome, or the reason why there is none.

    Attributes:
        is_unvalued, is_stale: what `valuation.vouching.fair_prices` adds. Only rows of it say what
            may be shown of them now.
    """

    is_unvalued: bool
    is_stale: bool

    outcome = models.OneToOneField(Outcome, on_delete=models.CASCADE, related_name="fair_price")
    # A copy of the outcome's market, kept valid by the outcome's own reference to it.
    market = models.ForeignKey(
        Market, on_delete=models.CASCADE, related_name="fair_prices", db_constraint=False
    )
    state = models.CharField(max_length=4, choices=FairPriceState)
    reason = models.CharField(max_length=200, blank=True, db_default="")
    probability = models.FloatField(null=True, blank=True)
    method = models.CharField(max_length=16)
    books = models.IntegerField(help_text="bookmakers in the consensus")
    version = models.BigIntegerField(help_text="the market version it was computed from")
    valued_at = models.DateTimeField()

    class Meta:
        ordering = ["market", "outcome"]
        constraints = [
            models.CheckConstraint(
                name="fair_price_has_probability_or_reason",
                condition=Q(state="ok", probability__isnull=False, reason="")
                | Q(state="none", probability__isnull=True) & ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="fair_price_probability_in_range",
                condition=Q(probability__isnull=True) | Q(probability__gt=0) & Q(probability__lt=1),
            ),
        ]

    def __str__(self) -> str:
        return f"fair price of {self.outcome}"

    @property
    def fair_odds(self) -> float | None:
        """Decimal odds without margin, 1 / probability; None where there is no fair value."""
        return None if self.probability is None else 1 / self.probability

    @property
    def current_state(self) -> str:
        """One of `FairPriceState`: that there is none where it does not hold any more."""
        return FairPriceState.NONE.value if self.is_stale else self.state

    @property
    def current_reason(self) -> str:
        """Why nothing is shown; empty where something is."""
        if not self.is_stale:
            return self.reason
        return UNVALUED if self.is_unvalued else UNCONFIRMED

    @property
    def current_probability(self) -> float | None:
        """The probability while it holds."""
        return None if self.is_stale else self.probability

    @property
    def current_fair_odds(self) -> float | None:
        """The fair odds while they hold."""
        return None if self.is_stale else self.fair_odds


class CloseReason(models.TextChoices):
    """The reason why an edge, or an opportunity, closed."""

    GONE = "gone", "the price or the fair price moved"
    SUSPENDED = "suspended", "the quote was suspended"
    QUARANTINED = "quarantined", "the quote's provider, or bookmaker, went unheard"
    STALE = "stale", "the quote is no longer confirmed"
    NOT_A_VENUE = "not_a_venue", "the bookmaker is not a venue any more"
    NO_FAIR_VALUE = "no_fair_value", "the consensus no longer meets the rules"
    EVENT_ENDED = "event_ended", "the event ended"


IN_PLAY, OUTLIER, SUSPICIOUS = "in_play", "outlier", "suspicious"
CONTRADICTED = "contradicted"
"""Warnings that keep an edge out of the default list, and a stake from being advised."""

DOUBTFUL = [OUTLIER, SUSPICIOUS, CONTRADICTED]
"""Warnings that mark an edge as probably a mistake."""


class Edge(models.Model):
    """A quote that pays more than its fair price asks, from when it opened until it closed."""

    quote = models.ForeignKey(Quote, on_delete=models.CASCADE, related_name="edges")
    # A copy of the quote's market, kept valid by the quote's own reference to it.
    market = models.ForeignKey(
        Market,
        on_delete=models.CASCADE,
        related_name="edges",
        db_index=False,
        db_constraint=False,
    )
    opened_at = models.DateTimeField()
    opened_price = models.FloatField()
    opened_probability = models.FloatField()
    price = models.FloatField(help_text="decimal odds now, or when it closed")
    probability = models.FloatField(help_text="consensus of the other bookmakers")
    ev = models.FloatField(help_text="expected value per unit staked, net of commission")
    kelly = models.FloatField(help_text="full Kelly stake, fraction of the bankroll")
    advised = models.FloatField(help_text="advised stake, fraction of the bankroll")
    hold = models.FloatField(help_text="hold of the bookmaker's line, 1 − 1/booksum")
    books = models.IntegerField(help_text="other bookmakers in the consensus")
    warnings = ArrayField(models.CharField(max_length=16), default=list, db_default=[])
    peak_ev = models.FloatField()
    version = models.BigIntegerField(help_text="the market version it was last computed from")
    updated_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.CharField(
        max_length=16, choices=CloseReason, blank=True, default="", db_default=""
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            # recompute: the open edge of a quote
            models.UniqueConstraint(
                name="edge_one_open_per_quote",
                fields=["quote"],
                condition=Q(closed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="edge_closed_with_reason",
                condition=Q(closed_at__isnull=True, close_reason="")
                | Q(closed_at__isnull=False) & ~Q(close_reason=""),
            ),
            models.CheckConstraint(
                name="edge_peak_not_below_ev", condition=Q(peak_ev__gte=F("ev"))
            ),
            models.CheckConstraint(
                name="edge_doubtful_without_advice",
                condition=Q(advised=0) | ~Q(warnings__overlap=DOUBTFUL),
            ),
        ]
        indexes = [
            # recompute: a market's open edges
            models.Index(
                name="edge_market_open", fields=["market"], condition=Q(closed_at__isnull=True)
            ),
            # board, admin and API (pages by ev): open edges, best first
            models.Index(
                name="edge_best_open", fields=["-ev", "id"], condition=Q(closed_at__isnull=True)
            ),
            # API stream: edges that opened from a moment on
            models.Index(name="edge_opened", fields=["opened_at", "id"]),
            # API stream: edges that closed from a moment on; retention
            models.Index(
                name="edge_closed",
                fields=["closed_at", "id"],
                condition=Q(closed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ev:+.1%}"


class OpportunityKind(models.TextChoices):
    """The kind of an opportunity: what bets on one market are worth together."""

    ARBITRAGE = "arbitrage", "arbitrage"
    MIDDLE = "middle", "middle"
    LOW_HOLD = "low_hold", "low hold"


class Opportunity(models.Model):
    """Bets on one market that are worth something together, from when they were until no more.

    The legs are in arrays of equal length, in the order in which they are combined: the outcomes of
    a line, a back before its lay, or what wins above before what wins below.
    """

    market = models.ForeignKey(Market, on_delete=models.CASCADE, related_name="opportunities")
    kind = models.CharField(max_length=9, choices=OpportunityKind)
    # A quote goes with its market, or with its provider: both take the opportunity with them.
    quotes = ArrayField(models.BigIntegerField(), help_text="the legs' quotes")
    bookmakers = ArrayField(models.BigIntegerField(), help_text="the legs' bookmakers")
    prices = ArrayField(models.FloatField(), help_text="decimal odds, or when it closed")
    parts = ArrayField(
        models.FloatField(),
        help_text="to risk on each leg, of the total: a stake, or the liability of a lay",
    )
    booksum = models.FloatField(help_text="sum of 1/odds, net of commission")
    profit = models.FloatField(help_text="where one leg wins, of the total")
    worst = models.FloatField(help_text="profit at the worst result")
    best = models.FloatField(help_text="profit at the best result")
    gap = models.FloatField(null=True, blank=True, help_text="between the points of a middle")
    break_even = models.FloatField(
        null=True, blank=True, help_text="chance of the best result at which a middle pays"
    )
    in_play = models.BooleanField(help_text="whether the event had started when it was valued")
    version = models.BigIntegerField(help_text="the market version it was last computed from")
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    close_reason = models.CharField(
        max_length=16, choices=CloseReason, blank=True, default="", db_default=""
    )

    class Meta:
        verbose_name_plural = "opportunities"
        ordering = ["-id"]
        constraints = [
            # recompute: a market's open opportunities; board and API: all open ones
            models.UniqueConstraint(
                name="opportunity_one_open_per_legs",
                fields=["market", "kind", "quotes"],
                condition=Q(closed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="opportunity_kind_known", condition=Q(kind__in=OpportunityKind.values)
            ),
            models.CheckConstraint(
                name="opportunity_legs_are_whole",
                condition=Q(
                    quotes__len__gte=2,
                    bookmakers__len=F("quotes__len"),
                    prices__len=F("quotes__len"),
                    parts__len=F("quotes__len"),
                ),
            ),
            models.CheckConstraint(
                name="opportunity_only_a_middle_has_a_gap",
                condition=Q(kind="middle", gap__isnull=False, break_even__isnull=False)
                | ~Q(kind="middle") & Q(gap__isnull=True, break_even__isnull=True),
            ),
            models.CheckConstraint(
                name="opportunity_profit_fits_kind",
                condition=~Q(kind="arbitrage") & ~Q(kind="low_hold")
                | Q(kind="arbitrage", profit__gt=0)
                | Q(kind="low_hold", profit__lte=0),
            ),
            models.CheckConstraint(
                name="opportunity_worst_not_above_best", condition=Q(worst__lte=F("best"))
            ),
            models.CheckConstraint(
                name="opportunity_closed_with_reason",
                condition=Q(closed_at__isnull=True, close_reason="")
                | Q(closed_at__isnull=False) & ~Q(close_reason=""),
            ),
        ]
        indexes = [
            # retention; board: those that closed from a moment on
            models.Index(
                name="opportunity_closed",
                fields=["closed_at"],
                condition=Q(closed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.profit:+.1%}"


class ClosingPrice(models.Model):
    """The close of one outcome: its last fair price before its event started, or why it has none.

    Written once for each start, by `valuation.closes.take`. A start that moves replaces it.
    """

    outcome = models.OneToOneField(Outcome, on_delete=models.CASCADE, related_name="closing_price")
    # A copy of the outcome's market, kept valid by the outcome's own reference to it.
    market = models.ForeignKey(
        Market,
        on_delete=models.CASCADE,
        related_name="closing_prices",
        db_index=False,
        db_constraint=False,
    )
    closes_at = models.DateTimeField(help_text="the event's start")
    reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    probability = models.FloatField(null=True, blank=True)
    priced_at = models.DateTimeField(
        null=True, blank=True, help_text="the moment that was valued: the start, or just before "
        "prices were taken off"
    )  # fmt: skip
    method = models.CharField(max_length=16)
    books = models.IntegerField(help_text="bookmakers in the consensus")
    version = models.BigIntegerField(help_text="the market version when it was taken")
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ["market", "outcome"]
        constraints = [
            models.CheckConstraint(
                name="closing_price_has_probability_or_reason",
                condition=Q(probability__isnull=False, priced_at__isnull=False, reason="")
                | Q(probability__isnull=True, priced_at__isnull=True) & ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="closing_price_probability_in_range",
                condition=Q(probability__isnull=True) | Q(probability__gt=0) & Q(probability__lt=1),
            ),
            models.CheckConstraint(
                name="closing_price_not_after_start",
                condition=Q(priced_at__isnull=True) | Q(priced_at__lte=F("closes_at")),
            ),
        ]
        indexes = [
            # retention
            models.Index(name="closing_price_taken", fields=["taken_at"]),
        ]

    def __str__(self) -> str:
        return f"close of {self.outcome}"

    @property
    def fair_odds(self) -> float | None:
        """Decimal odds without margin, 1 / probability; None where there is no close."""
        return None if self.probability is None else 1 / self.probability


class ClosingQuote(models.Model):
    """The close of one quote: its bookmaker's last price before the event started, or why none."""

    quote = models.OneToOneField(Quote, on_delete=models.CASCADE, related_name="closing_quote")
    # A copy of the quote's market, kept valid by the quote's own reference to it.
    market = models.ForeignKey(
        Market,
        on_delete=models.CASCADE,
        related_name="closing_quotes",
        db_index=False,
        db_constraint=False,
    )
    closes_at = models.DateTimeField(help_text="the event's start")
    reason = models.CharField(max_length=200, blank=True, default="", db_default="")
    price = models.FloatField(null=True, blank=True, help_text="decimal odds")
    seen_at = models.DateTimeField(
        null=True, blank=True, help_text="when it was last seen before the start, or taken off"
    )
    version = models.BigIntegerField(help_text="the market version when it was taken")
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ["market", "quote"]
        constraints = [
            models.CheckConstraint(
                name="closing_quote_has_price_or_reason",
                condition=Q(price__isnull=False, seen_at__isnull=False, reason="")
                | Q(price__isnull=True, seen_at__isnull=True) & ~Q(reason=""),
            ),
            models.CheckConstraint(
                name="closing_quote_price_is_decimal_odds",
                condition=Q(price__isnull=True) | Q(price__gt=1) & Q(price__lte=1e6),
            ),
            models.CheckConstraint(
                name="closing_quote_not_after_start",
                condition=Q(seen_at__isnull=True) | Q(seen_at__lte=F("closes_at")),
            ),
        ]
        indexes = [
            # retention
            models.Index(name="closing_quote_taken", fields=["taken_at"]),
        ]

    def __str__(self) -> str:
        return f"close of {self.quote}"


class EdgeClosing(models.Model):
    """The closing line value of an edge: what a bet on it was worth by the close of its outcome.

    Of each edge that opened before the start, if its outcome has a close; written with that. CLV is
    `p·d − 1`, with p the probability that the bet wins by the close and d its net odds.
    """

    edge = models.OneToOneField(Edge, on_delete=models.CASCADE, related_name="closing")
    # A copy of the edge's market, kept valid by the edge's quote.
    market = models.ForeignKey(
        Market,
        on_delete=models.CASCADE,
        related_name="edge_closings",
        db_index=False,
        db_constraint=False,
    )
    closes_at = models.DateTimeField(help_text="the event's start")
    probability = models.FloatField(help_text="that the bet wins, by the close")
    books = models.IntegerField(help_text="bookmakers in that consensus")
    by_others = models.BooleanField(help_text="whether it leaves the edge's bookmaker out")
    opened_ev = models.FloatField(help_text="expected value when the edge opened")
    opened_clv = models.FloatField(help_text="CLV at the opening price")
    best_price = models.FloatField(help_text="the best while the edge was open, before the start")
    best_clv = models.FloatField(help_text="CLV at the best price")
    anchor = models.ForeignKey(
        Bookmaker,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="a sharp bookmaker whose own close judges as well",
    )
    anchor_probability = models.FloatField(null=True, blank=True)
    anchor_opened_clv = models.FloatField(null=True, blank=True)
    anchor_best_clv = models.FloatField(null=True, blank=True)
    ahead_seconds = models.FloatField(help_text="from when the edge opened to the start")
    open_seconds = models.FloatField(
        help_text="from when the edge opened until it closed, or to the start"
    )
    version = models.BigIntegerField(help_text="the market version when it was taken")
    taken_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="edge_closing_probability_in_range",
                condition=Q(probability__gt=0, probability__lt=1),
            ),
            models.CheckConstraint(
                name="edge_closing_best_not_below_opening",
                condition=Q(best_clv__gte=F("opened_clv")),
            ),
            models.CheckConstraint(
                name="edge_closing_anchor_is_whole",
                condition=Q(
                    anchor__isnull=True,
                    anchor_probability__isnull=True,
                    anchor_opened_clv__isnull=True,
                    anchor_best_clv__isnull=True,
                )
                | Q(
                    anchor__isnull=False,
                    anchor_probability__isnull=False,
                    anchor_opened_clv__isnull=False,
                    anchor_best_clv__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="edge_closing_opened_before_start",
                condition=Q(ahead_seconds__gt=0, open_seconds__gte=0),
            ),
        ]
        indexes = [
            # API, admin and board: the newest closes; retention
            models.Index(name="edge_closing_taken", fields=["taken_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.opened_clv:+.1%}"


class RecomputeTrigger(models.TextChoices):
    """The reason why a recompute was sent."""

    MAJOR = "major", "major move"
    FIRST = "first", "first change of a quiet market"
    BATCH = "batch", "coalesced batch"
    SWEEP = "sweep", "sweeper"


class RecomputeRun(models.Model):
    """One recompute message: how many markets it valued, and how late.

    Partitioned by `finished_at`, part of the primary key of the database: `betting.db.partitions`.
    """

    trigger = models.CharField(max_length=5, choices=RecomputeTrigger)
    finished_at = models.DateTimeField(db_default=Now())
    duration_ms = models.FloatField()
    markets = models.IntegerField(help_text="markets asked for")
    valued = models.IntegerField(
        help_text="markets valued, with those of their events that were taken along"
    )
    edges_opened = models.IntegerField()
    edges_closed = models.IntegerField()
    latency_ms_median = models.FloatField(
        null=True, blank=True, help_text="from commit of the change to commit of its value"
    )
    latency_ms_max = models.FloatField(null=True, blank=True)
    latency_counts = ArrayField(
        models.IntegerField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="markets by that latency, in the buckets of streaming.core.histogram; "
        "empty where none was valued",
    )
    latency_ms_sum = models.FloatField(default=0.0, db_default=0.0)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # rates and latency over a window; retention
            models.Index(name="recompute_run_finished", fields=["finished_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.trigger}: {self.markets} asked for, {self.valued} valued"


class Revaluation(models.Model):
    """An input of valuations that has changed: the markets it touches are valued again.

    Written in the transaction that changes the input, and worked off in steps by
    `valuation.revaluation`: each step raises markets' versions and moves `after_market` on.
    """

    bookmaker = models.ForeignKey(
        Bookmaker,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        help_text="whose markets; empty for all",
    )
    reason = models.CharField(max_length=200)
    requested_at = models.DateTimeField(db_default=Now(), editable=False)
    after_market = models.BigIntegerField(
        default=0, db_default=0, help_text="the last market whose version was raised"
    )

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.reason


class AppliedPolicy(models.Model):
    """The valuation settings and code that the newest process values by; one row."""

    fingerprint = models.CharField(max_length=64)
    applied_at = models.DateTimeField(help_text="when a process that had just started recorded it")

    class Meta:
        constraints = [
            models.CheckConstraint(name="applied_policy_is_one_row", condition=Q(pk=1)),
        ]

    def __str__(self) -> str:
        return self.fingerprint


class ResultStatus(models.TextChoices):
    """The way an event ended."""

    FINAL = "final", "final"
    VOID = "void", "cancelled or abandoned"


class Result(models.Model):
    """The result of an event; `valuation.results.grading` computes what outcomes become by it."""

    event = models.OneToOneField(Event, on_delete=models.CASCADE, related_name="result")
    status = models.CharField(max_length=5, choices=ResultStatus)
    home_score = models.IntegerField(null=True, blank=True)
    away_score = models.IntegerField(null=True, blank=True)
    source = models.CharField(max_length=32, help_text="who reported it")
    version = models.IntegerField(
        default=1, db_default=1, help_text="how often it was reported otherwise than before"
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-recorded_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="result_final_has_scores",
                # A comparison with NULL refuses nothing.
                condition=Q(status="final", home_score__isnull=False, away_score__isnull=False)
                & Q(home_score__gte=0, away_score__gte=0)
                | Q(status="void", home_score__isnull=True, away_score__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        if self.status == ResultStatus.VOID:
            return f"{self.event}: void"
        return f"{self.event}: {self.home_score}:{self.away_score}"


class Settlement(models.Model):
    """The payment of an exchange's contracts on an outcome; needs no score of the event."""

    outcome = models.OneToOneField(Outcome, on_delete=models.CASCADE, related_name="settlement")
    value = models.FloatField(
        null=True, blank=True, help_text="what a contract paid of a dollar; empty if it is void"
    )
    source = models.CharField(max_length=32, help_text="the exchange that paid it")
    version = models.IntegerField(
        default=1, db_default=1, help_text="how often it was reported otherwise than before"
    )
    recorded_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-recorded_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="settlement_value_is_share",
                condition=Q(value__isnull=True) | Q(value__gte=0, value__lte=1),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.outcome}: {'void' if self.value is None else f'{self.value:g}'}"
