"""Bookmakers of one price group count once for every reader, and a person says which they are."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from betting.models import Bookmaker, Clock, FeedBookmaker, Market, Quote
from tests.support import rows
from valuation import proposed_groups
from valuation.models import Edge, Revaluation
from valuation.proposed_groups import MIN_CHANGES, pairs
from valuation.unvalued import read
from valuation.vouching import edges, fair_prices

pytestmark = pytest.mark.django_db


@pytest.fixture
def board() -> rows.Board:
    """A market of a live provider with a fair price and an edge, and just enough others for it."""
    provider = rows.make_provider(clock=Clock.WALL, stale_after_seconds=120)
    board = rows.make_board((2.3, 2.3), (2.2, 1.7), provider=provider, voices=3)
    Market.objects.update(changed_at=timezone.now())
    for quote in Quote.objects.select_related("feed"):
        if not FeedBookmaker.objects.filter(feed=quote.feed, bookmaker=quote.bookmaker).exists():
            rows.make_feed_bookmaker(quote.feed, bookmaker=quote.bookmaker)
    return board


def others(edge: Edge) -> list[Bookmaker]:
    """Those that back the edge's outcome, without its own."""
    quotes = Quote.objects.filter(outcome=edge.quote.outcome).select_related("bookmaker")
    return [each.bookmaker for each in quotes if each.bookmaker_id != edge.quote.bookmaker_id]


def join(*bookmakers: Bookmaker) -> None:
    for bookmaker in bookmakers:
        bookmaker.price_group = "skins"
        bookmaker.save()


def is_stale(edge: Edge) -> bool:
    return bool(edges().get(pk=edge.pk).is_stale)


@pytest.mark.usefixtures("board")
def test_an_edge_is_not_vouched_for_by_skins_that_count_once() -> None:
    edge = Edge.objects.order_by("pk")[0]
    voices = others(edge)
    assert not is_stale(edge)
    join(*voices[: len(voices) - 1])
    assert is_stale(edge)


@pytest.mark.usefixtures("board")
def test_an_edge_is_not_vouched_for_by_a_skin_of_its_own_bookmaker() -> None:
    edge = Edge.objects.order_by("pk")[0]
    voices = others(edge)
    join(edge.quote.bookmaker, *voices[: len(voices) - 2])
    assert is_stale(edge)


@pytest.mark.usefixtures("board")
def test_a_fair_price_holds_while_one_of_the_skins_is_confirmed() -> None:
    price = fair_prices().filter(state="ok").order_by("outcome_id")[0]
    backing = Quote.objects.filter(outcome=price.outcome_id).order_by("bookmaker_id")
    first, second, *rest = (quote.bookmaker for quote in backing)
    join(first, second)
    long_ago = timezone.now() - timedelta(hours=1)
    # All but one skin and two others are gone.
    for bookmaker in (first, *rest[2:]):
        FeedBookmaker.objects.filter(bookmaker=bookmaker).update(
            confirmed_at=long_ago, expires_at=long_ago + timedelta(minutes=2)
        )
    assert not fair_prices().get(pk=price.pk).is_stale
    FeedBookmaker.objects.filter(bookmaker=second).update(
        confirmed_at=long_ago, expires_at=long_ago + timedelta(minutes=2)
    )
    assert fair_prices().get(pk=price.pk).is_stale


def test_a_recompute_reads_the_group_of_each_bookmaker() -> None:
    market = rows.make_market(rows.make_event(), version=2, valued_version=1)
    outcome = rows.make_outcome(market, market.event.home)
    first, second, apart = (rows.make_bookmaker() for _ in range(3))
    join(first, second)
    for bookmaker in (second, apart, first):
        rows.make_quote(outcome, rows.make_feed(), 2.0, bookmaker=bookmaker)
    found = read([market.pk]).board
    groups = dict(zip(found.bookmaker_id.tolist(), found.group_id.tolist(), strict=True))
    assert groups == {first.pk: first.pk, second.pk: first.pk, apart.pk: apart.pk}


def test_setting_a_group_values_the_markets_of_the_bookmaker_again() -> None:
    bookmaker = rows.make_bookmaker()
    call_command("bookmakers", "set", bookmaker.key, "--group", "skins", stdout=StringIO())
    assert Bookmaker.objects.get().price_group == "skins"
    assert Revaluation.objects.get().bookmaker == bookmaker
    call_command("bookmakers", "set", bookmaker.key, "--group", "none", stdout=StringIO())
    assert Bookmaker.objects.get().price_group == ""


def test_of_a_long_history_the_newest_changes_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    market = rows.make_market(rows.make_event())
    outcome = rows.make_outcome(market, market.event.home)
    quotes = [rows.make_quote(outcome, rows.make_feed(), 2.0) for _ in range(2)]
    for number in range(5):
        for quote in quotes:
            rows.make_change(
                quote, kind="price", old_price=2.0, new_price=2.1 + number,
                received_at=timezone.now() - timedelta(hours=5 - number),
            )  # fmt: skip
    monkeypatch.setattr(proposed_groups, "MAX_CHANGES", 6)
    (pair,) = pairs(7)
    assert (pair.changes, pair.share) == (3, 1.0)


def test_bookmakers_that_move_together_are_proposed_and_not_grouped() -> None:
    market = rows.make_market(rows.make_event())
    outcome = rows.make_outcome(market, market.event.home)
    provider = rows.make_provider()
    quotes = {
        key: rows.make_quote(
            outcome, rows.make_feed(provider), 2.0, bookmaker=rows.make_bookmaker(key=key)
        )
        for key in ("operator", "skin", "other")
    }
    begun = timezone.now() - timedelta(days=2)
    for number in range(MIN_CHANGES):
        price, at = 2.0 + number / 100, begun + timedelta(minutes=10 * number)
        for key, own, delay in (
            ("operator", price, 0), ("skin", price, 30), ("other", price + 0.005, 10),
        ):  # fmt: skip
            rows.make_change(
                quotes[key], new_price=own, old_price=own - 0.01, kind="price",
                received_at=at + timedelta(seconds=delay),
            )  # fmt: skip
    together = {(pair.first, pair.second): pair.share for pair in pairs(30)}
    assert together == {("operator", "skin"): 1.0, ("operator", "other"): 0, ("other", "skin"): 0}
    out = StringIO()
    call_command("bookmakers", "groups", stdout=out)
    assert "operator, skin seem to share one price" in out.getvalue()
    assert "manage.py bookmakers set skin --group operator" in out.getvalue()
    assert not Bookmaker.objects.exclude(price_group="").exists()
    join(quotes["operator"].bookmaker, quotes["skin"].bookmaker)
    out = StringIO()
    call_command("bookmakers", "groups", stdout=out)
    assert "No bookmakers seem to share one price that are in no group yet" in out.getvalue()
