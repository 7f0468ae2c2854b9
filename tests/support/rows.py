"""Rows for tests that need some in the database. Names count up, so that no two collide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

from betting.models import (
    Bookmaker,
    ChangeKind,
    DoubtfulMatch,
    DoubtReason,
    Event,
    EventAlias,
    Feed,
    FeedBookmaker,
    LineChange,
    Market,
    MoveClass,
    Outcome,
    ParticipantAlias,
    Provider,
    Quote,
    QuoteStatus,
    RivalQuote,
    SettingChange,
    Side,
    Sport,
)
from streaming.core.throttle import ThrottlePolicy
from streaming.models import (
    Alert,
    AlertSubscriber,
    BaselineSnapshot,
    Circuit,
    CircuitMode,
    CircuitState,
    CircuitTransition,
    DeadLetter,
    DeadLetterAction,
    DeliveryOutcome,
    DeliveryRun,
    FeedCircuit,
    HealthSnapshot,
    PollOutcome,
    PollRun,
    SubscriberRecord,
    WebhookSubscriber,
)
from streaming.notifications.webhooks import subscribe
from valuation.models import (
    CloseReason,
    ClosingPrice,
    ClosingQuote,
    Edge,
    EdgeClosing,
    FairPrice,
    FairPriceState,
    Opportunity,
    OpportunityKind,
    RecomputeRun,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

_numbers = count(1)


def _next(prefix: str) -> str:
    return f"{prefix}_{next(_numbers)}"


def make_provider(**fields: Any) -> Provider:
    """A provider that could be polled, were there one at its address."""
    values = {
        "key": _next("provider"),
        "adapter": "the_odds_api",
        "base_url": "http://127.0.0.1:9",
        "sports": ["basketball_nba"],
        "markets": ["h2h"],
        "regions": ["us"],
    }
    return Provider.objects.create(**{**values, **fields})


def make_feed(provider: Provider | None = None, **fields: Any) -> Feed:
    """A feed heard just now."""
    values = {
        "provider": provider or make_provider(),
        "key": f"/v4/sports/{_next('sport')}/odds?markets=h2h",
        "observed_at": datetime.now(UTC),
    }
    return Feed.objects.create(**{**values, **fields})


def make_feed_circuit(provider: Provider | None = None, **fields: Any) -> FeedCircuit:
    """A feed that polls ask for, and that answers."""
    values = {
        "provider": provider or make_provider(),
        "feed": f"/v4/sports/{_next('sport')}/odds?markets=h2h",
    }
    return FeedCircuit.objects.create(**{**values, **fields})


def make_event(provider: Provider | None = None, **fields: Any) -> Event:
    """An event; given a provider, one that it knows."""
    values = {
        "sport": fields.pop("sport", None) or make_sport(),
        "home": _next("Home"),
        "away": _next("Away"),
        "commence_time": NOON + timedelta(days=36_500),  # not in play while the tests run
    }
    event = Event.objects.create(**{**values, **fields})
    if provider is not None:
        EventAlias.objects.create(event=event, provider=provider, external_id=_next("event"))
    return event


def make_sport(**fields: Any) -> Sport:
    key = _next("sport")
    return Sport.objects.create(**{"key": key, "title": key.title(), **fields})


def make_setting_change(**fields: Any) -> SettingChange:
    values: dict[str, Any] = {"name": "HARDLINE_VALUATION_MIN_BOOKS", "changed_by": "ana"}
    return SettingChange.objects.create(**{**values, **fields})


def make_participant_alias(**fields: Any) -> ParticipantAlias:
    values = {"family": "harbour", "name": _next("name"), "canonical": _next("team")}
    return ParticipantAlias.objects.create(**{**values, **fields})


def make_doubt(provider: Provider | None = None, **fields: Any) -> DoubtfulMatch:
    """An event of a provider that may be one of another provider's."""
    provider = provider or make_provider()
    sport = make_sport(key=_next("harbour"))
    values = {
        "event": fields.pop("event", None) or make_event(provider, sport=sport),
        "candidate": fields.pop("candidate", None) or make_event(make_provider(), sport=sport),
        "provider": provider,
        "reason": DoubtReason.START,
    }
    return DoubtfulMatch.objects.create(**{**values, **fields})


def make_bookmaker(**fields: Any) -> Bookmaker:
    key = _next("book")
    return Bookmaker.objects.create(**{"key": key, "title": key.title(), **fields})


