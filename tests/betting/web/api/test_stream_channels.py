"""The channels of the stream, and the tail that all streams of a process share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from betting.models import Quote, QuoteStatus
from betting.web.api import tail as tail_module
from betting.web.api.parameters import MAX_FOLLOWED
from betting.web.api.stream import PRICE_REPLAY, Follower, database_time
from betting.web.api.tail import TooFarBehindError
from betting.web.api.views.stream import Start, Wanted, beginning
from tests.betting.web.api.filled import url
from tests.betting.web.api.test_access import assert_problem
from tests.betting.web.api.test_stream import (
    DEFAULT,
    OVERLAP,
    POLICY,
    PRICES,
    Clock,
    Message,
    body,
    brief,
    connected,
    follow,
    microseconds,
    moved,
    next_notification,
    opened,
    parse,
    tail_of,
    wait_for_a_place,
)
from tests.support import rows

__all__ = ["brief"]

EVERYTHING = DEFAULT | PRICES


def quote_of(event: Any = None) -> Quote:
    market = rows.make_market(event)
    return rows.make_quote(rows.make_outcome(market, "Over"), rows.make_feed())


def repriced(quote: Quote, at: datetime, classification: str = "minor") -> Any:
    return rows.make_change(quote, classification=classification, recorded_at=at)


def some(text: Iterator[bytes], number: int) -> list[Message]:
    """The next so many notifications of a stream that goes on."""
    found: list[Message] = []
    while len(found) < number:
        found += parse(next(text).decode())
    return found


@pytest.mark.django_db
def test_the_prices_of_chosen_events_are_sent_as_they_are_now() -> None:
    now = database_time()
    quote, other = quote_of(), quote_of()
    change = repriced(quote, now)
    repriced(other, now)
    Quote.objects.filter(pk=quote.pk).update(price=2.75, status=QuoteStatus.SUSPENDED)

    (sent,) = follow(Start(now), kinds=PRICES, events=frozenset({quote.market.event_id}))

    assert (sent.kind, sent.data["id"]) == ("price.changed", f"price.changed:{change.pk}")
    row = sent.data["row"]
    assert (row["id"], row["price"], row["status"]) == (quote.pk, 2.75, "suspended")
    assert row["event"]["id"] == quote.market.event_id


@pytest.mark.django_db
def test_a_price_that_nobody_has_confirmed_is_sent_as_stale() -> None:
    quote, hour_ago = quote_of(), datetime.now(UTC) - timedelta(hours=1)
    rows.make_feed_bookmaker(
        quote.feed,
        bookmaker=quote.bookmaker,
        confirmed_at=hour_ago,
        expires_at=hour_ago,
        stale_markets=[quote.market_id],
    )
    now = database_time()
    repriced(quote, now)

    (sent,) = follow(Start(now), kinds=PRICES, events=frozenset({quote.market.event_id}))

    assert sent.data["row"]["is_stale"]


@pytest.mark.django_db
def test_a_major_move_is_sent_in_both_channels_and_a_minor_one_as_a_price() -> None:
    now = database_time()
    quote = quote_of()
    repriced(quote, now, "major")
    repriced(quote, now + timedelta(milliseconds=1))

    sent = follow(Start(now), kinds=EVERYTHING, events=frozenset({quote.market.event_id}))

    assert [one.kind for one in sent] == ["line.major", "price.changed", "price.changed"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"channels": "edges,prizes"}, "channels"),
        ({"channels": ""}, "channels"),
        ({"channels": "prices"}, "events"),
        ({"events": "1"}, "events"),
        ({"channels": "prices", "events": "1,x"}, "events"),
        ({"channels": "prices", "events": "999999999"}, "events"),
        (
            {"channels": "prices", "events": ",".join(map(str, range(MAX_FOLLOWED + 1)))},
            "events",
        ),
        ({"channels": "moves", "type": "edge.opened"}, "type"),
        ({"type": "price.changed"}, "type"),
    ],
)
def test_a_choice_that_makes_no_stream_is_refused(
    reader: APIClient, given: dict[str, str], wrong: str
) -> None:
    problem = assert_problem(reader.get(url("stream"), given), 400)

    assert wrong in problem["errors"]


@pytest.mark.django_db
def test_an_unknown_channel_or_event_is_named_with_what_there_is(reader: APIClient) -> None:
    channel = assert_problem(reader.get(url("stream"), {"channels": "odds"}), 400)
    given = {"channels": "prices", "events": f"{rows.make_event().pk},999999999"}
    event = assert_problem(reader.get(url("stream"), given), 400)

    assert "edges, moves, prices" in channel["errors"]["channels"][0]
    assert event["errors"]["events"] == ["There is no such event: 999999999."]


@pytest.mark.django_db
def test_a_client_that_misses_changes_of_prices_is_told_to_read_them_again() -> None:
    now = database_time()
    quote = quote_of()
    event = frozenset({quote.market.event_id})
    repriced(quote, now - PRICE_REPLAY - timedelta(seconds=1))
    had = now - PRICE_REPLAY
    start = beginning(str(int(had.timestamp() * 1e6)), now, POLICY)

    (resync,) = follow(start, kinds=EVERYTHING, events=event)

    assert resync.kind == "stream.resync"
    assert resync.data["channel"] == "prices"
    assert follow(start) == []


@pytest.mark.django_db
def test_a_client_that_was_away_for_a_moment_gets_the_changes_of_prices() -> None:
    now = database_time()
    quote = quote_of()
    change = repriced(quote, now - timedelta(seconds=5))
    start = beginning(str(int((now - timedelta(seconds=9)).timestamp() * 1e6)), now, POLICY)

    (sent,) = follow(start, kinds=PRICES, events=frozenset({quote.market.event_id}))

    assert sent.data["id"] == f"price.changed:{change.pk}"


@pytest.mark.django_db
def test_a_client_that_catches_up_slowly_is_sent_the_prices_it_was_promised() -> None:
    """It connected a minute ago, and reads on only now."""
    connected_at = database_time() - timedelta(minutes=1)
    quote = quote_of()
    had = connected_at - timedelta(seconds=80)
    change = repriced(quote, had + timedelta(seconds=1))
    start = beginning(str(microseconds(had)), connected_at, POLICY)

    sent = follow(start, kinds=PRICES, events=frozenset({quote.market.event_id}))

    assert [one.data["id"] for one in sent] == [f"price.changed:{change.pk}"]


@pytest.mark.django_db
def test_prices_since_the_last_look_are_read_however_long_ago_that_was() -> None:
    """All streams may have waited for their clients meanwhile."""
    looked_at = database_time() - PRICE_REPLAY - timedelta(seconds=9)
    quote = quote_of()
    change = repriced(quote, looked_at + timedelta(seconds=1))
    follower = Follower(looked_at, OVERLAP, [quote.market.event_id])

    assert [one.row_id for one in follower.look()] == [change.pk]


@pytest.mark.django_db
def test_many_streams_ask_the_database_as_often_as_one() -> None:
    def statements(streams: int) -> int:
        tails_clock = Clock()
        tail = tail_of(tails_clock)
        texts = [
            body(Start(database_time()), Wanted(DEFAULT), Clock(), tail) for _ in range(streams)
        ]
        opened(database_time())
        for text in texts:
            some(text, 1)
        with CaptureQueriesContext(connection) as captured:
            for _ in range(3):
                opened(database_time())
                tails_clock.wait(POLICY.poll_seconds)
                # The first of them looks, the others find what it has found.
                assert [len(some(text, 1)) for text in texts] == [1] * streams
        return sum("SELECT" in query["sql"] for query in captured)

    assert statements(5) == statements(1)


@pytest.mark.django_db
def test_nothing_is_sent_twice_or_lost_when_a_stream_goes_over_to_the_tail() -> None:
    now = database_time()
    before = opened(now - timedelta(seconds=5))
    clock = Clock()
    tail = tail_of(clock)
    first = body(Start(now - timedelta(seconds=9)), Wanted(DEFAULT), clock, tail)
    second = body(Start(now, is_resumed=True), Wanted(DEFAULT), clock, tail)
    third = body(Start(now), Wanted(DEFAULT), clock, tail)
    assert [one.data["row"]["id"] for one in some(first, 1)] == [before.pk]
    assert [one.data["row"]["id"] for one in some(second, 1)] == [before.pk]
    assert parse(next(third).decode()) == []
    assert next(third).startswith(b": waiting")
    late = opened(now - timedelta(seconds=3))
    newer = opened(database_time())

    for text in (first, second):
        assert [one.data["row"]["id"] for one in some(text, 2)] == [late.pk, newer.pk]
    # It was not there yet: what is dated before is not its own.
    assert [one.data["row"]["id"] for one in some(third, 1)] == [newer.pk]
    for text in (first, second, third):
        assert parse(b"".join(text).decode()) == []


@pytest.mark.django_db
def test_a_stream_that_its_client_does_not_read_ends_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tail_module, "KEPT", 3)
    clock = Clock()
    tail = tail_of(clock)
    slow = body(Start(database_time()), Wanted(DEFAULT), clock, tail)
    quick = body(Start(database_time()), Wanted(DEFAULT), clock, tail)
    opened(database_time())
    some(slow, 1)
    some(quick, 1)

    for _ in range(5):
        moved(database_time())
        some(quick, 1)

    assert parse(b"".join(slow).decode()) == []
    assert clock.seconds < POLICY.max_seconds
    moved(database_time())
    assert len(some(quick, 1)) == 1


@pytest.mark.django_db
def test_a_stream_ends_in_time_though_its_client_has_not_read_all_of_a_look() -> None:
    now = database_time()
    edges = [opened(now - timedelta(seconds=seconds)) for seconds in range(5)]
    clock = Clock()
    text = body(Start(now, is_resumed=True), Wanted(DEFAULT), clock)
    (first,) = some(text, 1)
    clock.seconds = POLICY.max_seconds

    assert list(text) == []

    again = follow(beginning(str(first.id), database_time(), POLICY))
    assert {one.data["row"]["id"] for one in again} == {edge.pk for edge in edges}


@pytest.mark.django_db
def test_the_tail_says_who_is_too_far_behind_and_begins_anew_when_nobody_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tail_module, "KEPT", 2)
    clock = Clock()
    tail = tail_of(clock)
    position = tail.join([])
    for _ in range(3):
        opened(database_time())
    clock.wait(POLICY.poll_seconds)
    with pytest.raises(TooFarBehindError):
        tail.after(position)
    tail.leave([])

    position = tail.join([])
    clock.wait(POLICY.poll_seconds)

    look = tail.after(position)
    assert (look.found, look.position, look.has_more) == ([], position, False)


@pytest.mark.django_db
def test_who_begins_to_follow_prices_adds_nothing_old_for_the_others() -> None:
    clock = Clock()
    tail = tail_of(clock)
    position = tail.join([])
    quote = quote_of()
    repriced(quote, database_time())
    edge = opened(database_time())

    joined = tail.join([quote.market.event_id])
    change = repriced(quote, database_time())
    clock.wait(POLICY.poll_seconds)

    found = tail.after(position).found
    assert [entry.one.row_id for entry in found] == [edge.pk, change.pk]
    found = tail.after(joined).found
    assert [entry.one.row_id for entry in found] == [change.pk]


@pytest.mark.django_db
@pytest.mark.parametrize("error", [DatabaseError("the server is gone"), KeyError("a bug")])
def test_when_a_read_for_all_fails_every_stream_ends_to_resume(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    clock = Clock()
    tail = tail_of(clock)
    position, other = tail.join([]), tail.join([])
    opened(database_time())
    clock.wait(POLICY.poll_seconds)

    def away(_notifications: object) -> list[object]:
        raise error

    monkeypatch.setattr(tail_module, "entries", away)
    with pytest.raises(type(error)):
        tail.after(position)

    # It ends at once: another look would take as long to fail.
    with CaptureQueriesContext(connection) as captured, pytest.raises(TooFarBehindError):
        tail.after(other)
    assert len(captured) == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("brief")
def test_prices_are_streamed_over_a_socket_and_resumed(live_server: Any) -> None:
    token = Token.objects.create(user=User.objects.create_user("ana")).key
    quote, other = quote_of(), quote_of()
    asked = f"?channels=prices,edges&events={quote.market.event_id}"
    with connected(live_server, token, asked) as response:
        assert response.readline() == b"retry: 2000\n"
        repriced(other, database_time())
        change = repriced(quote, database_time())
        first = next_notification(response)
    assert (first.kind, first.data["id"]) == ("price.changed", f"price.changed:{change.pk}")
    missed = repriced(quote, database_time())

    wait_for_a_place()
    headers = {"Last-Event-ID": str(first.id)}
    with connected(live_server, token, asked, **headers) as response:
        again, now = next_notification(response), next_notification(response)

    assert again.data["id"] == first.data["id"]
    assert now.data["id"] == f"price.changed:{missed.pk}"
    wait_for_a_place()
