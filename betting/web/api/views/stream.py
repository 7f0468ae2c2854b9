"""The stream of notifications: `text/event-stream`, from repeated short queries."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
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
from betting.web.api.stream import PAGE, Follower, StreamNotification, database_time, with_rows
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
    """

    at: datetime
    is_resumed: bool = False
    missed_since: datetime | None = None


class StreamView(ApiView):
    """Edges that open and close, and major moves of lines, as they happen."""

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
        wanted = checked(StreamParameters, request).validated_data
        start = beginning(request.headers.get("Last-Event-ID"), database_time(), policy)
        places = _places()
        user_id = cast("int", request.user.pk)  # permissions have refused anonymous users
        if not places.take(user_id):
            raise Busy
        body = _Body(stream_body(start, wanted, policy), partial(places.give_back, user_id))
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
    if had < oldest:
        return Start(oldest, is_resumed=True, missed_since=had)
    return Start(had, is_resumed=True)


def stream_body(
    start: Start,
    wanted: dict[str, Any],
    policy: StreamPolicy,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
) -> Generator[bytes]:
    """Yield the stream's text until its time is over or the database is away.

    Ids never decrease, though a notification that became visible late may be older than the one
    before it: a client that resumes after an id is sent those in the overlap before it again.

    Args:
        start: the point from which the stream starts.
        wanted: the filters `type` and `sport`, each optional.
        policy: intervals and deadlines.
        clock: returns the time in seconds.
        wait: waits for a number of seconds.
    """
    overlap = timedelta(seconds=policy.overlap_seconds)
    follower = Follower(start.at - overlap if start.is_resumed else start.at, overlap)
    newest, ends, sent_at = start.at, clock() + policy.max_seconds, clock()
    # A message without data is no notification to the client, but the client remembers its id.
    yield f"retry: {RETRY_MS}\nid: {_id(newest)}\n\n".encode()
    if start.missed_since is not None:
        gap = {"from": start.missed_since, "to": start.at}
        yield _message(newest, "stream.gap", gap)
    while clock() < ends:
        try:
            fresh = follower.look()
            rows = list(with_rows(fresh))
        except DatabaseError as error:
            logger.warning("a stream ends, the database is away: %s", type(error).__name__)
            return
        for one, row in rows:
            newest = max(newest, one.at)
            if _is_wanted(one, row, wanted):
                sent_at = clock()
                yield _message(newest, one.kind, {"id": one.key, "at": one.at, "row": row})
        if clock() - sent_at >= policy.heartbeat_seconds:
            sent_at = clock()
            yield f": waiting\nid: {_id(newest)}\n\n".encode()
        if len(fresh) < PAGE:
            wait(policy.poll_seconds)


def _is_wanted(one: StreamNotification, row: dict[str, Any], wanted: dict[str, Any]) -> bool:
    sport: str = row["event"]["sport"]
    return bool(wanted.get("type", one.kind) == one.kind and wanted.get("sport", sport) == sport)


def _message(newest: datetime, kind: str, data: dict[str, Any]) -> bytes:
    text = json.dumps(data, cls=JSONEncoder, separators=(",", ":"))
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
    """The places for streams in this process, of which one user may take half.

    Args:
        total: the number of places.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._each = max(1, total // 2)
        self._taken: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take(self, user_id: int) -> bool:
        """Take a place; return False if all are taken, or all that the user may have."""
        with self._lock:
            if self._taken.total() >= self._total or self._taken[user_id] >= self._each:
                return False
            self._taken[user_id] += 1
            return True

    def give_back(self, user_id: int) -> None:
        """Give a place back that was taken."""
        with self._lock:
            self._taken[user_id] -= 1
            self._taken += Counter()  # drops users without a place


@cache
def _places() -> Places:
    return Places(get_config().api.stream_connections)