def make_market(event: Event | None = None, **fields: Any) -> Market:
    return Market.objects.create(**{"event": event or make_event(), "kind": "h2h", **fields})


def make_outcome(market: Market, name: str, **fields: Any) -> Outcome:
    return Outcome.objects.create(market=market, name=name, **fields)


def make_quote(outcome: Outcome, feed: Feed, price: float = 2.0, **fields: Any) -> Quote:
    """An active back price, changed at noon."""
    values = {
        "market": outcome.market,
        "bookmaker": fields.pop("bookmaker", None) or make_bookmaker(),
        "side": Side.BACK,
        "status": QuoteStatus.ACTIVE,
        "source_at": NOON,
        "changed_at": NOON,
    }
    return Quote.objects.create(outcome=outcome, feed=feed, price=price, **{**values, **fields})


def make_rival(quote: Quote, price: float, feed: Feed | None = None, **fields: Any) -> RivalQuote:
    """What another provider, heard just now, says of the quote."""
    values = {"market": quote.market, "looked_at": NOON}
    return RivalQuote.objects.create(
        quote=quote, feed=feed or make_feed(), price=price, **{**values, **fields}
    )


def make_change(quote: Quote, **fields: Any) -> LineChange:
    """By default, the change that opened the quote."""
    values = {
        "market": quote.market,
        "kind": ChangeKind.OPENED,
        "new_price": quote.price,
        "classification": MoveClass.MINOR,
        "received_at": quote.changed_at,
    }
    return LineChange.objects.create(quote=quote, **{**values, **fields})


def make_fair_price(outcome: Outcome, probability: float | None = 0.5, **fields: Any) -> FairPrice:
    """A fair price; without a probability, none, with its reason."""
    is_ok = probability is not None
    values = {
        "market": outcome.market,
        "state": FairPriceState.OK if is_ok else FairPriceState.NONE,
        "reason": "" if is_ok else "fewer than 3 bookmakers",
        "method": "power",
        "books": 5,
        "version": 1,
        "valued_at": NOON,
    }
    return FairPrice.objects.create(
        outcome=outcome, probability=probability, **{**values, **fields}
    )


def make_closing_price(outcome: Outcome, **fields: Any) -> ClosingPrice:
    """The close of an outcome of an event that started at noon; without a probability, none."""
    values = {
        "market": outcome.market,
        "closes_at": NOON,
        "probability": 0.5,
        "priced_at": NOON,
        "method": "power",
        "books": 5,
        "version": 1,
        "taken_at": NOON,
    }
    return ClosingPrice.objects.create(outcome=outcome, **{**values, **fields})


def make_closing_quote(quote: Quote, **fields: Any) -> ClosingQuote:
    """The last price of a quote before noon."""
    values = {
        "market": quote.market,
        "closes_at": NOON,
        "price": quote.price,
        "seen_at": NOON,
        "version": 1,
        "taken_at": NOON,
    }
    return ClosingQuote.objects.create(quote=quote, **{**values, **fields})


def make_edge(quote: Quote, probability: float = 0.55, **fields: Any) -> Edge:
    """An open edge on the quote's price."""
    ev = probability * quote.price - 1
    values = {
        "market": quote.market,
        "opened_at": NOON,
        "opened_price": quote.price,
        "opened_probability": probability,
        "price": quote.price,
        "ev": ev,
        "kelly": ev / (quote.price - 1),
        "advised": 0.02,
        "hold": 0.04,
        "books": 5,
        "peak_ev": ev,
        "version": 1,
        "updated_at": NOON,
    }
    return Edge.objects.create(quote=quote, probability=probability, **{**values, **fields})


def make_edge_closing(edge: Edge, clv: float = 0.02, **fields: Any) -> EdgeClosing:
    """What an edge was worth by the close of an event that started at noon."""
    values = {
        "market": edge.market,
        "closes_at": NOON,
        "probability": (1 + clv) / edge.opened_price,
        "books": 5,
        "by_others": True,
        "opened_ev": edge.opened_probability * edge.opened_price - 1,
        "opened_clv": clv,
        "best_price": edge.opened_price,
        "best_clv": clv,
        "ahead_seconds": 7_200.0,
        "open_seconds": 600.0,
        "version": 1,
        "taken_at": datetime.now(UTC),
    }
    return EdgeClosing.objects.create(edge=edge, **{**values, **fields})


