"""The board's tabs of arbitrages, middles and low holds, and the cards of an event's page."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from betting.models import Bookmaker, Event, Feed, FeedBookmaker, Market, Outcome, Quote, Side
from tests.support import rows
from tests.support.page_text import words
from tests.support.statements import statements_of
from valuation.models import Opportunity

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis", "board")]

TABS = ("arbitrage", "middles", "low_hold")


def page(reader: Client, query: str) -> str:
    response = reader.get(f"/?{query}")
    assert response.status_code == 200
    return response.content.decode()


def listed(text: str) -> list[int]:
    """The opportunities on a page, from its top."""
    return [int(pk) for pk in re.findall(r'<tr id="opportunity-(\d+)"', text)]


def quoted(
    board: rows.Board, home: float, away: float, books: tuple[str, str] = ("ace", "bay")
) -> list[Quote]:
    """Another market of the board's kind, seen by two polls, with a price of each side."""
    market = rows.make_market(rows.make_event(sport=board.event.sport, home="York", away="Hull"))
    Market.objects.filter(pk=market.pk).update(changed_at=datetime.now(UTC) - timedelta(minutes=5))
    Event.objects.update(commence_time=datetime.now(UTC) + timedelta(hours=1))
    found = []
    for name, price, key in (("York", home, books[0]), ("Hull", away, books[1])):
        book = Bookmaker.objects.filter(key=key).first()
        book = book or rows.make_bookmaker(key=key, title=key.title())
        found.append(
            rows.make_quote(
                rows.make_outcome(market, name), board.feed, price, bookmaker=book,
                source_at=None, changed_at=datetime.now(UTC) - timedelta(minutes=5),
            )
        )  # fmt: skip
        if not FeedBookmaker.objects.filter(feed=board.feed, bookmaker=book).exists():
            rows.make_feed_bookmaker(board.feed, bookmaker=book)
    return found


def make(board: rows.Board, tab: str) -> Opportunity:
    """An opportunity of a tab."""
    prices = {"arbitrage": (2.2, 2.0), "middles": (1.95, 1.95), "low_hold": (1.99, 2.0)}
    gap = {"gap": 2.0} if tab == "middles" else {}
    return rows.make_opportunity(*quoted(board, *prices[tab]), **gap)


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_lists_its_kind_alone(reader: Client, board: rows.Board, tab: str) -> None:
    made = {each: make(board, each).pk for each in TABS}
    assert listed(page(reader, f"tab={tab}")) == [made[tab]]


def test_a_row_names_each_leg_with_its_stake_in_money(reader: Client, board: rows.Board) -> None:
    make(board, "arbitrage")

    text = words(page(reader, "tab=arbitrage&bankroll=1000"))

    assert "+4.76 % +47.62" in text
    assert "York to win 2.20 Ace · stake 476.19" in text
    assert "Hull to win 2.00 Bay · stake 523.81" in text
    assert "Bets, of 1,000 in all" in text
    assert "stake 47.6 %" in words(page(reader, "tab=arbitrage"))


def test_a_lay_is_named_with_its_stake_liability_and_net_price(
    reader: Client, board: rows.Board
) -> None:
    legs = quoted(board, 2.2, 1.9)
    legs[1].side, legs[1].outcome = Side.LAY, legs[0].outcome
    legs[1].save()
    Bookmaker.objects.filter(pk=legs[1].bookmaker_id).update(kind="exchange", commission=0.05)
    rows.make_opportunity(*legs, parts=[0.5, 0.45])
    rows.make_rival(legs[1], 1.8)

    text = words(page(reader, "tab=arbitrage&bankroll=1000"))

    assert "Against York 1.90 Bay · lay 500.00, risking 450.00 · net 1.947 · disputed" in text


def test_a_middle_says_what_it_costs_and_what_it_wins(reader: Client, board: rows.Board) -> None:
    make(board, "middles")
    text = words(page(reader, "tab=middles&bankroll=100"))
    assert "−2.50 % −2.50 +95.0 % +95.00 2 2.6 %" in text


def test_the_best_of_each_kind_comes_first(reader: Client, board: rows.Board) -> None:
    makes: dict[str, Callable[[float], Opportunity]] = {
        "arbitrage": lambda home: rows.make_opportunity(*quoted(board, 2.1 + home, 2.0)),
        "low_hold": lambda home: rows.make_opportunity(*quoted(board, 1.9 + home / 10, 2.0)),
        "middles": lambda home: rows.make_opportunity(*quoted(board, 1.9 + home, 1.9), gap=1.0),
    }
    for tab, make_one in makes.items():
        first, third, second = (make_one(home).pk for home in (0.3, 0.1, 0.2))
        assert listed(page(reader, f"tab={tab}")) == [first, second, third], tab


