"""The stream of notifications: `text/event-stream`, from repeated short queries."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

from django.db import DatabaseError
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from betting.config import get_config
from betting.web.api.parameters import StreamParameters
from betting.web.api.stream import PAGE, PRICE_CHANGED, PRICE_REPLAY, Follower, database_time
from betting.web.api.tail import Entry, Look, Tail, TooFarBehindError, entries
from betting.web.api.views.base import ApiView, checked

logger = logging.getLogger(__name__)

RETRY_MS = 2_000
"""The time that a client waits before it connects again."""


@dataclass(frozen=True, slots=True)
class StreamPolicy:
    """The times of a stream.

    Attributes:
        poll_seconds: between two looks for events.
        heartbeat_seconds: it sends a heartbeat after this long without an event; proxies close a
            connection that is silent for a minute.
        max_seconds: it is ended after this long; its client connects again.
        overlap_seconds: how long after the time written on it a row may become visible, because
            its transaction had not been committed: longer than a statement may take.
        replay_seconds: a client that was away for longer than this misses older events.
    """

    poll_seconds: float = 0.5
    heartbeat_seconds: float = 10.0
    max_seconds: float = 300.0
    overlap_seconds: float = 35.0
    replay_seconds: float = 3_600.0


def _never() -> bool:
    return False


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Busy(APIException):
    """The error that all streams of this process, or all that one user may have, are taken."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = (
        "No place is free: neither this server nor one user may have more streams open."
    )
    default_code = "busy"
    wait = 5.0


class EventStream(BaseRenderer):
    """A renderer that declares the media type `text/event-stream`; it renders nothing."""

    media_type = "text/event-stream"
    format = "event-stream"

    def render(self, data: Any, *_: Any, **__: Any) -> Any:
        """Return the data unchanged."""
        return data


@dataclass(frozen=True, slots=True)
class Start:
    """The point from which a stream sends notifications.

    Attributes:
        at: the time of the last notification that the client had, or of its connection.
        is_resumed: whether it had one, so that those in the overlap before it are sent again.
        missed_since: the start of the time whose notifications are too old to be sent; None if the
            client missed none.
        prices_missed_since: the same of the changes of prices, which are kept for less long.
        prices_since: no older changes of prices are sent; None if they are as old as others.
    """

    at: datetime
    is_resumed: bool = False
    missed_since: datetime | None = None
    prices_missed_since: datetime | None = None
    prices_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The notifications that a client asks for.

    Attributes:
        kinds: of the notifications.
        sport: the key of the only sport; empty for all.
        events: those whose prices are followed.
    """

    kinds: frozenset[str]
    sport: str = ""
    events: frozenset[int] = frozenset()

    def includes(self, entry: Entry) -> bool:
        """Return True if a notification is to be sent."""
        return (
            entry.one.kind in self.kinds
            and self.sport in {"", entry.sport}
            and (entry.one.kind != PRICE_CHANGED or entry.event_id in self.events)
        )


class StreamView(ApiView):
    """Edges that open and close, major moves of lines and chosen prices, as they happen."""

    # A HEAD request would open a stream that nobody reads.
    http_method_names = ["get", "options"]
    renderer_classes = (EventStream, JSONRenderer)

    @extend_schema(
        operation_id="stream",
        parameters=[
            StreamParameters,
            OpenApiParameter(
                "Last-Event-ID", OpenApiTypes.STR, OpenApiParameter.HEADER, pattern="^[0-9]{1,18}$"
            ),
        ],
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream what happens from now on, or after the event that the client received last."""
        policy = StreamPolicy()
        wanted = Wanted(**checked(StreamParameters, request).validated_data)
        start = beginning(request.headers.get("Last-Event-ID"), database_time(), policy)
        places, tail = _PLACES, _TAIL
        user_id = cast("int", request.user.pk)  # permissions have refused anonymous users
        if not places.take(user_id, get_config().api.stream_connections):
            raise Busy
        # waitress knows when a client has left; other servers notice it at the next write.
        is_gone = request.META.get("waitress.client_disconnected", _never)
        text = stream_body(start, wanted, policy, tail, is_gone=is_gone)
        body = _Body(text, partial(places.give_back, user_id))
        response = StreamingHttpResponse(body, content_type=EventStream.media_type)
        response["Cache-Control"] = "private, no-store"
        response["X-Accel-Buffering"] = "no"  # keeps nginx from buffering the stream
        return response