def make_opportunity(*legs: Quote, **fields: Any) -> Opportunity:
    """An open opportunity of back bets: what they are worth together decides whether it pays.

    With a `gap` it is a middle, which wins both at best.
    """
    booksum = sum(1 / quote.price for quote in legs)
    profit, gap = 1 / booksum - 1, fields.get("gap")
    best = profit if gap is None else 2 / booksum - 1
    kind = OpportunityKind.ARBITRAGE if profit > 0 else OpportunityKind.LOW_HOLD
    values = {
        "market": legs[0].market,
        "kind": kind if gap is None else OpportunityKind.MIDDLE,
        "quotes": [quote.pk for quote in legs],
        "bookmakers": [quote.bookmaker_id for quote in legs],
        "prices": [quote.price for quote in legs],
        "parts": [1 / quote.price / booksum for quote in legs],
        "booksum": booksum,
        "profit": profit,
        "worst": profit,
        "best": best,
        "break_even": None if gap is None else -profit / (best - profit),
        "in_play": False,
        "version": 1,
        "opened_at": NOON,
        "updated_at": NOON,
    }
    return Opportunity.objects.create(**{**values, **fields})


_Closable = TypeVar("_Closable", Edge, Opportunity)


def close(row: _Closable) -> _Closable:
    row.closed_at, row.close_reason = NOON + timedelta(minutes=5), CloseReason.GONE
    row.save(update_fields=["closed_at", "close_reason"])
    return row


def make_poll_run(provider: Provider, **fields: Any) -> PollRun:
    values = {"feed": "/v4/sports/x/odds", "outcome": PollOutcome.OK, "duration_ms": 12.5}
    return PollRun.objects.create(provider=provider, **{**values, **fields})


def make_feed_bookmaker(feed: Feed, **fields: Any) -> FeedBookmaker:
    """A bookmaker of the feed, confirmed just now."""
    now = datetime.now(UTC)
    values = {
        "bookmaker": fields.pop("bookmaker", None) or make_bookmaker(),
        "confirmed_at": now,
        "expires_at": now + timedelta(minutes=2),
    }
    return FeedBookmaker.objects.create(feed=feed, **{**values, **fields})


RISKY = {
    "learnt": 60,
    "mean": -1.0,
    "latest": 1.2,
    "latency_sum": ThrottlePolicy().latency_alarm,
    "requests": 10.0,
    "held": 3,
}
"""The calls of a provider whose answers take 3.3 s, usually 0.4 s, as its circuit has them."""

PLANNED = {
    "version": 40,
    "at": NOON.timestamp(),
    "seconds": 41.0,
    "even_seconds": 30.0,
    "reason": "prices changed in 3 of the last 10 polls and the next event starts in 12 min",
    "saved": 12.5,
    "waits": {
        "< 3 h": {"changes": 20.0, "even_seconds": 300.0, "adaptive_seconds": 180.0},
        "> 24 h": {"changes": 10.0, "even_seconds": 150.0, "adaptive_seconds": 155.0},
    },
}
"""A plan of polls, as a circuit has it."""


def make_circuit(provider: Provider, **fields: Any) -> Circuit:
    return Circuit.objects.create(provider=provider, **fields)


def make_transition(provider: Provider, **fields: Any) -> CircuitTransition:
    """The calls have opened the provider's circuit."""
    values = {
        "at": NOON,
        "from_state": CircuitState.CLOSED,
        "to_state": CircuitState.OPEN,
        "mode": CircuitMode.AUTOMATIC,
        "reason": "3 failures in a row",
    }
    return CircuitTransition.objects.create(provider=provider, **{**values, **fields})


def make_webhook(**fields: Any) -> WebhookSubscriber:
    """A webhook that has a record; nobody listens at its address."""
    values = {"name": _next("webhook"), "url": "http://127.0.0.1:9/events"}
    webhook = WebhookSubscriber(**{**values, **fields})
    subscribe(webhook)
    SubscriberRecord.objects.create(subscriber=webhook.key)
    return webhook


def make_alert_subscriber(**fields: Any) -> AlertSubscriber:
    """A subscriber to alerts about all edges; nobody listens at its address."""
    values = {
        "name": _next("alerts"),
        "service": "json",
        "url": "json://127.0.0.1:9/s3cret",
        "created_at": NOON,
        "timing": "both",
    }
    return AlertSubscriber.objects.create(**{**values, **fields})