def test_the_worst_result_ranks_arbitrages(reader: Client, board: rows.Board) -> None:
    on_a_whole_point = rows.make_opportunity(*quoted(board, 2.5, 2.0), worst=0.0)
    certain = rows.make_opportunity(*quoted(board, 2.1, 2.0))
    assert listed(page(reader, "tab=arbitrage")) == [certain.pk, on_a_whole_point.pk]


def test_what_is_too_good_follows_the_others_and_says_why(
    reader: Client, board: rows.Board
) -> None:
    mistake = rows.make_opportunity(*quoted(board, 2.5, 2.5))
    sound = rows.make_opportunity(*quoted(board, 2.1, 2.0))
    text = page(reader, "tab=arbitrage")
    assert listed(text) == [sound.pk, mistake.pk]
    assert words(text).count("too good: check the rules and prices first") == 1


def test_the_profit_of_one_bet_is_named_where_the_worst_result_pays_less(
    reader: Client, board: rows.Board
) -> None:
    one = rows.make_opportunity(*quoted(board, 2.2, 2.0))
    assert "if one bet wins" not in page(reader, "tab=arbitrage")
    Opportunity.objects.filter(pk=one.pk).update(worst=0.0)
    assert "+4.76 % if one bet wins" in words(page(reader, "tab=arbitrage"))
    event = reader.get(f"/events/{one.market.event_id}/").content.decode()
    assert "+4.76 % if one bet wins" in words(event)


def test_every_leg_has_to_be_at_my_books(reader: Client, board: rows.Board) -> None:
    one = rows.make_opportunity(*quoted(board, 2.2, 2.0, ("ace", "bay")))
    other = rows.make_opportunity(*quoted(board, 2.3, 2.0, ("ace", "cap")))
    assert listed(page(reader, "tab=arbitrage&book=ace&book=bay")) == [one.pk]
    assert listed(page(reader, "tab=arbitrage&book=ace")) == []
    assert listed(page(reader, "tab=arbitrage&book=ace&book=bay&book=cap")) == [other.pk, one.pk]


def test_sport_kind_of_market_and_start_are_filters(reader: Client, board: rows.Board) -> None:
    one, live = make(board, "arbitrage"), make(board, "arbitrage")
    Event.objects.filter(pk=live.market.event_id).update(status="live")
    for query, expected in (
        ("start=before", [one.pk]),
        ("start=in_play", [live.pk]),
        ("", [one.pk, live.pk]),
        (f"sport={board.event.sport.key}", [one.pk, live.pk]),
        (f"sport={rows.make_sport().key}", []),
        ("market=h2h", [one.pk, live.pk]),
        ("market=totals", []),
    ):
        assert listed(page(reader, f"tab=arbitrage&{query}")) == expected, query


def test_a_leg_that_only_one_poll_has_seen_hides_it_unless_asked(
    reader: Client, board: rows.Board
) -> None:
    one = make(board, "arbitrage")
    Quote.objects.filter(pk=one.quotes[1]).update(changed_at=datetime.now(UTC))
    assert listed(page(reader, "tab=arbitrage")) == []
    assert listed(page(reader, "tab=arbitrage&seen=1")) == [one.pk]


def test_every_leg_has_to_be_seen_by_as_many_polls_as_are_asked_for(
    reader: Client, board: rows.Board
) -> None:
    one = make(board, "arbitrage")
    now = datetime.now(UTC)
    for key, count in (("ace", 4), ("bay", 2)):
        FeedBookmaker.objects.filter(bookmaker__key=key).update(polled_ats=[now] * count)
    assert listed(page(reader, "tab=arbitrage&seen=3")) == [one.pk]
    assert listed(page(reader, "tab=arbitrage&seen=4")) == []


def test_what_nobody_vouches_for_is_not_listed(reader: Client, board: rows.Board) -> None:
    one = make(board, "arbitrage")
    event = reader.get(f"/events/{one.market.event_id}/").content.decode()
    assert f'id="opportunity-{one.pk}"' in event
    Feed.objects.update(observed_at=datetime.now(UTC) - timedelta(hours=1))
    FeedBookmaker.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert listed(page(reader, "tab=arbitrage&seen=1")) == []
    event = reader.get(f"/events/{one.market.event_id}/").content.decode()
    assert f'id="opportunity-{one.pk}"' not in event


