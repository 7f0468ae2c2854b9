"""Removing a provider: what only it said goes, what others said stays and is valued anew."""

from __future__ import annotations

import pytest
from django.db.models import QuerySet

from betting.models import Event, LineChange, Market, Provider, Quote
from streaming.models import PollRun
from streaming.polling import remove_provider
from streaming.polling.remove_provider import holdings, remove
from tests.support import rows
from tests.support.orphans import orphans
from valuation.models import ClosingPrice, ClosingQuote, Edge, EdgeClosing, FairPrice, Opportunity

pytestmark = pytest.mark.django_db


def test_everything_that_only_it_said_goes() -> None:
    board = rows.make_board((1.9, 2.1), (2.0, 2.2))
    rows.make_poll_run(board.provider)
    rows.make_opportunity(*board.quotes[:2])
    rows.make_closing_price(board.outcomes[0])
    rows.make_closing_quote(board.quotes[0])
    rows.make_edge_closing(rows.make_edge(board.quotes[1]))

    assert list(holdings(board.provider).values()) == [1, 4, 4, 3, 1, 1, 1]
    remove(board.provider)

    for model in (
        Provider, Quote, LineChange, Edge, Opportunity, FairPrice, ClosingPrice, ClosingQuote,
        EdgeClosing, Market, Event, PollRun,
    ):  # fmt: skip
        assert not model._default_manager.exists(), model
    assert orphans() == {}


def test_another_provider_keeps_what_it_said() -> None:
    ours, theirs = rows.make_board((1.9, 2.1)), rows.make_board((2.0, 2.2))

    remove(ours.provider)

    assert set(Quote.objects.all()) == set(theirs.quotes)
    assert LineChange.objects.count() == Edge.objects.count() == 2
    assert list(Event.objects.all()) == [theirs.event]


def test_an_opportunity_goes_with_any_of_its_legs() -> None:
    board = rows.make_board((1.9, 2.1))
    other = rows.make_provider()
    board.event.aliases.create(provider=other, external_id="theirs")
    theirs = [rows.make_quote(each, rows.make_feed(other), 2.2) for each in board.outcomes]
    kept = rows.make_opportunity(*theirs)
    rows.make_opportunity(board.quotes[0], theirs[1])
    rows.close(rows.make_opportunity(theirs[0], board.quotes[1]))

    remove(board.provider)

    assert list(Opportunity.objects.all()) == [kept]
    assert orphans() == {}


def test_a_market_that_it_shared_loses_its_quotes_and_has_to_be_valued() -> None:
    board = rows.make_board((1.9, 2.1))
    other = rows.make_provider()
    board.event.aliases.create(provider=other, external_id="theirs")
    kept = rows.make_quote(board.outcomes[0], rows.make_feed(other), 2.0)

    remove(board.provider)

    board.market.refresh_from_db()
    assert list(Quote.objects.all()) == [kept]
    assert orphans() == {}
    assert board.market.version == board.market.valued_version + 1
    assert board.market.dirty_at is not None


def test_an_edge_that_opens_until_the_markets_are_locked_goes_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    board = rows.make_board((1.9, 2.1))
    board.event.aliases.create(provider=rows.make_provider(), external_id="theirs")
    make_stale = remove_provider._make_stale

    def after_a_recompute(markets: QuerySet[Market]) -> None:
        rows.make_edge(board.quotes[1])
        make_stale(markets)

    monkeypatch.setattr(remove_provider, "_make_stale", after_a_recompute)
    remove(board.provider)

    assert not Edge.objects.exists()
    assert orphans() == {}


def test_a_market_that_waits_already_keeps_its_place() -> None:
    board = rows.make_board((1.9, 2.1))
    board.event.aliases.create(provider=rows.make_provider(), external_id="theirs")
    Market.objects.update(version=3, valued_version=1, dirty_at=rows.NOON)

    remove(board.provider)

    board.market.refresh_from_db()
    assert (board.market.version, board.market.dirty_at) == (4, rows.NOON)


def test_removing_takes_as_many_statements_for_ten_times_the_history(
    django_assert_max_num_queries: pytest.FixtureRequest,
) -> None:
    board = rows.make_board((1.9, 2.1))
    for number in range(50):
        rows.make_change(
            board.quotes[0], kind="price", old_price=2.0 + number, new_price=2.5 + number
        )

    with django_assert_max_num_queries(40):  # type: ignore[operator]
        remove(board.provider)
