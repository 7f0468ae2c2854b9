"""From committed changes to events: what they say, and what they cost when nobody listens."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis import Redis

from betting.models import Market, Provider
from streaming import tasks
from streaming.core.snapshot import SnapshotQuote
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.notifications import bus
from tests.support.notifications import sent_to_subscribers
from tests.support.rows import make_webhook
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation.models import Edge
from valuation.tasks import recompute_markets

pytestmark = pytest.mark.django_db(transaction=True)

BOOKS = ("ace", "bay", "cap", "dot")


@pytest.fixture
def provider() -> Provider:
    return make_provider()


def board(generous: float) -> list[SnapshotQuote]:
    """A fair coin at four bookmakers, and a fifth that may pay too much for the home side."""
    even = [quote(book, name, 1.905) for book in BOOKS for name in (HOME, AWAY)]
    return [*even, quote("elm", HOME, generous), quote("elm", AWAY, 1.75)]


def take(provider: Provider, quotes: list[SnapshotQuote], seconds: float) -> IngestResult:
    return ingest(provider.pk, snapshot([event(quotes)], seconds), IngestPolicy())


def test_a_major_move_is_told_with_what_moved(redis: Redis, provider: Provider) -> None:
    make_webhook(types=["line.major"])
    take(provider, board(1.905), 0)
    tasks.send_changes(take(provider, board(2.1), 60).markets)

    market = Market.objects.get()
    (moved,) = sent_to_subscribers(redis)
    assert moved["type"] == "line.major"
    assert (moved["sport"], moved["market"], moved["participant"]) == (
        market.event.sport.key, "h2h", "",
    )  # fmt: skip
    assert (moved["home"], moved["away"], moved["provider"]) == (HOME, AWAY, provider.key)
    assert (moved["market_id"], moved["version"]) == (market.pk, market.version)
    assert moved["changes"] == 1
    assert moved["movement"] == pytest.approx(2.1 / 1.905 - 1)


def test_a_suspension_is_a_major_move_without_a_movement(redis: Redis, provider: Provider) -> None:
    make_webhook()
    take(provider, board(1.905), 0)
    tasks.send_changes(take(provider, board(1.905)[:-2], 60).markets)
    (moved,) = sent_to_subscribers(redis)
    assert (moved["changes"], moved["movement"]) == (2, None)


def test_a_minor_move_is_news_to_nobody(redis: Redis, provider: Provider) -> None:
    make_webhook(types=["line.major"])
    take(provider, board(1.905), 0)
    tasks.send_changes(take(provider, board(1.91), 60).markets)
    assert sent_to_subscribers(redis) == []


def test_an_edge_is_told_when_it_opens_and_when_it_closes(redis: Redis, provider: Provider) -> None:
    make_webhook(types=["edge.opened", "edge.closed"])
    for seconds, price in enumerate((2.1, 2.16, 1.9)):
        changes = take(provider, board(price), seconds).markets
        recompute_markets([change.market_id for change in changes], "batch")

    edge = Edge.objects.get()
    opened, closed = sent_to_subscribers(redis)
    assert (opened["type"], closed["type"]) == ("edge.opened", "edge.closed")
    assert opened["edge_id"] == closed["edge_id"] == edge.pk
    assert (opened["bookmaker"], opened["outcome"], opened["side"]) == ("elm", HOME, "back")
    assert (opened["version"], closed["version"]) == (1, 3)
    # As they were when it opened, though the row has moved on since.
    assert (opened["price"], opened["ev"]) == (2.1, pytest.approx(0.05))
    assert opened["advised"] == pytest.approx(0.25 * 0.05 / 1.1)
    assert closed["reason"] == "gone"
    assert closed["peak_ev"] == pytest.approx(0.08)


def test_an_edge_that_lasts_is_no_news(redis: Redis, provider: Provider) -> None:
    make_webhook()
    for seconds, price in enumerate((2.1, 2.11)):
        changes = take(provider, board(price), seconds).markets
        recompute_markets([change.market_id for change in changes], "batch")
    assert [each["type"] for each in sent_to_subscribers(redis)] == ["edge.opened"]


def test_an_edge_below_what_a_subscriber_asks_for_is_not_told(
    redis: Redis, provider: Provider
) -> None:
    make_webhook(min_ev=0.2)
    changes = take(provider, board(2.1), 0).markets
    recompute_markets([change.market_id for change in changes], "batch")
    assert Edge.objects.count() == 1
    assert sent_to_subscribers(redis) == []


def statements_of_a_recompute(provider: Provider, seconds: float, price: float) -> int:
    changes = take(provider, board(price), seconds).markets
    with CaptureQueriesContext(connection) as captured:
        recompute_markets([change.market_id for change in changes], "batch")
    return len(captured)


def test_without_subscribers_news_costs_the_hot_path_no_statement(
    redis: Redis, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Asked who subscribes within the last second, as a busy worker always has.
    monkeypatch.setattr("streaming.notifications.bus.time.monotonic", lambda: 1_000.0)
    bus.routes()
    first = statements_of_a_recompute(provider, 0, 1.9)  # no edge: nothing to tell
    opens = statements_of_a_recompute(provider, 1, 2.1)
    assert Edge.objects.count() == 1
    assert opens == first
    assert sent_to_subscribers(redis) == []
    assert bus.ROUTE_CACHE_SECONDS <= 1
