"""The stream: everything once, in spite of late commits, and again from where a client was."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from rest_framework.authtoken.models import Token
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from betting.config import get_config
from betting.models import LineChange
from betting.web.api import stream
from betting.web.api.stream import Follower, StreamNotification, database_time
from betting.web.api.tail import Tail
from betting.web.api.views import stream as view
from betting.web.api.views.stream import (
    Places,
    Start,
    StreamPolicy,
    Wanted,
    beginning,
    stream_body,
)
from tests.betting.web.api.filled import url
from tests.betting.web.api.test_access import assert_problem
from tests.support import rows
from valuation.models import Edge

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OVERLAP = timedelta(seconds=30)
POLICY = StreamPolicy(poll_seconds=0.1, heartbeat_seconds=1.0, max_seconds=3.0)


@dataclass
class Clock:
    """Time passes only while somebody waits; then something may happen."""

    seconds: float = 0.0
    meanwhile: Callable[[float], object] = lambda _seconds: None

    def __call__(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.seconds += seconds
        self.meanwhile(self.seconds)


@dataclass(frozen=True)
class Message:
    id: int
    kind: str
    data: dict[str, Any]


def parse(text: str) -> list[Message]:
    """The notifications of a stream's text, as a browser reads them."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")
        )
        if "data" in fields:
            found.append(Message(int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


DEFAULT = frozenset({"edge.opened", "edge.closed", "line.major"})
PRICES = frozenset({"price.changed"})


def tail_of(clock: Clock) -> Tail:
    return Tail(timedelta(seconds=POLICY.overlap_seconds), POLICY.poll_seconds, clock)


def body(start: Start, wanted: Wanted, clock: Clock, tail: Tail | None = None) -> Iterator[bytes]:
    return stream_body(start, wanted, POLICY, tail or tail_of(clock), clock, clock.wait)


def follow(
    start: Start,
    clock: Clock | None = None,
    kinds: frozenset[str] = DEFAULT,
    sport: str = "",
    events: frozenset[int] = frozenset(),
) -> list[Message]:
    wanted = Wanted(kinds, sport, events)
    return parse(b"".join(body(start, wanted, clock or Clock())).decode())


def opened(at: datetime) -> Edge:
    quote = rows.make_quote(rows.make_outcome(rows.make_market(), "Over"), rows.make_feed())
    return rows.make_edge(quote, opened_at=at)


def moved(at: datetime, classification: str = "major") -> LineChange:
    quote = rows.make_quote(rows.make_outcome(rows.make_market(), "Over"), rows.make_feed())
    return rows.make_change(quote, classification=classification, recorded_at=at)


def keys(notifications: list[StreamNotification]) -> list[str]:
    return [one.key for one in notifications]


@pytest.mark.django_db
def test_what_happens_is_sent_once_in_its_order() -> None:
    now = database_time()
    move = moved(now + timedelta(seconds=1))
    edge = opened(now)
    follower = Follower(now, OVERLAP)

    first = follower.look()
    moved(now + timedelta(seconds=2), classification="minor")
    Edge.objects.filter(pk=edge.pk).update(
        closed_at=now + timedelta(seconds=3), close_reason="gone"
    )

    assert keys(first) == [f"edge.opened:{edge.pk}", f"line.major:{move.pk}"]
    assert keys(follower.look()) == [f"edge.closed:{edge.pk}"]
    assert follower.look() == []


@pytest.mark.django_db
def test_a_row_that_comes_to_be_seen_after_newer_ones_is_not_lost() -> None:
    now = database_time()
    follower = Follower(now - OVERLAP, OVERLAP)
    newer = opened(now)
    assert keys(follower.look()) == [f"edge.opened:{newer.pk}"]

    late = opened(now - timedelta(seconds=20))

    assert keys(follower.look()) == [f"edge.opened:{late.pk}"]
    assert follower.look() == []


@pytest.mark.django_db
def test_more_than_a_page_within_the_overlap_is_sent_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream, "PAGE", 2)
    now = database_time()
    moves = [moved(now) for _ in range(7)]
    follower = Follower(now, OVERLAP)

    pages = [keys(follower.look()) for _ in range(5)]

    assert [len(page) for page in pages] == [2, 2, 2, 1, 0]
    assert [key for page in pages for key in page] == [f"line.major:{move.pk}" for move in moves]


@pytest.mark.django_db
def test_a_notification_says_what_its_row_says() -> None:
    now = database_time()
    edge, move = opened(now), moved(now)

    opening, move_sent = follow(Start(now))

    assert (opening.kind, opening.data["id"]) == (
        "edge.opened",
        f"edge.opened:{edge.pk}",
    )
    assert opening.data["row"]["price"] == edge.price
    assert (move_sent.kind, move_sent.data["row"]["id"]) == ("line.major", move.pk)


@pytest.mark.django_db
def test_only_what_is_wanted_is_sent() -> None:
    now = database_time()
    edge = opened(now)
    opened(now)
    moved(now)

    kinds, sport = frozenset({"edge.opened"}), edge.market.event.sport.key
    (notification,) = follow(Start(now), kinds=kinds, sport=sport)

    assert notification.data["row"]["id"] == edge.pk


@pytest.mark.django_db
def test_a_stream_begins_with_an_id_lives_audibly_and_ends_in_time() -> None:
    clock = Clock()

    text = b"".join(body(Start(database_time()), Wanted(DEFAULT), clock)).decode()

    assert text.startswith("retry: 2000\nid: ")
    assert text.count(": waiting") == 2
    assert parse(text) == []
    assert POLICY.max_seconds <= clock.seconds < POLICY.max_seconds + 0.2


@pytest.mark.django_db
@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_heartbeat_says_how_far_a_quiet_stream_has_come(*, is_resumed: bool) -> None:
    """Who resumes after an hour of quiet has missed nothing, and is told so by the last id."""
    began = database_time()
    start = Start(began - timedelta(hours=1), is_resumed=is_resumed)

    text = b"".join(body(start, Wanted(DEFAULT), Clock())).decode()

    ids = [int(block.rpartition("id: ")[2]) for block in text.split("\n\n") if "waiting" in block]
    assert ids == sorted(ids)
    assert microseconds(began) <= ids[0] < ids[-1] <= microseconds(database_time())


@pytest.mark.django_db
def test_a_client_that_leaves_in_the_middle_of_a_look_goes_on_from_there() -> None:
    now = database_time()
    first, second = (opened(now - timedelta(seconds=seconds)) for seconds in (50, 5))
    text = body(Start(now - timedelta(minutes=1), is_resumed=True), Wanted(DEFAULT), Clock())

    had = next(one for block in text for one in parse(block.decode()))

    assert had.data["id"] == f"edge.opened:{first.pk}"
    assert had.id == microseconds(now - timedelta(seconds=50))
    again = follow(beginning(str(had.id), database_time(), POLICY))
    assert f"edge.opened:{second.pk}" in {one.data["id"] for one in again}


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.django_db
def test_a_stream_ends_soon_after_its_client_has_gone() -> None:
    clock = Clock()
    start, tail = Start(database_time()), tail_of(clock)

    text = stream_body(
        start, Wanted(DEFAULT), POLICY, tail, clock, clock.wait, lambda: clock.seconds > 0.5
    )

    assert b": waiting" not in b"".join(text)
    assert 0.5 < clock.seconds < POLICY.heartbeat_seconds


@pytest.mark.django_db
def test_ids_never_fall_when_an_older_row_comes_late() -> None:
    now = database_time()
    opened(now)

    def late_once(_seconds: float) -> None:
        if Edge.objects.count() == 1:
            opened(now - timedelta(seconds=10))

    clock = Clock(meanwhile=late_once)

    notifications = follow(Start(now, is_resumed=True), clock)

    assert len(notifications) == 2
    assert notifications[0].id <= notifications[1].id
    assert notifications[1].data["at"] < notifications[0].data["at"]


@pytest.mark.django_db
def test_a_client_that_resumes_misses_nothing_whichever_notification_was_the_last() -> None:
    now = database_time()
    for second in range(5):
        opened(now + timedelta(seconds=second))
    everything = follow(Start(now))

    for index, last in enumerate(everything):
        start = beginning(str(last.id), now + timedelta(seconds=9), POLICY)
        again = {each.data["id"] for each in follow(start)}
        assert {each.data["id"] for each in everything[index + 1 :]} <= again


@pytest.mark.django_db
def test_a_client_that_was_away_too_long_is_sent_the_gap() -> None:
    now = database_time()
    had = now - timedelta(days=2)
    start = beginning(str(int(had.timestamp() * 1e6)), now, POLICY)

    (gap,) = follow(start)

    assert gap.kind == "stream.gap"
    assert datetime.fromisoformat(gap.data["to"]) == now - timedelta(hours=1)


def test_a_client_from_the_future_begins_now() -> None:
    start = beginning("9" * 18, NOW, POLICY)
    assert (start.at, start.missed_since, start.prices_missed_since) == (NOW, None, None)


@pytest.mark.parametrize("last_id", ["", "x", "-1", "1.5", "²", "9" * 19])
def test_an_id_that_is_none_is_refused(last_id: str) -> None:
    with pytest.raises(ValidationError):
        beginning(last_id, NOW, POLICY)


@pytest.mark.django_db
def test_a_stream_ends_when_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_self: Follower) -> list[StreamNotification]:
        raise DatabaseError("the server closed the connection")

    monkeypatch.setattr(Follower, "look", away)

    assert follow(Start(NOW)) == []


