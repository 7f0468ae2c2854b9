"""Nobody writes any more: whatever reads prices still tells those that it cannot vouch for."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, Model, Q
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from betting.config import get_config
from betting.db.freshness import polls, with_freshness
from betting.models import (
    Bookmaker,
    BookmakerKind,
    Clock,
    Event,
    Feed,
    FeedBookmaker,
    Market,
    Provider,
    Quote,
)
from betting.web.admin.value import EdgeAdmin
from betting.web.api.stream import EDGE_OPENED, StreamNotification, with_rows
from tests.support import rows
from valuation.models import UNCONFIRMED, UNVALUED, Edge, FairPrice, Opportunity, Revaluation
from valuation.vouching import (
    CLOSED,
    CURRENT,
    EDGE_STATES,
    OPEN,
    STALE,
    closed_among,
    closed_opportunities_among,
    count_open,
    edges,
    fair_prices,
    fair_prices_of,
    judged_among,
    open_among,
    open_opportunities_among,
    opportunities,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

LIMIT = timedelta(minutes=2)
AGED = timedelta(minutes=14)


@pytest.fixture
def board() -> rows.Board:
    """A live market in which everything was confirmed just now: an arbitrage and an edge."""
    board = rows.make_board((2.3, 2.3), (2.2, 1.7), provider=live(), voices=3)
    rows.make_opportunity(*board.quotes[:2])
    Market.objects.update(changed_at=datetime.now(UTC))
    for quote in Quote.objects.select_related("feed"):
        if not FeedBookmaker.objects.filter(feed=quote.feed, bookmaker=quote.bookmaker).exists():
            rows.make_feed_bookmaker(quote.feed, bookmaker=quote.bookmaker)
    return board


def live(**fields: Any) -> Provider:
    return rows.make_provider(clock=Clock.WALL, stale_after_seconds=LIMIT.total_seconds(), **fields)


def age_books() -> None:
    """The workers died fourteen minutes ago."""
    confirmed_at = datetime.now(UTC) - AGED
    Feed.objects.update(observed_at=confirmed_at)
    FeedBookmaker.objects.update(confirmed_at=confirmed_at, expires_at=confirmed_at + LIMIT)


def age_feeds() -> None:
    """The same where nothing is known but when the feeds were heard."""
    FeedBookmaker.objects.all().delete()
    Feed.objects.update(observed_at=datetime.now(UTC) - AGED)


def open_circuits() -> None:
    Provider.objects.update(generation=7)


def lag_behind() -> None:
    """Nobody looks at this market any more, and nobody has declared it stale."""
    FeedBookmaker.objects.update(
        lagging_markets=list(Market.objects.values_list("pk", flat=True)),
        lagging_ats=[datetime.now(UTC) - AGED] * Market.objects.count(),
    )


def declare_stale() -> None:
    FeedBookmaker.objects.update(stale_markets=list(Market.objects.values_list("pk", flat=True)))


def close_everything() -> None:
    Quote.objects.update(status="quarantined")


def begin(after: timedelta = timedelta(seconds=-1)) -> None:
    """The event starts so long from now, and nothing is valued for it."""
    Event.objects.update(commence_time=datetime.now(UTC) + after)


LOSSES: list[Callable[[], None]] = [
    age_books,
    age_feeds,
    open_circuits,
    lag_behind,
    declare_stale,
    close_everything,
]


@pytest.fixture
def reader() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ana"))
    return client


def results(reader: Client, name: str, **parameters: str) -> list[dict[str, Any]]:
    response = reader.get(f"/api/v1/{name}/", parameters)
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def exported(table: str, status: str | None = None) -> list[dict[str, str]]:
    out = io.StringIO()
    call_command("export", table, status=status, stdout=out)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


@pytest.mark.usefixtures("board")
def test_what_is_confirmed_is_served_everywhere_with_its_time(reader: Client) -> None:
    edge = results(reader, "edges")[0]
    assert datetime.fromisoformat(edge["confirmed_at"]) > datetime.now(UTC) - LIMIT
    assert not edge["is_stale"]
    assert len(results(reader, "fair-prices", state="ok")) == 2
    arbitrage = results(reader, "arbitrages")[0]
    for bet in arbitrage["bets"]:
        assert arbitrage["confirmed_at"] <= bet["confirmed_at"]
    quotes = results(reader, "quotes", stale="false")
    assert len(quotes) == Quote.objects.count()
    assert all(quote["confirmed_at"] for quote in quotes)
    assert len(exported("edges", "open")) == 1
    assert len(exported("fair_prices", "ok")) == 2


@pytest.mark.parametrize("lose", LOSSES)
def test_no_endpoint_serves_an_edge_that_nobody_vouches_for_as_open(
    board: rows.Board, reader: Client, lose: Callable[[], None]
) -> None:
    lose()

    assert results(reader, "edges") == []
    (edge,) = results(reader, "edges", state="stale")
    assert edge["is_stale"]
    assert edge["confirmed_at"]
    assert {one["is_stale"] for one in results(reader, "edges", state="all")} == {False, True}
    assert results(reader, "edges", state="closed")[0]["is_stale"] is False
    ((_, streamed),) = with_rows([StreamNotification(rows.NOON, EDGE_OPENED, edge["id"])])
    assert streamed["is_stale"]
    assert exported("edges", "open") == []
    assert [row["is_stale"] for row in exported("edges", "stale")] == ["True"]
    assert b"0 edges" in reader.get("/admin/valuation/edge/", {"state": "open"}).content
    assert b"1 edge" in reader.get("/admin/valuation/edge/", {"state": "stale"}).content
    assert reader.get("/admin/valuation/edge/", {"state": "no such"}).status_code == 200
    page = reader.get(f"/admin/betting/market/{board.market.pk}/change/").content.decode()
    assert "Stale edges that this table leaves out: 1." in page


@pytest.mark.parametrize("lose", LOSSES)
def test_no_endpoint_serves_a_fair_price_that_nobody_vouches_for(
    board: rows.Board, reader: Client, lose: Callable[[], None]
) -> None:
    lose()

    assert results(reader, "fair-prices", state="ok") == []
    prices = results(reader, "fair-prices", state="none")
    market = reader.get(f"/api/v1/markets/{board.market.pk}/").json()
    prices += [outcome["fair_price"] for outcome in market["outcomes"]]
    assert len(prices) == 4
    for price in prices:
        assert (price["state"], price["reason"]) == ("none", UNCONFIRMED)
        assert (price["probability"], price["fair_odds"], price["is_stale"]) == (None, None, True)
    assert exported("fair_prices", "ok") == []
    for row in exported("fair_prices", "none"):
        assert (row["probability"], row["fair_odds"], row["reason"]) == ("", "", UNCONFIRMED)
    listed = reader.get("/admin/valuation/fairprice/").content.decode()
    page = reader.get(f"/admin/betting/market/{board.market.pk}/change/").content.decode()
    assert listed.count(UNCONFIRMED) == page.count(UNCONFIRMED) == 2


@pytest.mark.parametrize("lose", LOSSES)
def test_no_endpoint_serves_an_arbitrage_or_a_middle_that_nobody_vouches_for(
    board: rows.Board, reader: Client, lose: Callable[[], None]
) -> None:
    totals = [
        rows.make_quote(
            rows.make_outcome(board.market, name, point=point, line=point),
            board.feed,
            1.95,
            bookmaker=board.quotes[0].bookmaker,
        )
        for name, point in (("Over", 46.5), ("Under", 49.5))
    ]
    rows.make_opportunity(*totals, gap=3.0)
    assert results(reader, "arbitrages")
    assert results(reader, "middles")
    assert len(exported("opportunities", "open")) == 2

    lose()

    assert results(reader, "arbitrages") == []
    assert results(reader, "middles") == []
    assert exported("opportunities", "open") == []
    assert [row["is_stale"] for row in exported("opportunities", "stale")] == ["True", "True"]
    address = "/admin/valuation/opportunity/"
    assert b"0 opportunities" in reader.get(address, {"state": "open"}).content
    assert b"2 opportunities" in reader.get(address, {"state": "stale"}).content


@pytest.mark.parametrize("quote", [0, 1])
def test_one_lost_leg_makes_an_opportunity_stale(board: rows.Board, quote: int) -> None:
    Quote.objects.filter(pk=board.quotes[quote].pk).update(status="suspended")
    assert opportunities().get().is_stale


def test_an_opportunity_that_nothing_values_is_stale(board: rows.Board) -> None:
    assert not opportunities().get().is_stale
    waits_since = datetime.now(UTC) - timedelta(minutes=1)
    Market.objects.filter(pk=board.market.pk).update(dirty_at=waits_since)
    assert opportunities().get().is_stale


@pytest.mark.usefixtures("board")
def test_an_opportunity_in_play_needs_legs_confirmed_lately() -> None:
    begin()
    one = opportunities().get()
    assert (one.in_play, one.is_in_play, one.is_stale) == (False, True, False)
    confirmed_at = datetime.now(UTC) - timedelta(seconds=61)
    Feed.objects.update(observed_at=confirmed_at)
    FeedBookmaker.objects.update(confirmed_at=confirmed_at, expires_at=confirmed_at + LIMIT)
    assert opportunities().get().is_stale


@pytest.mark.parametrize("lose", LOSSES[:5])
def test_an_active_quote_that_is_too_old_says_so(
    board: rows.Board, reader: Client, lose: Callable[[], None]
) -> None:
    lose()

    assert results(reader, "quotes", stale="false") == []
    quotes = results(reader, "quotes", stale="true", status="active")
    assert len(quotes) == Quote.objects.count()
    assert all(quote["is_stale"] for quote in quotes)
    assert {row["is_stale"] for row in exported("quotes", "active")} == {"True"}
    assert b"stale" in reader.get(f"/admin/betting/market/{board.market.pk}/change/").content


@pytest.mark.usefixtures("board")
def test_a_page_that_has_grown_stale_is_sent_again(reader: Client) -> None:
    for name in ("edges", "fair-prices", "quotes"):
        address = f"/api/v1/{name}/"
        tag = reader.get(address)["ETag"]
        assert reader.get(address, HTTP_IF_NONE_MATCH=tag).status_code == 304
        FeedBookmaker.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
        assert reader.get(address, HTTP_IF_NONE_MATCH=tag).status_code == 200
        FeedBookmaker.objects.update(expires_at=datetime.now(UTC) + LIMIT)


@pytest.mark.parametrize("is_of_all", [True, False])
def test_a_changed_input_that_nothing_is_valued_by_makes_rows_stale(
    board: rows.Board, is_of_all: bool
) -> None:
    elsewhere = rows.make_board((2.3, 2.3), provider=live(), voices=3)
    change = Revaluation.objects.create(
        reason="a test", bookmaker=None if is_of_all else board.quotes[0].bookmaker
    )

    def stale() -> set[int]:
        markets = set(edges().filter(is_stale=True).values_list("market_id", flat=True))
        assert markets == set(fair_prices().filter(is_stale=True).values_list("market", flat=True))
        return markets

    assert stale() == set()
    Revaluation.objects.update(requested_at=datetime.now(UTC) - timedelta(minutes=1))
    assert stale() == {board.market.pk, *([elsewhere.market.pk] if is_of_all else [])}
    Revaluation.objects.update(after_market=board.market.pk)
    assert board.market.pk not in stale()
    change.delete()
    assert stale() == set()


def own_page(reader: Client, row: Model) -> str:
    page = reader.get(reverse(admin_urlname(row._meta, "change"), args=[row.pk]))  # type: ignore[arg-type]
    assert page.status_code == 200
    return page.content.decode()


def test_the_own_page_of_a_row_says_what_nobody_vouches_for(
    board: rows.Board, reader: Client
) -> None:
    edge, price = Edge.objects.get(closed_at=None), FairPrice.objects.all()[0]
    Edge.objects.update(advised=0.0123)
    FairPrice.objects.update(probability=0.4321)
    assert "stale" not in own_page(reader, board.quotes[0])
    assert "1.23 %" in own_page(reader, edge)
    assert "43.21 %" in own_page(reader, price)

    age_books()

    assert "stale" in own_page(reader, board.quotes[0])
    page = own_page(reader, edge)
    assert "stale" in page
    assert "0.0123" not in page
    assert "1.23 %" not in page
    page = own_page(reader, price)
    assert UNCONFIRMED in page
    assert "43.21 %" not in page
    assert "0.4321" not in page


@pytest.mark.parametrize("lose", [lambda: None, begin, *LOSSES])
@pytest.mark.parametrize("in_play_advice", [False, True])
def test_statements_written_once_judge_as_the_querysets_do(
    board: rows.Board,
    lose: Callable[[], None],
    in_play_advice: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Edge.objects.update(advised=0.02)
    config = get_config()
    policy = replace(config.valuation, in_play_advice=in_play_advice)
    monkeypatch.setattr("valuation.vouching.get_config", lambda: replace(config, valuation=policy))
    lose()

    ids = list(Edge.objects.values_list("pk", flat=True))
    seen = polls("quote__")
    columns = ("confirmed_at", "is_in_play", "is_doubtful", "current_advised", seen)
    is_closed = ExpressionWrapper(CLOSED, BooleanField())
    for state, condition in {**EDGE_STATES, "all": Q()}.items():
        rows_of_state = edges().filter(condition).values_list("pk", *columns, "is_stale", is_closed)
        expected = {pk: values for pk, *values in rows_of_state}
        judged = judged_among(ids, state)
        assert {pk: list(astuple(each)) for pk, each in judged.items()} == expected
    assert len(ids) > len(open_among(ids))
    assert open_among(ids[:0]) == closed_among(ids[:0]) == {}
    assert count_open(1) == min(1, edges().filter(OPEN).count())
    opportunity_ids = list(Opportunity.objects.values_list("pk", flat=True))
    for condition, standing in (
        (OPEN, open_opportunities_among(opportunity_ids)),
        (CLOSED, closed_opportunities_among(opportunity_ids)),
    ):
        shown = opportunities().filter(condition).values_list("pk", "confirmed_at", "is_in_play")
        found = [(pk, each.confirmed_at, each.is_in_play) for pk, each in standing.items()]
        assert found == [*shown]
    assert open_opportunities_among([]) == closed_opportunities_among([]) == {}
    shown_rows = fair_prices().filter(market=board.market)
    of_market = sorted(map(as_shown, fair_prices_of(board.market.pk)))
    assert of_market == sorted(map(as_shown, shown_rows))
    assert of_market == sorted(shown_rows.values_list("outcome_id", *CURRENT.values()))


def as_shown(price: FairPrice) -> tuple[object, ...]:
    """The outcome, and what may be shown of it, in the order of `CURRENT`."""
    return (price.outcome_id, *(getattr(price, f"current_{name}") for name in CURRENT))


@pytest.mark.usefixtures("board")
def test_a_page_is_sent_again_when_what_it_computes_has_changed(reader: Client) -> None:
    begin(after=timedelta(hours=1))

    def change_after_the_start() -> None:
        Market.objects.update(changed_at=datetime.now(UTC) + timedelta(hours=2))

    def keep_more() -> None:
        Bookmaker.objects.update(kind=BookmakerKind.EXCHANGE, commission=0.05)

    def keep_what_nobody_knows() -> None:
        Bookmaker.objects.update(commission=None)

    for address, change in (
        ("/api/v1/edges/?in_play=any", change_after_the_start),
        ("/api/v1/edges/?in_play=any", keep_more),
        ("/api/v1/quotes/", keep_what_nobody_knows),
    ):
        tag = reader.get(address)["ETag"]
        assert reader.get(address, HTTP_IF_NONE_MATCH=tag).status_code == 304
        change()
        assert reader.get(address, HTTP_IF_NONE_MATCH=tag).status_code == 200


def advised_everywhere(reader: Client) -> set[float]:
    """What the list, the stream, the export and the admin say to stake on the one open edge."""
    everything = results(reader, "edges", state="all", in_play="any")
    (edge,) = (one for one in everything if not one["closed_at"])
    ((_, streamed),) = with_rows([StreamNotification(rows.NOON, EDGE_OPENED, edge["id"])])
    (row,) = (one for one in exported("edges") if not one["closed_at"])
    page = reader.get("/admin/valuation/edge/", {"list": "all"})
    (listed,) = (one for one in page.context["cl"].result_list if not one.closed_at)
    shown = float(EdgeAdmin(Edge, admin.site).stake(listed).rstrip(" %")) / 100
    return {edge["advised"], streamed["advised"], float(row["advised"]), shown}


@pytest.mark.usefixtures("board")
def test_nothing_is_advised_in_play_or_on_what_is_stale_though_nothing_values_it(
    reader: Client,
) -> None:
    begin(after=timedelta(hours=1))
    Edge.objects.update(advised=0.02)
    assert advised_everywhere(reader) == {0.02}

    begin()
    assert advised_everywhere(reader) == {0}

    begin(after=timedelta(hours=1))
    age_books()
    assert advised_everywhere(reader) == {0}


@pytest.mark.usefixtures("board")
def test_a_closed_edge_stays_one_of_before_the_start(reader: Client) -> None:
    begin()

    (edge,) = results(reader, "edges", state="closed")
    assert not edge["in_play"]
    Edge.objects.update(warnings=["in_play"])
    assert results(reader, "edges", state="closed") == []
    (edge,) = results(reader, "edges", state="closed", in_play="true")
    assert edge["in_play"]


@pytest.mark.usefixtures("board")
def test_no_arbitrage_in_play_rests_on_a_price_of_a_minute_ago(reader: Client) -> None:
    for age, count in ((30, 1), (90, 0)):
        begin()
        confirmed_at = datetime.now(UTC) - timedelta(seconds=age)
        FeedBookmaker.objects.update(confirmed_at=confirmed_at, expires_at=confirmed_at + LIMIT)
        assert len(results(reader, "arbitrages")) == count
        begin(after=timedelta(hours=1))
        assert len(results(reader, "arbitrages")) == 1


def test_an_arbitrage_of_a_recording_is_in_play_when_its_edges_are(reader: Client) -> None:
    now = datetime.now(UTC)
    board = rows.make_board((2.3, 2.3), provider=rows.make_provider(clock=Clock.RECORDED), voices=3)
    rows.make_opportunity(*board.quotes)
    Event.objects.update(commence_time=now - timedelta(hours=2))
    for hours, in_play in ((3, False), (1, True)):
        Market.objects.update(changed_at=now - timedelta(hours=hours))
        Feed.objects.update(observed_at=now - timedelta(hours=hours))
        assert results(reader, "edges", in_play="any")[0]["in_play"] is in_play
        assert results(reader, "arbitrages", market=str(board.market.pk))[0]["in_play"] is in_play


def test_an_edge_of_a_market_without_a_time_is_stale_when_its_quote_is_too_old(
    board: rows.Board,
) -> None:
    begin(after=timedelta(hours=1))
    Market.objects.update(changed_at=None)
    confirmed_at = datetime.now(UTC) - timedelta(seconds=90)
    FeedBookmaker.objects.update(confirmed_at=confirmed_at, expires_at=confirmed_at + LIMIT)
    is_stale = edges().filter(market=board.market, closed_at=None).values_list("is_stale")
    assert list(is_stale) == [(False,)]


@pytest.mark.usefixtures("board")
def test_a_fair_price_is_vouched_for_while_enough_of_its_bookmakers_are_confirmed() -> None:
    books = list(FeedBookmaker.objects.order_by("id"))
    states = []
    for book in books:
        states.append(set(fair_prices().values_list("is_stale", flat=True)))
        FeedBookmaker.objects.filter(pk=book.pk).update(expires_at=datetime.now(UTC) - LIMIT)
    assert states == [{False}, {False}, {False}, {True}, {True}]


def test_bookmakers_without_a_weight_vouch_for_nothing(board: rows.Board) -> None:
    for quote in board.quotes:
        quote.bookmaker.weight = 0
        quote.bookmaker.save()
    assert set(fair_prices().values_list("is_stale", flat=True)) == {False}
    voice = FeedBookmaker.objects.exclude(feed=board.feed)[:1].get().bookmaker
    voice.weights.create(kind="spreads", weight=0)
    assert set(fair_prices().values_list("is_stale", flat=True)) == {False}
    voice.weights.create(kind=board.market.kind, weight=0)
    assert set(fair_prices().values_list("is_stale", flat=True)) == {True}


def test_an_edge_needs_its_own_quote_and_enough_of_the_others(board: rows.Board) -> None:
    edge = Edge.objects.select_related("quote").get(closed_at=None)
    own = FeedBookmaker.objects.filter(feed=board.feed, bookmaker=edge.quote.bookmaker)
    others = FeedBookmaker.objects.exclude(pk=own.get().pk)
    expired = datetime.now(UTC) - timedelta(seconds=1)

    others.filter(pk=others.earliest("id").pk).update(expires_at=expired)
    assert edges().filter(OPEN).count() == 1
    others.filter(pk=others.latest("id").pk).update(expires_at=expired)
    assert edges().filter(STALE).count() == 1
    others.update(expires_at=datetime.now(UTC) + LIMIT)
    assert edges().filter(OPEN).count() == 1
    own.update(expires_at=expired)
    assert edges().filter(STALE).count() == 1


@pytest.mark.usefixtures("board")
def test_what_waits_too_long_for_its_valuation_is_not_served_as_it_was() -> None:
    Market.objects.update(version=9, valued_version=8, dirty_at=datetime.now(UTC))
    assert edges().filter(OPEN).count() == 1
    Market.objects.update(dirty_at=datetime.now(UTC) - timedelta(minutes=1))
    assert edges().filter(STALE).count() == 1
    shown = {(price.current_state, price.current_reason) for price in fair_prices()}
    assert shown == {("none", UNVALUED)}


@pytest.mark.usefixtures("board")
def test_a_recording_does_not_age_by_the_wall_clock() -> None:
    Provider.objects.update(clock=Clock.RECORDED)
    age_books()
    Market.objects.update(changed_at=datetime.now(UTC) - AGED)
    assert edges().filter(OPEN).count() == 1
    assert {price.current_state for price in fair_prices()} == {"ok"}

    Market.objects.update(changed_at=datetime.now(UTC))
    assert edges().filter(STALE).count() == 1
    Market.objects.update(changed_at=datetime.now(UTC) - AGED)
    declare_stale()
    assert edges().filter(STALE).count() == 1


def test_a_quote_is_as_old_as_its_own_market(board: rows.Board) -> None:
    looked = datetime.now(UTC) - timedelta(seconds=50)
    FeedBookmaker.objects.update(
        lagging_markets=[10**9, board.market.pk], lagging_ats=[looked, looked]
    )
    quotes: Any = with_freshness(Quote.objects.all())
    assert {(quote.confirmed_at, quote.is_stale) for quote in quotes} == {(looked, False)}


@pytest.mark.parametrize("path", ["valuation/edge/", "valuation/fairprice/", "betting/quote/"])
def test_a_list_of_the_admin_takes_as_many_statements_for_ten_times_the_rows(
    reader: Client, path: str
) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reader.get(f"/admin/{path}").status_code == 200
        return len(captured)

    rows.make_board((2.3, 2.3), provider=live(), voices=3)
    statements()  # what is looked up once
    few = statements()
    for _ in range(9):
        rows.make_board((2.3, 2.3), provider=live(), voices=3)
    assert statements() == few


def test_every_reader_asks_what_may_be_shown_and_none_the_tables_themselves() -> None:
    root = Path(__file__).parents[3]
    shown_by = [
        *(root / "betting").rglob("*.py"),
        *(root / "streaming" / "admin").rglob("*.py"),
        *(root / "streaming" / "runner").rglob("*.py"),
        *(root / "valuation").glob("admin.py"),
        *(root / "valuation").glob("exports.py"),
    ]
    counts_what_opened = re.compile(r"Edge\.objects\.filter\(id__gt=since\.edge\)")
    direct = re.compile(r"(?<!\w)(Edge|FairPrice)\.objects|\.(edges|fair_prices)\.(all|filter)\(")
    found = {
        str(path.relative_to(root))
        for path in shown_by
        if direct.search(counts_what_opened.sub("", path.read_text()))
    }
    assert found == set()
    assert Edge.objects.count() == FairPrice.objects.count() == 0