def make_alert(subscriber: AlertSubscriber, **fields: Any) -> Alert:
    """A check's new status, not yet sent."""
    values = {
        "topic": "health",
        "about": _next("check"),
        "state": "fail",
        "text": "Health: it fails",
        "happened_at": NOON,
        "delivery_id": uuid4(),
        "claimed_at": NOON,
    }
    return Alert.objects.create(subscriber=subscriber, **{**values, **fields})


def make_delivery_run(subscriber: str, **fields: Any) -> DeliveryRun:
    values = {"delivery_id": uuid4(), "started_at": NOON, "events": 3, "duration_ms": 8.5}
    outcome = DeliveryOutcome.DELIVERED
    return DeliveryRun.objects.create(
        **{"subscriber": subscriber, "outcome": outcome, **values, **fields}
    )


def make_health_snapshot(**fields: Any) -> HealthSnapshot:
    """All was well."""
    values = {"taken_at": NOON, "counted_until": NOON, "status": "pass", "score": 100}
    return HealthSnapshot.objects.create(**{**values, **fields})


def make_recompute_run(**fields: Any) -> RecomputeRun:
    values = {
        "trigger": "batch",
        "duration_ms": 3.25,
        "markets": 2,
        "valued": 1,
        "edges_opened": 1,
        "edges_closed": 0,
    }
    return RecomputeRun.objects.create(**{**values, **fields})


def make_baseline_snapshot(**fields: Any) -> BaselineSnapshot:
    values = {"label": "a quiet evening", "seconds": 60.0, "schema": 1, "baseline": {}}
    return BaselineSnapshot.objects.create(**{**values, **fields})


@dataclass(frozen=True, slots=True)
class Board:
    """An event with one market on it, quoted, valued and with its history."""

    provider: Provider
    feed: Feed
    event: Event
    market: Market
    outcomes: list[Outcome]
    quotes: list[Quote] = field(default_factory=list)


def make_voices(outcomes: Sequence[Outcome], feed: Feed, number: int) -> list[Bookmaker]:
    """Bookmakers, none of whose prices is an edge, that back each outcome for a consensus."""
    bookmakers = [make_bookmaker() for _ in range(number)]
    for outcome in outcomes:
        for bookmaker in bookmakers:
            make_quote(outcome, feed, 1.8, bookmaker=bookmaker)
    return bookmakers


def make_board(
    *prices: tuple[float, float], provider: Provider | None = None, voices: int = 0
) -> Board:
    """A two-way market, with one bookmaker for each pair of prices.

    Every quote has opened, every outcome a fair price, the first quote an open edge and the
    last a closed one. With `voices` so many other bookmakers vouch for them, in a feed of theirs.
    """
    provider = provider or make_provider()
    feed = make_feed(provider)
    event = make_event(provider)
    market = make_market(event)
    outcomes = [make_outcome(market, name) for name in (event.home, event.away)]
    board = Board(provider, feed, event, market, outcomes)
    for pair in prices:
        bookmaker = make_bookmaker()
        for outcome, price in zip(outcomes, pair, strict=True):
            quote = make_quote(outcome, feed, price, bookmaker=bookmaker)
            make_change(quote)
            board.quotes.append(quote)
    if voices:
        make_voices(outcomes, make_feed(provider), voices)
    for outcome in outcomes:
        make_fair_price(outcome)
    if board.quotes:
        make_edge(board.quotes[0])
        close(make_edge(board.quotes[-1]))
    return board


def make_dead_letter(**fields: Any) -> DeadLetter:
    """A task that failed, as it is listed."""
    values = {
        "kind": "exception",
        "task": "valuation.recompute_markets",
        "args": [[1], "batch"],
        "queue": "valuation",
        "exception": "builtins.LookupError",
        "message": "no market",
        "fingerprint": "00ff00ff00ff00ff",
        "digest": _next("digest"),
        "first_seen": NOON,
        "last_seen": NOON,
    }
    return DeadLetter.objects.create(**{**values, **fields})


def make_dead_letter_action(letter: DeadLetter, **fields: Any) -> DeadLetterAction:
    """A replay that failed."""
    values = {"action": "replay", "outcome": "failed", "requested_by": "ana", "task": letter.task}
    return DeadLetterAction.objects.create(letter=letter, **{**values, **fields})
