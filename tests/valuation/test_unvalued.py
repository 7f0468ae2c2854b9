"""What a recompute reads: each quote with what its own bookmaker and feed say, of one moment."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.utils import timezone

from betting.models import Clock, Feed, Market, Provider, Quote
from tests.support import rows
from valuation.unvalued import UnvaluedMarkets, read

pytestmark = pytest.mark.django_db

LIMIT_SECONDS = 200.0


def unvalued_market(**fields: Any) -> Market:
    return rows.make_market(version=2, valued_version=1, **fields)


def quoted(market: Market, feed: Feed, **fields: Any) -> Quote:
    return rows.make_quote(rows.make_outcome(market, "Home"), feed, **fields)


def ages(unvalued: UnvaluedMarkets) -> dict[int, float]:
    return dict(zip(unvalued.quote_ids.tolist(), unvalued.ages.tolist(), strict=True))


def test_every_quote_comes_with_what_its_own_outcome_and_bookmaker_say() -> None:
    feed, market = rows.make_feed(), unvalued_market(kind="totals")
    # Made in one order and quoted in another, so that no column fits by chance.
    bookmakers = [rows.make_bookmaker(weight=n, commission=n / 100) for n in range(4)][::-1]
    outcomes = [rows.make_outcome(market, "Over", point=n, line=n) for n in range(3)]
    for number, (bookmaker, outcome) in enumerate(product(bookmakers, outcomes)):
        rows.make_quote(outcome, feed, price=2 + number, bookmaker=bookmaker)

    board = read([market.pk]).board

    columns = (
        board.outcome_id,
        board.line,
        board.bookmaker_id,
        board.price,
        board.weight,
        board.commission,
    )
    assert sorted(zip(*(column.tolist() for column in columns), strict=True)) == sorted(
        Quote.objects.values_list(
            "outcome",
            "outcome__line",
            "bookmaker",
            "price",
            "bookmaker__weight",
            "bookmaker__commission",
        )
    )


def test_only_unvalued_markets_and_active_quotes_are_read() -> None:
    feed, market, ended = rows.make_feed(), unvalued_market(), unvalued_market()
    ended.event.status = "ended"
    ended.event.save()
    valued = rows.make_market(version=2, valued_version=2)
    active = quoted(market, feed)
    for nobody_reads, status in ((market, "suspended"), (ended, "active"), (valued, "active")):
        rows.make_quote(rows.make_outcome(nobody_reads, "Away"), feed, status=status)

    unvalued = read([ended.pk, valued.pk, market.pk, 10**9])

    assert sorted(unvalued.ids.tolist()) == [market.pk, ended.pk]
    assert unvalued.quote_ids.tolist() == [active.pk]


def test_nothing_is_read_of_markets_that_are_valued() -> None:
    unvalued = read([rows.make_market(version=2, valued_version=2).pk])

    assert (unvalued.ids.size, unvalued.board.price.size) == (0, 0)


def test_a_bookmakers_age_is_its_own_within_each_feed() -> None:
    # Of recordings, so that no time passes between the making of the rows and their reading.
    first, second = (
        rows.make_feed(
            rows.make_provider(clock=Clock.RECORDED, stale_after_seconds=LIMIT_SECONDS),
            observed_at=rows.NOON - timedelta(seconds=20),
        )
        for _ in range(2)
    )
    bookmaker = rows.make_bookmaker()
    market, other = (unvalued_market(changed_at=rows.NOON) for _ in range(2))
    for feed, silent, lasting in ((first, 30, 60), (second, 45, 300)):
        confirmed_at = rows.NOON - timedelta(seconds=silent)
        rows.make_feed_bookmaker(
            feed,
            bookmaker=bookmaker,
            confirmed_at=confirmed_at,
            expires_at=confirmed_at + timedelta(seconds=lasting),
        )
    expected = {
        quoted(market, first, bookmaker=bookmaker).pk: 30 / 60,
        quoted(other, second, bookmaker=bookmaker).pk: 45 / 300,
        # Of the other bookmaker only its feed is known to have been heard.
        rows.make_quote(rows.make_outcome(market, "Away"), first).pk: 20 / LIMIT_SECONDS,
    }

    unvalued = read([market.pk, other.pk])

    assert ages(unvalued) == expected
    assert not unvalued.board.is_stale.any()


def test_a_live_feeds_quotes_age_by_the_clock_and_are_on_the_board_at_any_age() -> None:
    feed = rows.make_feed(
        rows.make_provider(stale_after_seconds=LIMIT_SECONDS),
        observed_at=timezone.now() - timedelta(days=1),
    )
    quote = quoted(unvalued_market(changed_at=feed.observed_at), feed)

    unvalued = read([quote.market_id])

    silent = unvalued.read_at - feed.observed_at
    assert ages(unvalued) == pytest.approx({quote.pk: silent.total_seconds() / LIMIT_SECONDS})
    assert not unvalued.board.is_stale.any()


def test_a_recordings_quotes_are_as_old_as_their_markets_last_change() -> None:
    recording = rows.make_provider(clock=Clock.RECORDED, stale_after_seconds=LIMIT_SECONDS)
    feed = rows.make_feed(recording, observed_at=rows.NOON)
    fresh, old = (
        quoted(unvalued_market(changed_at=rows.NOON + timedelta(seconds=seconds)), feed)
        for seconds in (50, 500)
    )

    unvalued = read([fresh.market_id, old.market_id])

    assert ages(unvalued) == {fresh.pk: 50 / LIMIT_SECONDS, old.pk: 500 / LIMIT_SECONDS}
    assert unvalued.quote_ids[unvalued.board.is_stale].tolist() == [old.pk]


def test_what_was_heard_before_a_circuit_opened_is_not_read() -> None:
    market, broken = unvalued_market(), rows.make_provider()
    quoted(market, rows.make_feed(broken))
    sound = rows.make_quote(rows.make_outcome(market, "Away"), rows.make_feed())
    Provider.objects.filter(pk=broken.pk).update(generation=1)

    assert read([market.pk]).quote_ids.tolist() == [sound.pk]


def test_a_quote_is_as_old_as_its_own_market_at_its_bookmaker_within_its_feed() -> None:
    recording = rows.make_provider(clock=Clock.RECORDED, stale_after_seconds=LIMIT_SECONDS)
    feed, other_feed = (rows.make_feed(recording, observed_at=rows.NOON) for _ in range(2))
    markets = [unvalued_market(changed_at=rows.NOON) for _ in range(3)]
    bookmakers = [rows.make_bookmaker() for _ in range(3)]
    stuck_at = rows.NOON - timedelta(seconds=50)
    for bookmaker in bookmakers[1:]:
        rows.make_feed_bookmaker(
            feed,
            bookmaker=bookmaker,
            confirmed_at=rows.NOON,
            expires_at=rows.NOON + timedelta(seconds=LIMIT_SECONDS),
            lagging_markets=[10**9, markets[1].pk] if bookmaker == bookmakers[1] else [],
            lagging_ats=[rows.NOON, stuck_at] if bookmaker == bookmakers[1] else [],
        )
    outcomes = {market: rows.make_outcome(market, "Home") for market in markets}
    quotes = {
        (bookmaker, market, source): rows.make_quote(
            outcomes[market], source, bookmaker=bookmaker
        ).pk
        for bookmaker, market, source in [
            *product(bookmakers, markets, [feed]),
            (rows.make_bookmaker(), markets[1], other_feed),
        ]
    }

    unvalued = read([market.pk for market in markets])

    lagging = quotes[bookmakers[1], markets[1], feed]
    assert ages(unvalued) == {
        pk: 50 / LIMIT_SECONDS if pk == lagging else 0.0 for pk in quotes.values()
    }
    assert not unvalued.board.is_stale.any()


def test_a_live_quote_is_stale_once_its_market_has_been_declared_so_and_no_sooner() -> None:
    feed, market = rows.make_feed(), unvalued_market()
    declared, late = rows.make_bookmaker(), rows.make_bookmaker()
    for bookmaker in (declared, late):
        rows.make_feed_bookmaker(
            feed,
            bookmaker=bookmaker,
            lagging_markets=[market.pk],
            lagging_ats=[timezone.now() - timedelta(days=1)],
            stale_markets=[market.pk] if bookmaker == declared else [],
        )
    stale_quote = quoted(market, feed, bookmaker=declared)
    rows.make_quote(stale_quote.outcome, feed, bookmaker=late)

    unvalued = read([market.pk])

    assert unvalued.quote_ids[unvalued.board.is_stale].tolist() == [stale_quote.pk]
