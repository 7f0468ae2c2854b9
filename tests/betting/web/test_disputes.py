"""Where two providers disagree on a bookmaker's price, a market's page and the API show both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from betting.models import Bookmaker, BookmakerKind, Feed, FeedBookmaker, Market, Quote, RivalQuote
from tests.support import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ana"))
    return client


@pytest.fixture
def rival() -> RivalQuote:
    """A relay says 1.91, looked at just now, where 2.30 is shown."""
    board = rows.make_board((2.3, 1.7))
    feed = rows.make_feed(rows.make_provider(key="relay"))
    rows.make_feed_bookmaker(feed, bookmaker=board.quotes[0].bookmaker)
    return rows.make_rival(board.quotes[0], 1.91, feed)


def disputes_of(reader: Client, quote: Quote) -> list[dict[str, Any]]:
    """What the list, the quote and its market say of it, which is the same."""
    (listed,) = [row for row in api(reader, "quotes")["results"] if row["id"] == quote.pk]
    outcomes = api(reader, f"markets/{quote.market_id}")["outcomes"]
    (on_board,) = [
        row for outcome in outcomes for row in outcome["quotes"] if row["id"] == quote.pk
    ]
    found: list[dict[str, Any]] = api(reader, f"quotes/{quote.pk}")["disputed_by"]
    assert listed["disputed_by"] == on_board["disputed_by"] == found
    return found


def api(reader: Client, path: str) -> Any:
    response = reader.get(f"/api/v1/{path}/")
    assert response.status_code == 200, response.content
    return response.json()


def page(reader: Client, market: Market) -> str:
    response = reader.get(reverse("admin:betting_market_change", args=[market.pk]))
    assert response.status_code == 200
    return response.content.decode()


def test_the_other_providers_price_is_shown_with_when_it_looked(
    reader: Client, rival: RivalQuote
) -> None:
    (said,) = disputes_of(reader, rival.quote)
    assert (said["provider"], said["price"]) == ("relay", 1.91)
    looked_at = datetime.fromisoformat(said["confirmed_at"])
    assert looked_at == FeedBookmaker.objects.get(feed=rival.feed).confirmed_at
    assert "relay @ 1.91" in page(reader, rival.market)

    undisputed = Quote.objects.exclude(pk=rival.quote_id)[:1].get()
    assert disputes_of(reader, undisputed) == []


def expire(rival: RivalQuote) -> None:
    FeedBookmaker.objects.filter(feed=rival.feed).update(expires_at=datetime.now(UTC))


def forget(rival: RivalQuote) -> None:
    """Nothing is known but when the feed was heard."""
    FeedBookmaker.objects.filter(feed=rival.feed).delete()
    Feed.objects.filter(pk=rival.feed_id).update(observed_at=datetime.now(UTC) - timedelta(hours=1))


def lag_behind(rival: RivalQuote) -> None:
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    FeedBookmaker.objects.filter(feed=rival.feed).update(
        lagging_markets=[rival.market_id], lagging_ats=[long_ago]
    )


def open_circuit(rival: RivalQuote) -> None:
    rival.feed.provider.generation = 7
    rival.feed.provider.save()


def agree(rival: RivalQuote) -> None:
    Quote.objects.filter(pk=rival.quote_id).update(price=rival.price)


def suspend(rival: RivalQuote) -> None:
    Quote.objects.filter(pk=rival.quote_id).update(status="suspended")


def hand_over(rival: RivalQuote) -> None:
    Quote.objects.filter(pk=rival.quote_id).update(feed=rows.make_feed(rival.feed.provider))


@pytest.mark.parametrize(
    "settle", [expire, forget, lag_behind, open_circuit, agree, suspend, hand_over]
)
def test_what_does_not_count_any_more_is_not_shown_though_nobody_writes(
    reader: Client, rival: RivalQuote, settle: Any
) -> None:
    settle(rival)
    assert disputes_of(reader, rival.quote) == []
    assert "relay @" not in page(reader, rival.market)


@pytest.mark.usefixtures("rival")
def test_a_page_of_quotes_is_sent_again_when_a_dispute_changes(reader: Client) -> None:
    tag = reader.get("/api/v1/quotes/")["ETag"]
    assert reader.get("/api/v1/quotes/", headers={"If-None-Match": tag}).status_code == 304
    RivalQuote.objects.update(price=1.92)
    assert reader.get("/api/v1/quotes/", headers={"If-None-Match": tag}).status_code == 200


def test_bets_of_arbitrages_and_middles_say_that_their_price_is_disputed(reader: Client) -> None:
    board = rows.make_board((2.3, 2.2))
    Market.objects.update(changed_at=datetime.now(UTC))
    totals = []
    for point, name in ((1.5, "Over"), (3.5, "Under")):
        outcome = rows.make_outcome(board.market, name, point=point, line=point)
        totals.append(rows.make_quote(outcome, board.feed, 2.0))
        rows.make_rival(totals[-1], 1.8)
    rows.make_rival(board.quotes[0], 2.1)
    rows.make_opportunity(*board.quotes)
    rows.make_opportunity(*totals, gap=2.0)

    (arbitrage,) = api(reader, "arbitrages")["results"]
    assert [bet["disputed"] for bet in arbitrage["bets"]] == [True, False]
    (middle,) = api(reader, "middles")["results"]
    assert (middle["above"]["disputed"], middle["below"]["disputed"]) == (True, True)
    assert page(reader, board.market).count("(disputed)") == 3


def test_a_price_of_an_exchange_whose_commission_is_not_known_says_why_it_is_no_edge(
    reader: Client,
) -> None:
    board = rows.make_board((2.3, 1.7))
    address = f"quotes/{board.quotes[0].pk}"
    assert api(reader, address)["no_edge"] == ""
    assert "commission of the exchange is not known" not in page(reader, board.market)

    Bookmaker.objects.update(kind=BookmakerKind.EXCHANGE, commission=None)

    assert api(reader, address)["no_edge"] == "the commission of the exchange is not known"
    assert "commission of the exchange is not known" in page(reader, board.market)


def test_the_list_of_what_others_say_tells_what_counts_now(
    reader: Client, rival: RivalQuote
) -> None:
    def counts() -> list[bool]:
        listed = reader.get(reverse("admin:betting_rivalquote_changelist"))
        assert listed.status_code == 200
        return [one.counts for one in listed.context["cl"].result_list]

    own_page = reverse("admin:betting_quote_change", args=[rival.quote_id])
    assert counts() == [True]
    assert "relay @ 1.91" in reader.get(own_page).content.decode()

    expire(rival)

    assert counts() == [False]
    assert "relay @ 1.91" not in reader.get(own_page).content.decode()
