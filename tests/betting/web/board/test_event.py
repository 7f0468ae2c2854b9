"""An event's page: the grid of odds, and the page of an edge."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client, RequestFactory

from betting.models import Bookmaker, Event, Market, Quote, Sport
from betting.web.board import edge_page
from betting.web.board.filters import Choices
from betting.web.board.odds_grid import grids
from tests.support import rows
from tests.support.page_text import words
from tests.support.statements import statements_of
from valuation.models import Edge

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis", "board")]


def text_of(reader: Client, address: str) -> str:
    response = reader.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_the_page_shows_fair_best_and_each_books_price(reader: Client, board: rows.Board) -> None:
    text = text_of(reader, f"/events/{board.event.pk}/")
    assert "Leeds" in text
    assert ">2.000<small>50.0 %</small>" in text  # fair
    assert f"2.00<small>{board.quotes[0].bookmaker.title}</small>" in text  # best
    assert "+10.0 %" in text
    for quote in Quote.objects.select_related("bookmaker"):
        assert quote.bookmaker.title in text


def test_a_price_that_must_not_be_taken_is_neither_best_nor_without_its_reason(
    reader: Client, board: rows.Board
) -> None:
    Quote.objects.filter(pk=board.quotes[0].pk).update(status="suspended")
    text = text_of(reader, f"/events/{board.event.pk}/")
    assert "the bookmaker has suspended or withdrawn it; confirmed" in text
    assert '<span class="quoted">2.00</span><small>suspended</small>' in text
    assert f"1.90<small>{board.quotes[2].bookmaker.title}</small>" in text


def test_a_lays_best_price_is_not_taken_for_a_backs(reader: Client, board: rows.Board) -> None:
    exchange = rows.make_bookmaker(kind="exchange", title="Exchange")
    feed = rows.make_feed(board.provider)
    rows.make_quote(board.outcomes[0], feed, 1.7, bookmaker=exchange)
    rows.make_quote(board.outcomes[0], feed, 9.0, bookmaker=exchange, side="lay")
    rows.make_feed_bookmaker(feed, bookmaker=exchange)
    text = text_of(reader, f"/events/{board.event.pk}/")
    assert "1.70 / 9.00" in text
    assert f"2.00<small>{board.quotes[0].bookmaker.title}</small>" in text


@pytest.mark.parametrize(
    ("sport", "expected"),
    [("soccer_epl", ["Leeds", "Draw", "Derby"]), ("basketball_nba", ["Derby", "Draw", "Leeds"])],
)
def test_outcomes_stand_in_the_order_of_the_events_title(
    reader: Client, board: rows.Board, sport: str, expected: list[str]
) -> None:
    Sport.objects.filter(pk=board.event.sport_id).update(key=sport)
    market = rows.make_market(board.event, kind="totals")
    for name in ("Draw", "Derby", "Leeds"):
        rows.make_quote(rows.make_outcome(market, name), board.feed)
    text = text_of(reader, f"/events/{board.event.pk}/?market={market.pk}")
    assert re.findall(r'class="link pick"[^>]*>([^<]+)<', text) == expected


def test_an_edge_is_named_with_the_fair_price_of_the_other_books(
    reader: Client, board: rows.Board
) -> None:
    text = text_of(reader, f"/events/{board.event.pk}/")
    assert 'title="fair by the 5 other books: 1.818; confirmed' in text


def test_the_best_bet_says_what_to_stake_and_how_long_its_price_has_stood(
    reader: Client, board: rows.Board
) -> None:
    address = f"/events/{board.event.pk}/"
    bet, book = board.outcomes[0].name, board.quotes[0].bookmaker.title

    said = words(text_of(reader, f"{address}?bankroll=1000"))

    assert f"Best bet {bet} to win at {book} for 2.00 , fair 1.818: +10.00 %" in said
    assert "Stake 20.00 of 1,000, the most that is advised. The price has stood for" in said
    assert "At least 2 polls saw it, the last" in said
    assert "of your bankroll" in words(text_of(reader, address))


def test_a_price_that_moved_just_now_asks_to_look_at_the_book(
    reader: Client, board: rows.Board
) -> None:
    Quote.objects.filter(pk=board.quotes[0].pk).update(changed_at=datetime.now(UTC))
    assert "others may follow, so look" in text_of(reader, f"/events/{board.event.pk}/?seen=1")
    edge = Edge.objects.get(quote=board.quotes[0])
    assert "others may follow, so look" in text_of(reader, f"/edges/{edge.pk}/")


def test_a_best_bet_is_not_vouched_for_while_prices_are_not_live(
    reader: Client, board: rows.Board
) -> None:
    address = f"/events/{board.event.pk}/"
    assert "Prices are not live" not in text_of(reader, address)
    rows.make_health_snapshot(taken_at=datetime.now(UTC) - timedelta(minutes=1))
    assert "Prices are not live:</strong> look at the book" in text_of(reader, address)


def test_an_event_without_a_bet_of_the_readers_choices_says_so(
    reader: Client, board: rows.Board
) -> None:
    text = text_of(reader, f"/events/{board.event.pk}/?seen=9")
    assert "No bet on this event fits your choices" in text


def test_an_edge_that_the_board_would_not_list_is_one_to_check(
    reader: Client, board: rows.Board
) -> None:
    address = f"/events/{board.event.pk}/"
    assert "edge to-check" not in text_of(reader, f"{address}?seen=1")
    text = text_of(reader, f"{address}?seen=3")
    assert '<td class="num best edge to-check" title="seen by fewer than 3 polls' in text
    Edge.objects.update(warnings=["suspicious"], advised=0.0)
    assert 'edge to-check" title="too good: an edge as' in text_of(reader, f"{address}?seen=1")


def test_the_choices_of_the_boards_last_visit_hold_on_other_pages(
    reader: Client, board: rows.Board
) -> None:
    edge = Edge.objects.get(quote=board.quotes[0])
    reader.get("/?tab=before&odds=american&bankroll=500&sport=basketball_nba&seen=1")
    for address in (f"/events/{board.event.pk}/", f"/edges/{edge.pk}/"):
        text = text_of(reader, address)
        assert "+100" in text, address
        assert "of 500" in words(text), address
    assert "2.00" in text_of(reader, f"/edges/{edge.pk}/?odds=decimal")


def test_the_best_price_is_the_one_that_pays_most_net_of_fees(
    reader: Client, board: rows.Board
) -> None:
    other = board.quotes[2].bookmaker
    Quote.objects.filter(pk=board.quotes[2].pk).update(price=2.04)
    Bookmaker.objects.filter(pk=other.pk).update(kind="exchange", commission=0.05)
    text = text_of(reader, f"/events/{board.event.pk}/")
    assert f'best">2.00<small>{board.quotes[0].bookmaker.title}</small>' in text


def test_equal_best_prices_are_all_filled(reader: Client, board: rows.Board) -> None:
    Quote.objects.filter(pk=board.quotes[2].pk).update(price=2.0)
    text = text_of(reader, f"/events/{board.event.pk}/")
    (row,) = re.findall(rf"<tr>(?:(?!</tr>).)*{board.outcomes[0].name}.*?</tr>", text, re.DOTALL)
    assert len(re.findall(r'<td class="num best(?: edge)?" title', row)) == 2


def test_the_chart_opens_with_the_best_edge(reader: Client, board: rows.Board) -> None:
    def opened() -> list[str]:
        text = text_of(reader, f"/events/{board.event.pk}/")
        return re.findall(r'id="chart" data-history="/history/(\d+)/"', text)

    rows.make_edge(board.quotes[1], probability=0.7)
    assert opened() == [str(board.quotes[1].outcome_id)]
    Edge.objects.filter(quote=board.quotes[1]).delete()
    assert opened() == [str(board.quotes[0].outcome_id)]


def test_lines_have_grids_of_their_own_the_one_with_the_most_prices_first(
    reader: Client, board: rows.Board
) -> None:
    market = rows.make_market(board.event, kind="totals")
    feed = rows.make_feed(board.provider)
    for line, books in ((2.5, 1), (3.5, 2)):
        over = rows.make_outcome(market, "Over", point=line, line=line)
        for _ in range(books):
            rows.make_quote(over, feed, 1.9)
    request = reader.get(f"/events/{board.event.pk}/?market={market.pk}").wsgi_request
    found = grids(Market.objects.select_related("event__sport").get(pk=market.pk), Choices(request))
    assert [grid.line for grid in found] == [3.5, 2.5]


def test_the_price_of_a_bookmaker_that_is_no_venue_is_marked_and_never_the_best(
    reader: Client, board: rows.Board
) -> None:
    sharp = rows.make_bookmaker(title="Sharp", is_venue=False)
    rows.make_quote(board.outcomes[0], rows.make_feed(board.provider), 9.5, bookmaker=sharp)
    text = text_of(reader, f"/events/{board.event.pk}/")
    assert "Sharp<small>not a venue</small>" in text
    assert "9.50" in text
    assert "9.50<small>Sharp</small>" not in text


def test_a_market_of_another_event_is_not_found(reader: Client, board: rows.Board) -> None:
    other = rows.make_market(rows.make_event(board.provider))
    assert reader.get(f"/events/{board.event.pk}/?market={other.pk}").status_code == 404
    assert reader.get(f"/events/{board.event.pk}/?market=9{'9' * 30}").status_code == 404


def test_an_event_without_markets_says_so(reader: Client, board: rows.Board) -> None:
    event = rows.make_event(board.provider)
    assert "No bookmaker has priced this event yet" in text_of(reader, f"/events/{event.pk}/")


def test_as_many_statements_are_made_for_many_books_as_for_few(
    reader: Client, board: rows.Board
) -> None:
    address = f"/events/{board.event.pk}/"
    text_of(reader, address)
    few = statements_of(lambda: text_of(reader, address))
    rows.make_voices(board.outcomes, rows.make_feed(board.provider), 20)
    assert statements_of(lambda: text_of(reader, address)) == few


class TestEdge:
    def address(self) -> str:
        return f"/edges/{Edge.objects.get(closed_at=None).pk}/"

    def test_its_page_names_the_bet_with_book_price_and_value(
        self, reader: Client, board: rows.Board
    ) -> None:
        text = text_of(reader, self.address())
        name, title = board.outcomes[0].name, board.quotes[0].bookmaker.title
        assert f"{name} to win" in text
        assert f"{title} 2.00" in text
        assert "+10.00 %" in text
        assert f"/events/{board.event.pk}/" in text

    def test_each_books_own_chance_is_without_its_margin(self, reader: Client) -> None:
        text = text_of(reader, self.address())
        # Three books say 1.8 against 1.8: even chances, so that 2.00 is fair.
        assert text.count('<td class="num">50.0 %</td>') == 3
        assert "+0.00 %" in text
        assert "offers the bet" in text

    def test_a_closed_edge_says_when_and_why(self, reader: Client) -> None:
        closed = Edge.objects.exclude(closed_at=None).get()
        text = text_of(reader, f"/edges/{closed.pk}/")
        assert "This edge closed at" in text
        assert "the price or the fair price moved" in text
        assert "none: do not take this price" in text

    def test_an_edge_with_a_close_says_what_it_was_worth_by_it(self, reader: Client) -> None:
        closed = Edge.objects.exclude(closed_at=None).get()
        assert "Closing line value" not in text_of(reader, f"/edges/{closed.pk}/")
        rows.make_edge_closing(
            closed, -0.02, best_clv=0.01, anchor=rows.make_bookmaker(title="Sharp & Co"),
            anchor_probability=0.5, anchor_opened_clv=-0.03, anchor_best_clv=0.0,
        )  # fmt: skip
        text = text_of(reader, f"/edges/{closed.pk}/")
        for part in ("−2.00 %", "at its best price +1.00 %", "by Sharp &amp; Co −3.00 %"):
            assert part in text

    def test_a_stale_edge_must_not_be_taken(self, reader: Client) -> None:
        Market.objects.update(dirty_at=datetime.now(UTC) - timedelta(minutes=1))
        text = text_of(reader, self.address())
        assert "Do not take this price: it has not been confirmed lately" in text
        assert "none: do not take this price" in text

    def test_a_price_that_fewer_polls_have_seen_than_are_asked_for_is_named(
        self, reader: Client, board: rows.Board
    ) -> None:
        said = "Seen by fewer than 2 polls: it may be gone already."
        assert said not in text_of(reader, self.address())
        Quote.objects.filter(pk=board.quotes[0].pk).update(changed_at=datetime.now(UTC))
        assert said in text_of(reader, self.address())
        assert said not in text_of(reader, f"{self.address()}?seen=1")
        Edge.objects.update(closed_at=datetime.now(UTC), close_reason="moved")
        edge = Edge.objects.get(quote=board.quotes[0])
        assert said not in text_of(reader, f"/edges/{edge.pk}/")

    def test_where_pushes_are_not_known_the_value_alone_is_too_high(self, reader: Client) -> None:
        Edge.objects.update(warnings=["push_unknown"])
        text = text_of(reader, self.address())
        assert "the value is that without it, and too high; the stake does not depend on it" in text

    def test_a_book_that_prices_one_side_alone_has_no_say(
        self, reader: Client, board: rows.Board
    ) -> None:
        odd = rows.make_bookmaker(title="Onesided")
        feed = rows.make_feed(board.provider)
        rows.make_quote(board.outcomes[0], feed, 5.0, bookmaker=odd)
        rows.make_feed_bookmaker(feed, bookmaker=odd)
        _, _, said = text_of(reader, self.address()).partition("What each book's own prices say")
        assert "Onesided" not in said

    def test_an_edge_of_an_event_that_has_ended_can_still_be_read(self, reader: Client) -> None:
        Event.objects.update(status="ended")
        text_of(reader, self.address())


def test_what_the_page_of_an_edge_computes_counts_pushes_as_the_edge_does() -> None:
    """Of an edge at a whole line whose stake is returned one time in five."""
    board = rows.make_board((2.2, 1.7), (1.9, 1.9))
    edge = Edge.objects.filter(quote=board.quotes[0]).get()
    edge.price = edge.opened_price = 2.2
    edge.probability = edge.opened_probability = 0.5
    edge.ev = 0.8 * (0.5 * 2.2 - 1)
    choices = Choices(RequestFactory().get("/"))
    assert edge_page.opening(edge, choices).ev == "+8.00 %"
