"""Lists: bounded, stable, cheap, and narrowed down by what is declared."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from betting.models import (
    Bookmaker,
    Event,
    EventStatus,
    Feed,
    FeedBookmaker,
    Market,
    Provider,
    Quote,
)
from tests.betting.web.api.filled import LISTS, fill, url
from tests.betting.web.api.test_access import assert_problem
from tests.support import rows
from valuation.models import Edge, Opportunity

pytestmark = pytest.mark.django_db

CONDITIONAL = ["events", "markets", "quotes", "fair-prices", "edges"]

RANKED = ["arbitrages", "middles"]


def ids(response: Any) -> list[int]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def queries_of(client: APIClient, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_every_list_takes_as_many_statements_for_ten_times_the_rows(
    letter_reader: APIClient,
) -> None:
    def statements() -> dict[str, int]:
        return {name: queries_of(letter_reader, url(name)) for name in LISTS}

    fill(1)
    few = statements()
    fill(9)

    assert statements() == few
    assert max(few.values()) <= 4


@pytest.mark.parametrize("about", ["markets", "quotes"])
def test_a_history_takes_as_many_statements_for_ten_times_the_changes(
    reader: APIClient, about: str
) -> None:
    board = rows.make_board((1.9, 2.1))
    row = board.market if about == "markets" else board.quotes[0]
    address = f"/api/v1/{about}/{row.pk}/history/"
    few = queries_of(reader, address)
    for _ in range(9):
        rows.make_change(board.quotes[0])

    assert queries_of(reader, address) == few


@pytest.mark.parametrize("name", [name for name in LISTS if name not in RANKED])
def test_pages_neither_skip_nor_repeat_while_rows_are_added(
    letter_reader: APIClient, name: str
) -> None:
    fill(5)
    all_of_them = ids(letter_reader.get(url(name), {"page_size": 200}))

    page = letter_reader.get(url(name), {"page_size": 2})
    seen = ids(page)
    while following := page.json()["next"]:
        fill(1)
        page = letter_reader.get(following)
        seen += ids(page)

    assert seen == all_of_them
    assert seen == sorted(seen, reverse=True)


def test_a_page_leads_back_to_the_one_before(reader: APIClient) -> None:
    fill(5)
    first = reader.get(url("events"), {"page_size": 2})
    second = reader.get(first.json()["next"])

    assert ids(reader.get(second.json()["previous"])) == ids(first)


@pytest.mark.parametrize("size", ["0", "-1", "201", "many"])
def test_a_page_has_a_bounded_size(reader: APIClient, size: str) -> None:
    problem = assert_problem(reader.get(url("events"), {"page_size": size}), 400)

    assert "page_size" in problem["errors"]


def cursor(**position: str) -> str:
    return b64encode(urlencode(position).encode()).decode()


@pytest.mark.parametrize(
    "sent", ["x", "cD1h", "ÿ", *(cursor(p=at) for at in ("x", "1.5", "NaN", "\0", "-"))]
)
def test_a_cursor_that_is_none_is_a_mistake(reader: APIClient, sent: str) -> None:
    problem = assert_problem(reader.get(url("events"), {"cursor": sent}), 400)

    assert "cursor" in problem["errors"]


@pytest.mark.parametrize("position", ["-1", "0", "9" * 25])
def test_a_cursor_out_of_range_is_an_end_of_the_list(reader: APIClient, position: str) -> None:
    event = rows.make_event()

    beyond = ids(reader.get(url("events"), {"cursor": cursor(p=position)}))

    assert beyond == ([event.pk] if int(position) > event.pk else [])


def test_a_misspelt_parameter_is_a_mistake_and_not_ignored(reader: APIClient) -> None:
    problem = assert_problem(reader.get(url("edges"), {"min_evv": "0.1"}), 400)

    assert "min_ev" in problem["errors"]["min_evv"][0]


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_page_that_the_client_has_is_not_sent_again(reader: APIClient, name: str) -> None:
    fill(3)
    first = reader.get(url(name))
    again = reader.get(url(name), HTTP_IF_NONE_MATCH=first["ETag"])

    assert first["ETag"].startswith('W/"')
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_page_with_another_row_is_sent(reader: APIClient, name: str) -> None:
    fill(1)
    tag = reader.get(url(name))["ETag"]
    fill(1)

    assert reader.get(url(name), HTTP_IF_NONE_MATCH=tag).status_code == 200


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_page_whose_event_began_is_sent(reader: APIClient, name: str) -> None:
    fill(1)
    tag = reader.get(url(name))["ETag"]
    Event.objects.update(status=EventStatus.LIVE)

    assert reader.get(url(name), HTTP_IF_NONE_MATCH=tag).status_code == 200


def test_a_price_that_moved_is_sent(reader: APIClient) -> None:
    fill(1)
    tag = reader.get(url("quotes"))["ETag"]
    Quote.objects.update(price=3.5)

    assert reader.get(url("quotes"), HTTP_IF_NONE_MATCH=tag).status_code == 200


def test_another_page_is_another_version(reader: APIClient) -> None:
    fill(3)
    tag = reader.get(url("events"), {"page_size": 1})["ETag"]

    assert reader.get(url("events"), {"page_size": 2}, HTTP_IF_NONE_MATCH=tag).status_code == 200


def edge_of(board: rows.Board) -> Edge:
    return Edge.objects.get(market=board.market, closed_at=None)


def test_edges_are_those_that_are_open_unless_asked_otherwise(reader: APIClient) -> None:
    board = rows.make_board((2.0, 2.0), voices=3)
    edge = edge_of(board)
    closed = Edge.objects.exclude(closed_at=None).get()

    assert ids(reader.get(url("edges"))) == [edge.pk]
    assert ids(reader.get(url("edges"), {"state": "closed"})) == [closed.pk]
    assert ids(reader.get(url("edges"), {"state": "all"})) == [closed.pk, edge.pk]


@pytest.mark.parametrize("name", ["sport", "bookmaker", "market", "event"])
def test_edges_of_one_thing_are_not_those_of_another(reader: APIClient, name: str) -> None:
    boards = [rows.make_board((2.0, 2.0), voices=3) for _ in range(2)]
    wanted: dict[str, str | float] = {
        "sport": boards[0].event.sport.key,
        "bookmaker": boards[0].quotes[0].bookmaker.key,
        "market": boards[0].market.pk,
        "event": boards[0].event.pk,
    }

    assert ids(reader.get(url("edges"), {name: wanted[name]})) == [edge_of(boards[0]).pk]


def test_edges_are_narrowed_down_by_worth_and_books(reader: APIClient) -> None:
    good, poor = (edge_of(rows.make_board((2.0, 2.0), voices=3)) for _ in range(2))
    Edge.objects.filter(pk=good.pk).update(ev=0.2, peak_ev=0.2, books=9)
    Edge.objects.filter(pk=poor.pk).update(ev=0.01, peak_ev=0.2, books=3)

    assert ids(reader.get(url("edges"), {"min_ev": "0.2"})) == [good.pk]
    assert ids(reader.get(url("edges"), {"min_books": "9"})) == [good.pk]
    assert ids(reader.get(url("edges"), {"min_books": "3"})) == [poor.pk, good.pk]


def test_edges_in_play_are_those_of_events_that_have_started(reader: APIClient) -> None:
    live, scheduled = (rows.make_board((2.0, 2.0), voices=3) for _ in range(2))
    Event.objects.filter(pk=live.event.pk).update(status=EventStatus.LIVE)

    assert ids(reader.get(url("edges"), {"in_play": "true"})) == [edge_of(live).pk]
    assert ids(reader.get(url("edges"), {"in_play": "false"})) == [edge_of(scheduled).pk]
    assert ids(reader.get(url("edges"))) == [edge_of(scheduled).pk]
    assert len(ids(reader.get(url("edges"), {"in_play": "any"}))) == 2


def test_an_event_whose_start_has_passed_is_in_play_whatever_its_provider_says(
    reader: APIClient,
) -> None:
    board = rows.make_board((2.0, 2.0), voices=3)
    Event.objects.update(commence_time=timezone.now() - timedelta(seconds=1))

    assert ids(reader.get(url("edges"))) == []
    assert ids(reader.get(url("edges"), {"in_play": "true"})) == [edge_of(board).pk]


def test_doubtful_edges_are_a_list_of_their_own(reader: APIClient) -> None:
    usual, outlier, suspicious = (edge_of(rows.make_board((2.0, 2.0), voices=3)) for _ in range(3))
    Edge.objects.filter(pk=outlier.pk).update(warnings=["outlier"], advised=0)
    Edge.objects.filter(pk=suspicious.pk).update(warnings=["few_books", "suspicious"], advised=0)

    assert ids(reader.get(url("edges"))) == [usual.pk]
    assert set(ids(reader.get(url("edges"), {"doubtful": "true"}))) == {outlier.pk, suspicious.pk}
    assert len(ids(reader.get(url("edges"), {"doubtful": "any"}))) == 3


def test_a_quotes_age_is_that_of_its_bookmaker_or_else_its_feed(reader: APIClient) -> None:
    heard, silent, stampless = (rows.make_board((2.0, 2.0), voices=3) for _ in range(3))
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    rows.make_feed_bookmaker(heard.feed, bookmaker=heard.quotes[0].bookmaker)
    rows.make_feed_bookmaker(
        silent.feed, bookmaker=silent.quotes[0].bookmaker, confirmed_at=hour_ago
    )

    young = {"max_age_seconds": "600"}
    assert ids(reader.get(url("edges"), young)) == [edge_of(stampless).pk, edge_of(heard).pk]
    boards = {quote.pk: board for board in (heard, silent, stampless) for quote in board.quotes}
    found = set(ids(reader.get(url("quotes"), {**young, "page_size": "200"})))
    assert [board for pk, board in boards.items() if pk in found] == [heard] * 2 + [stampless] * 2


def test_a_market_comes_with_its_outcomes_their_fair_prices_and_quotes(reader: APIClient) -> None:
    board = rows.make_board((1.9, 2.1), (2.0, 2.2), voices=3)

    market = reader.get(f"/api/v1/markets/{board.market.pk}/").json()

    assert [outcome["name"] for outcome in market["outcomes"]] == [
        board.event.home,
        board.event.away,
    ]
    assert [quote["price"] for quote in market["outcomes"][0]["quotes"]][:2] == [1.9, 2.0]
    assert market["outcomes"][0]["fair_price"]["fair_odds"] == 2.0


def test_an_outcome_that_was_never_valued_has_no_fair_price(reader: APIClient) -> None:
    market = rows.make_market()
    rows.make_outcome(market, "Over", point=47.5, line=47.5)

    (outcome,) = reader.get(f"/api/v1/markets/{market.pk}/").json()["outcomes"]

    assert outcome["fair_price"] is None


def test_a_lines_history_follows_it_over_its_points(reader: APIClient) -> None:
    board = rows.make_board()
    bookmaker = rows.make_bookmaker()
    quotes = [
        rows.make_quote(
            rows.make_outcome(board.market, "Over", point=point, line=point),
            board.feed,
            bookmaker=bookmaker,
        )
        for point in (47.5, 48.0)
    ]
    changes = [rows.make_change(quote) for quote in quotes]
    rows.make_change(rows.make_quote(board.outcomes[0], board.feed))

    history = reader.get(f"/api/v1/quotes/{quotes[0].pk}/history/", {"page_size": 1})
    rest = reader.get(history.json()["next"])

    assert [*ids(history), *ids(rest)] == [change.pk for change in reversed(changes)]
    assert history.json()["results"][0]["outcome"]["point"] == 48.0


def arbitrage_of(*prices: tuple[float, float], **fields: Any) -> Opportunity:
    """An open arbitrage, backed at the first home price and the last away price."""
    board = rows.make_board(*prices)
    Market.objects.filter(pk=board.market.pk).update(valued_at=rows.NOON)
    return rows.make_opportunity(board.quotes[0], board.quotes[-1], **fields)


def test_an_arbitrage_is_listed_with_its_stakes(reader: APIClient) -> None:
    one = arbitrage_of((2.2, 1.8), (1.8, 2.2))

    answer = reader.get(url("arbitrages")).json()

    assert answer["markets_examined"] == 1
    (found,) = answer["results"]
    assert (found["id"], found["market"]["id"]) == (one.pk, one.market_id)
    assert round(found["profit"], 6) == 0.1
    assert [(bet["stake"], bet["liability"]) for bet in found["bets"]] == [(0.5, 0.5)] * 2
    assert [bet["price"] for bet in found["bets"]] == [2.2, 2.2]
    assert [bet["quote"] for bet in found["bets"]] == one.quotes


def test_arbitrages_are_ranked_over_all_markets_in_pages(reader: APIClient) -> None:
    found = [arbitrage_of((2.0 + tenths / 10, 1.5), (1.5, 2.1)) for tenths in (1, 4, 2, 4, 3)]
    rows.close(arbitrage_of((2.9, 1.5), (1.5, 2.1)))
    arbitrage_of((1.9, 1.5), (1.5, 2.1))  # a low hold

    page = reader.get(url("arbitrages"), {"page_size": 2})
    listed = ids(page)
    while page.json()["next"]:
        page = reader.get(page.json()["next"])
        listed += ids(page)

    best_first = sorted(found, key=lambda one: (-one.profit, one.pk))
    assert listed == [one.pk for one in best_first]
    assert page.json()["previous"]
    assert_problem(reader.get(url("arbitrages"), {"cursor": "cD1hYmM="}), 400)


def test_opportunities_are_ordered_as_asked(reader: APIClient) -> None:
    found = [arbitrage_of((2.2, 1.8), (1.8, 2.2), worst=worst) for worst in (0.02, 0.05, 0.0)]
    by_worst = [found[1].pk, found[0].pk, found[2].pk]

    page = reader.get(url("arbitrages"), {"ordering": "-worst", "page_size": "2"})

    assert ids(page) + ids(reader.get(page.json()["next"])) == by_worst
    assert ids(reader.get(url("arbitrages"))) == [one.pk for one in found]
    problem = assert_problem(reader.get(url("middles"), {"ordering": "-profit"}), 400)
    assert "break_even, -worst, -best" in problem["errors"]["ordering"][0]


def test_opportunities_are_filtered_by_market_sport_and_start(reader: APIClient) -> None:
    one, other = arbitrage_of((2.2, 1.8), (1.8, 2.2)), arbitrage_of((2.3, 1.8), (1.8, 2.2))
    event = one.market.event
    Event.objects.filter(pk=event.pk).update(status="live")
    for given in (
        {"market": one.market_id},
        {"event": event.pk},
        {"sport": event.sport.key},
        {"in_play": "true"},
    ):
        assert ids(reader.get(url("arbitrages"), given)) == [one.pk], given
    assert ids(reader.get(url("arbitrages"), {"in_play": "false"})) == [other.pk]
    assert ids(reader.get(url("arbitrages"), {"kind": "totals"})) == []
    answer = reader.get(url("arbitrages"), {"market": one.market_id}).json()
    assert answer["markets_examined"] == 1


def test_a_middle_is_listed_with_its_gap(reader: APIClient) -> None:
    board = rows.make_board()
    legs = [
        rows.make_quote(
            rows.make_outcome(board.market, name, point=point, line=point), board.feed, 1.95
        )
        for name, point in (("Over", 46.5), ("Under", 49.5))
    ]
    rows.make_opportunity(*legs, gap=3.0)

    (found,) = reader.get(url("middles")).json()["results"]

    assert (found["gap"], round(found["worst"], 4)) == (3.0, -0.025)
    assert found["above"]["selection"] == {"name": "Over", "point": 46.5}
    assert found["below"]["stake"] == pytest.approx(0.5)
    assert reader.get(url("arbitrages")).json()["results"] == []


def test_of_a_providers_key_only_the_variable_is_told(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARBOUR_KEY", "swordfish")
    provider = rows.make_provider(
        api_key_env="HARBOUR_KEY", base_url="http://ana:swordfish@127.0.0.1:9"
    )

    answer = reader.get(f"/api/v1/providers/{provider.key}/")

    assert answer.json()["api_key_env"] == "HARBOUR_KEY"
    assert b"swordfish" not in answer.content


def test_the_index_has_every_list_and_each_of_its_addresses_answers(
    letter_reader: APIClient,
) -> None:
    index = letter_reader.get("/api/v1/").json()

    assert {url(name) for name in LISTS} < {urlsplit(address).path for address in index.values()}
    for name, address in index.items():
        if name != "stream":  # it does not end
            assert letter_reader.get(address).status_code == 200, name


def test_a_bookmaker_comes_with_its_terms(reader: APIClient) -> None:
    rows.make_bookmaker(key="x.change", title="X", kind="exchange", commission=None, weight=2.0)

    assert reader.get("/api/v1/bookmakers/x.change/").json() | {"id": 0} == {
        "id": 0, "key": "x.change", "title": "X", "kind": "exchange", "weight": 2.0,
        "commission": None, "fee_model": "winnings", "is_venue": True, "weights": [],
        "price_group": "",
    }  # fmt: skip
    assert_problem(reader.get("/api/v1/bookmakers/nobody/"), 404)


def test_a_price_at_no_venue_is_listed_with_why_it_is_no_edge_and_is_never_the_best(
    reader: APIClient,
) -> None:
    board = rows.make_board((2.4, 2.4), (2.0, 2.05), voices=1)
    Bookmaker.objects.filter(pk=board.quotes[0].bookmaker_id).update(is_venue=False)

    sharp = reader.get(f"/api/v1/quotes/{board.quotes[0].pk}/").json()
    assert (sharp["price"], sharp["no_edge"]) == (
        2.4, "not a venue: its prices only inform fair prices",
    )  # fmt: skip
    best = reader.get(f"/api/v1/markets/{board.market.pk}/best/").json()
    assert [outcome["best_back"]["price"] for outcome in best] == [2.0, 2.05]


def test_a_market_has_the_best_prices_that_can_be_bet_on(reader: APIClient) -> None:
    board = rows.make_board((1.9, 2.1), (2.0, 2.05), (1.95, 2.1), voices=1)
    first, second = board.outcomes
    exchange = rows.make_bookmaker(kind="exchange")
    for price in (2.3, 2.2):
        rows.make_quote(first, board.feed, price, side="lay", bookmaker=rows.make_bookmaker())
    rows.make_quote(first, board.feed, 9.0, bookmaker=exchange, status="suspended")

    one, two = reader.get(f"/api/v1/markets/{board.market.pk}/best/").json()

    assert (one["id"], two["id"]) == (first.pk, second.pk)
    assert (one["best_back"]["price"], one["best_lay"]["price"]) == (2.0, 2.2)
    assert (two["best_back"]["price"], two["best_lay"]) == (2.1, None)
    assert one["fair_price"]["state"] == "ok"
    Feed.objects.update(observed_at=datetime.now(UTC) - timedelta(days=9))
    FeedBookmaker.objects.update(expires_at=datetime.now(UTC) - timedelta(days=9))
    Provider.objects.update(clock="wall")
    stale = reader.get(f"/api/v1/markets/{board.market.pk}/best/").json()
    assert [each["best_back"] for each in stale] == [None, None]


def test_the_best_prices_take_as_many_statements_for_more_quotes(reader: APIClient) -> None:
    small = rows.make_board((1.9, 2.1))
    large = rows.make_board(*[(1.9, 2.1)] * 10)
    few, more = (f"/api/v1/markets/{each.market.pk}/best/" for each in (small, large))

    assert queries_of(reader, few) == queries_of(reader, more)