def test_one_that_has_just_closed_is_struck_through(reader: Client, board: rows.Board) -> None:
    one = make(board, "arbitrage")
    Opportunity.objects.update(closed_at=datetime.now(UTC), close_reason="gone")
    text = page(reader, "tab=arbitrage")
    assert listed(text) == [one.pk]
    assert f'id="opportunity-{one.pk}" class="gone"' in text
    Opportunity.objects.update(closed_at=datetime.now(UTC) - timedelta(seconds=10))
    assert listed(page(reader, "tab=arbitrage")) == []


def test_a_new_one_and_one_too_good_are_marked(reader: Client, board: rows.Board) -> None:
    make(board, "arbitrage")
    assert "too good" not in page(reader, "tab=arbitrage")
    assert 'class="new"' not in page(reader, "tab=arbitrage")
    Opportunity.objects.update(opened_at=datetime.now(UTC), worst=0.16, best=0.2, profit=0.2)
    text = page(reader, "tab=arbitrage&loaded=0")
    assert "too good" in text
    assert 'class="new"' in text


@pytest.mark.parametrize("tab", TABS)
def test_an_empty_tab_says_what_it_would_list(reader: Client, tab: str) -> None:
    text = words(page(reader, f"tab={tab}"))
    assert "fits these filters" in text
    assert listed(text) == []


def test_a_row_of_many_legs_shows_three_and_the_events_page_all(
    reader: Client, board: rows.Board
) -> None:
    legs = quoted(board, 6.0, 6.0)
    for number in range(3):
        outcome = rows.make_outcome(legs[0].market, f"Runner {number}")
        legs.append(
            rows.make_quote(
                outcome, board.feed, 6.0, bookmaker=legs[0].bookmaker, source_at=None,
                changed_at=datetime.now(UTC) - timedelta(minutes=5),
            )
        )  # fmt: skip
    one = rows.make_opportunity(*legs)
    text = words(page(reader, "tab=arbitrage"))
    assert "and 2 more" in text
    assert "Runner 1" not in text
    event = reader.get(f"/events/{one.market.event_id}/").content.decode()
    assert "Runner 2" in words(event)


def test_an_events_page_has_its_arbitrages_and_middles_as_cards(
    reader: Client, board: rows.Board
) -> None:
    one, middle = make(board, "arbitrage"), make(board, "middles")
    Market.objects.filter(pk=middle.market_id).update(event=one.market.event, kind="totals")
    low_hold = make(board, "low_hold")
    Market.objects.filter(pk=low_hold.market_id).update(event=one.market.event, kind="spreads")

    text = reader.get(f"/events/{one.market.event_id}/").content.decode()

    cards = re.findall(r'<article class="card offer" id="opportunity-(\d+)"', text)
    assert [int(pk) for pk in cards] == [one.pk, middle.pk]
    assert "+4.76 % at worst" in words(text)
    assert "pays from a chance of 2.6 %" in words(text)
    other = reader.get(f"/events/{board.event.pk}/").content.decode()
    assert "Arbitrages and middles" not in other


def test_a_card_with_a_leg_that_too_few_polls_have_seen_is_marked(
    reader: Client, board: rows.Board
) -> None:
    one = make(board, "arbitrage")
    address, said = f"/events/{one.market.event_id}/", "seen by fewer than 2 polls: it may be gone"
    assert said not in reader.get(address).content.decode()
    Quote.objects.filter(pk=one.quotes[1]).update(changed_at=datetime.now(UTC))
    assert said in reader.get(address).content.decode()
    assert said not in reader.get(f"{address}?seen=1").content.decode()


@pytest.mark.parametrize("tab", TABS)
def test_a_tab_takes_as_many_statements_for_ten_times_the_rows(
    reader: Client, board: rows.Board, tab: str
) -> None:
    def statements() -> int:
        return statements_of(lambda: page(reader, f"tab={tab}&book=ace&book=bay&bankroll=100"))

    make(board, tab)
    few = statements()
    for _ in range(9):
        make(board, tab)
    assert statements() == few


def test_an_events_cards_take_as_many_statements_for_ten_times_of_them(
    reader: Client, board: rows.Board
) -> None:
    def statements() -> int:
        address = f"/events/{board.event.pk}/?market={board.market.pk}"
        return statements_of(lambda: reader.get(address))

    def add() -> None:
        market = rows.make_market(board.event, participant=f"p{Outcome.objects.count()}")
        legs = [
            rows.make_quote(rows.make_outcome(market, name), board.feed, 2.1)
            for name in ("Over", "Under")
        ]
        rows.make_opportunity(*legs)
        rows.make_opportunity(*legs, gap=1.0)

    add()
    few = statements()
    for _ in range(9):
        add()
    assert statements() == few
