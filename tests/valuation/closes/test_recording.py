"""A recording with starts inside it closes as a plain reading of its tables says, however late."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from betting.models import Event, LineChange, Market, Quote, Side
from streaming.ingest.ingest import IngestPolicy, ingest
from streaming.providers.recording.adapter import read
from streaming.providers.registry import ADAPTERS
from tests.support.snapshots import make_provider
from tests.valuation.closes.by_hand import HandQuote, closes_by_hand, last_price
from valuation.closes.take import take
from valuation.models import ClosingPrice, ClosingQuote
from valuation.policy import ValuationPolicy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

RECORDING = Path(__file__).parents[2] / "recordings" / "simulated.jsonl.gz"
POLICY = ValuationPolicy()

Change = tuple[float, float | None, float | None]


def play(*, closing: bool) -> None:
    """Ingest the recording; with `closing`, take what is due after every answer."""
    provider, decoder = make_provider(adapter="recording"), ADAPTERS["recording"].decoder()
    for record in read(RECORDING):
        ingest(provider.pk, decoder.decode(record.request, record.response), IngestPolicy())
        if closing:
            take(POLICY)


def rows() -> tuple[list[Any], list[Any]]:
    """All that the closes say of the prices."""
    prices = ClosingPrice.objects.order_by("outcome").values_list(
        "outcome", "closes_at", "reason", "probability", "priced_at", "books"
    )
    quotes = ClosingQuote.objects.order_by("quote").values_list(
        "quote", "closes_at", "reason", "price", "seen_at"
    )
    # The last bit of a probability depends on what is computed beside it.
    rounded = [
        (*row[:3], None if row[3] is None else round(row[3], 12), *row[4:]) for row in prices
    ]
    return rounded, list(quotes)


def changes_before(event: Event) -> dict[int, list[Change]]:
    """The changes of each quote of an event before its start; a moved point is gone at the old."""
    found: dict[int, list[Change]] = defaultdict(list)
    for change in LineChange.objects.filter(
        quote__outcome__market__event=event, received_at__lt=event.commence_time
    ).order_by("id"):
        at = change.received_at.timestamp()
        found[change.quote_id].append((at, change.new_price, change.old_price))
        if change.kind == "point":
            held = change.quote
            (was,) = Quote.objects.filter(
                market=held.market_id, bookmaker=held.bookmaker_id, side=held.side,
                outcome__name=held.outcome.name, outcome__point=change.old_point,
            )  # fmt: skip
            found[was.pk].append((at, None, change.old_price))
    return found


def hand_quotes(event: Event) -> dict[int, list[HandQuote]]:
    """The quotes of an event that had a price before its start, by market."""
    changes = changes_before(event)
    quotes = Quote.objects.filter(pk__in=changes).select_related("outcome", "bookmaker")
    seen: dict[int, float] = defaultdict(float)
    for quote in quotes:
        seen[quote.feed_id] = max(seen[quote.feed_id], *(each[0] for each in changes[quote.pk]))
    found: dict[int, list[HandQuote]] = defaultdict(list)
    for quote in quotes:
        found[quote.market_id].append(
            HandQuote(
                id=quote.pk,
                outcome=quote.outcome_id,
                book=quote.bookmaker_id,
                is_lay=quote.side == Side.LAY,
                weight=quote.bookmaker.weight,
                commission=quote.bookmaker.commission or 0.0,
                seen=seen[quote.feed_id],
                changes=changes[quote.pk],
                line=quote.outcome.line,
            )
        )
    return found


def test_the_closes_of_a_recording_are_those_of_a_plain_reading() -> None:
    play(closing=True)

    closed = Event.objects.exclude(closed_for=None)
    assert closed.count() > 10
    checked = 0
    for event in closed:
        start = event.commence_time.timestamp()
        by_market = hand_quotes(event)
        assert set(by_market) == set(
            ClosingQuote.objects.filter(market__event=event).values_list("market", flat=True)
        )
        for market, quotes in by_market.items():
            by_hand = closes_by_hand(quotes, start, POLICY)
            prices = {each.outcome_id: each for each in ClosingPrice.objects.filter(market=market)}
            assert set(prices) == {quote.outcome for quote in quotes}
            for outcome, price in prices.items():
                close = by_hand.get(outcome)
                assert price.probability == pytest.approx(close and close.probability)
                assert (price.priced_at and price.priced_at.timestamp()) == (close and close.at)
                checked += close is not None
            closes = {each.quote_id: each for each in ClosingQuote.objects.filter(market=market)}
            for quote in quotes:
                last, row = last_price(quote, start), closes[quote.id]
                assert row.price == (last and last[0])
                assert (row.seen_at and row.seen_at.timestamp()) == (last and last[1])
    assert checked > 100
    assert Market.objects.filter(closing_prices=None).exists()  # of events that have yet to start


def test_workers_that_were_away_the_whole_time_close_alike() -> None:
    play(closing=True)
    in_time = rows()

    Event.objects.update(closed_for=None)
    while take(POLICY).events:
        pass

    assert rows() == in_time