# --- Over HTTP ---


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """One place for a stream."""
    give_places(monkeypatch, 1)


def give_places(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    api = replace(get_config().api, stream_connections=number)
    config = replace(get_config(), api=api)
    monkeypatch.setattr(view, "get_config", lambda: config)


@pytest.mark.django_db
@pytest.mark.usefixtures("brief")
def test_there_is_room_for_so_many_streams_and_the_next_one_is_told_when_to_come(
    reader: APIClient,
) -> None:
    assert view._PLACES.take(0, 1)

    refused = reader.get(url("stream"), HTTP_ACCEPT="text/event-stream")

    assert_problem(refused, 503)
    assert refused["Retry-After"] == "5"


def test_one_user_has_half_of_the_places_and_leaves_the_rest_to_others() -> None:
    places = Places()
    ana, ben, cyd = 1, 2, 3

    assert [places.take(ana, 4) for _ in range(3)] == [True, True, False]
    assert [places.take(ben, 4) for _ in range(2)] == [True, True]
    assert not places.take(cyd, 4)
    places.give_back(ana)
    assert places.take(cyd, 4)


@pytest.mark.django_db
def test_there_are_as_many_places_as_the_configuration_says_now(
    reader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_places(monkeypatch, 1)
    assert [reader.get(url("stream")).status_code for _ in range(2)] == [200, 503]

    give_places(monkeypatch, 4)

    # Half of them are for others.
    assert [reader.get(url("stream")).status_code for _ in range(2)] == [200, 503]


def test_a_stream_that_nobody_read_gives_its_place_back_too_and_once() -> None:
    released: list[bool] = []
    text = stream_body(Start(NOW), Wanted(DEFAULT), POLICY, tail_of(Clock()))
    unread = view._Body(text, lambda: released.append(True))

    unread.close()
    unread.close()

    assert released == [True]


@pytest.mark.django_db
def test_a_stream_refuses_what_it_does_not_know(reader: APIClient) -> None:
    assert_problem(reader.get(url("stream"), {"type": "edge"}), 400)
    assert_problem(reader.get(url("stream"), HTTP_LAST_EVENT_ID="yesterday"), 400)
    assert reader.head(url("stream")).status_code == 405


@contextmanager
def connected(
    server: Any, token: str, query: str = "", **headers: str
) -> Iterator[http.client.HTTPResponse]:
    address = urlsplit(server.url)
    client = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    headers["Authorization"] = f"Token {token}"
    try:
        client.request("GET", url("stream") + query, headers=headers)
        response = client.getresponse()
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        with response:  # which holds the socket
            yield response
    finally:
        client.close()


def next_notification(response: http.client.HTTPResponse) -> Message:
    """The next notification that has data."""
    block = b""
    while True:
        line = response.readline()
        assert line, "the stream has ended"
        block += line
        if line == b"\n":
            if notifications := parse(block.decode()):
                return notifications[0]
            block = b""


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("brief")
def test_a_client_over_a_socket_resumes_where_it_was_cut_off(live_server: Any) -> None:
    token = Token.objects.create(user=User.objects.create_user("ana")).key
    with connected(live_server, token) as response:
        assert response.readline() == b"retry: 2000\n"
        seen = opened(database_time())
        last = next_notification(response)
    assert last.data["id"] == f"edge.opened:{seen.pk}"
    missed = moved(database_time())

    wait_for_a_place()
    with connected(live_server, token, **{"Last-Event-ID": str(last.id)}) as response:
        sent_again, sent_now = next_notification(response), next_notification(response)

    assert sent_again == last
    assert sent_now.data["id"] == f"line.major:{missed.pk}"
    wait_for_a_place()


def wait_for_a_place() -> None:
    """The server notices that a client is gone when it next writes; the test makes it."""
    places = view._PLACES
    while not places.take(0, 1):
        opened(database_time())
    places.give_back(0)


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_commits_late_is_sent_late_and_not_lost() -> None:
    began, may_commit, committed = (threading.Event() for _ in range(3))
    quote = rows.make_quote(rows.make_outcome(rows.make_market(), "Over"), rows.make_feed())

    def write_slowly() -> None:
        with transaction.atomic():
            rows.make_edge(quote, opened_at=database_time())
            began.set()
            may_commit.wait(timeout=30)
        connection.close()
        committed.set()

    follower = Follower(database_time(), OVERLAP)
    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert began.wait(timeout=30)
    newer = opened(database_time())
    before = follower.look()
    may_commit.set()
    assert committed.wait(timeout=30)
    writer.join()

    late = Edge.objects.get(quote=quote)
    assert keys(before) == [f"edge.opened:{newer.pk}"]
    assert keys(follower.look()) == [f"edge.opened:{late.pk}"]