def beginning(last_id: str | None, now: datetime, policy: StreamPolicy) -> Start:
    """Return the point from which a client's stream starts or resumes.

    Args:
        last_id: the id of the last notification that the client received; None for a new stream.
        now: the database's time.
        policy: limits how far back the stream may go.

    Raises:
        ValidationError: the id was not made by this API.
    """
    if last_id is None:
        return Start(now)
    if not (last_id.isascii() and last_id.isdigit() and len(last_id) <= 18):
        raise ValidationError({"Last-Event-ID": ["This is not an id of an earlier event."]})
    microseconds = min(int(last_id), (now - _EPOCH) // _MICROSECOND)
    had = _EPOCH + microseconds * _MICROSECOND
    oldest = now - timedelta(seconds=policy.replay_seconds)
    prices_since = now - PRICE_REPLAY
    # Those before the overlap are read again as well.
    is_priceless = had - timedelta(seconds=policy.overlap_seconds) < prices_since
    return Start(
        max(had, oldest),
        is_resumed=True,
        missed_since=had if had < oldest else None,
        prices_missed_since=had if is_priceless else None,
        prices_since=prices_since,
    )


def stream_body(
    start: Start,
    wanted: Wanted,
    policy: StreamPolicy,
    tail: Tail,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
    is_gone: Callable[[], bool] = _never,
) -> Generator[bytes]:
    """Yield the stream's text until its time is over, its client is slow or gone, or on an outage.

    Ids never decrease, though a notification that became visible late may be older than the one
    before it: a client that resumes after an id is sent those in the overlap before it again.

    Args:
        start: the point from which the stream starts.
        wanted: the notifications to send.
        policy: intervals and deadlines.
        tail: has the newest notifications for all streams.
        clock: returns the time in seconds.
        wait: waits for a number of seconds.
        is_gone: returns whether the client has disconnected.
    """
    newest, ends, sent_at = start.at, clock() + policy.max_seconds, clock()
    # A message without data is no notification to the client, but the client remembers its id.
    yield f"retry: {RETRY_MS}\nid: {_id(newest)}\n\n".encode()
    for kind, gap in _gaps(start, wanted):
        yield _message(newest, kind, json.dumps(gap, cls=JSONEncoder, separators=(",", ":")))
    looks = _looks(start, wanted, policy, tail)
    try:
        while clock() < ends and not is_gone():
            look = next(looks)
            for entry in look.found:
                if clock() >= ends:  # a client that reads slowly may take minutes over one look
                    return
                newest = max(newest, entry.one.at)
                if wanted.includes(entry):
                    sent_at = clock()
                    yield _message(newest, entry.one.kind, entry.text)
            # Only now: a client that leaves before has not had all of them.
            newest = max(newest, look.settled or newest)
            if clock() - sent_at >= policy.heartbeat_seconds:
                sent_at = clock()
                yield f": waiting\nid: {_id(newest)}\n\n".encode()
            if not look.has_more:
                wait(policy.poll_seconds)
    except DatabaseError as error:
        logger.warning("a stream ends, the database is away: %s", type(error).__name__)
    except TooFarBehindError:
        logger.warning("a stream ends, its client reads too slowly")
    finally:
        looks.close()


def _looks(start: Start, wanted: Wanted, policy: StreamPolicy, tail: Tail) -> Generator[Look]:
    """Yield what is new at each look.

    The stream reads by itself from its start to the present, then it follows the tail. What the
    tail gains while it reads may be known to it.
    """
    overlap = timedelta(seconds=policy.overlap_seconds)
    since = start.at - overlap if start.is_resumed else start.at
    own = Follower(since, overlap, wanted.events, start.prices_since)
    position = tail.join(wanted.events)
    try:
        has_more = True
        while has_more:
            fresh = own.look()
            has_more = len(fresh) == PAGE
            yield Look(entries(fresh), own.settled, has_more)
        while True:
            look = tail.after(position)
            position = look.position
            yield replace(look, found=[e for e in look.found if own.has_left(e.one)])
    finally:
        tail.leave(wanted.events)


def _gaps(start: Start, wanted: Wanted) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the client has missed for good: the kind of the message and its data."""
    if start.missed_since is not None:
        yield "stream.gap", {"from": start.missed_since, "to": start.at}
    if start.prices_missed_since is not None and wanted.events:
        told = {"channel": "prices", "from": start.prices_missed_since}
        yield "stream.resync", told


def _message(newest: datetime, kind: str, text: str) -> bytes:
    return f"id: {_id(newest)}\nevent: {kind}\ndata: {text}\n\n".encode()


def _id(moment: datetime) -> int:
    """Return the microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


class _Body(Iterator[bytes]):
    """A stream's text, which gives its place back when the response is closed, even if unread."""

    def __init__(self, text: Generator[bytes], release: Callable[[], object]) -> None:
        self._text = text
        self._release: Callable[[], object] | None = release

    def __next__(self) -> bytes:
        return next(self._text)

    def close(self) -> None:
        """End the stream."""
        self._text.close()
        release, self._release = self._release, None
        if release is not None:
            release()


class Places:
    """The places for streams in this process, of which one user may take half."""

    def __init__(self) -> None:
        self._taken: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take(self, user_id: int, total: int) -> bool:
        """Take one of `total` places; return False if all, or the user's half, are taken."""
        with self._lock:
            if self._taken.total() >= total or self._taken[user_id] >= max(1, total // 2):
                return False
            self._taken[user_id] += 1
            return True

    def give_back(self, user_id: int) -> None:
        """Give a place back that was taken."""
        with self._lock:
            self._taken[user_id] -= 1
            self._taken += Counter()  # drops users without a place


def new_tail() -> Tail:
    """Return a tail that looks as often and as far back as a stream's policy says."""
    policy = StreamPolicy()
    return Tail(timedelta(seconds=policy.overlap_seconds), policy.poll_seconds)


# Empty until a stream begins and after the last has ended: a process that a server forks after it
# has imported this shares nothing with its parent.
_PLACES, _TAIL = Places(), new_tail()
