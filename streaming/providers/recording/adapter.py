"""Recorded feeds: files of answers, one JSON object a line, in the order received.

```json
{"received_at": "2026-08-11T18:00:03.376Z", "provider": "the_odds_api",
 "request": {"method": "GET", "path": "/v4/sports/baseball_mlb/odds", "params": {"markets": "h2h"}},
 "status": 200, "headers": {"x-requests-remaining": "19880"}, "body": []}
```

`provider` names the adapter that decodes the body. Files may be compressed, under any name: see
`streaming.providers.compressed`. Betfair's own files are recognised by their first line: see
`streaming.providers.betfair.file`. Historical answers of The Odds API are converted to the live
answers that they contain: see `streaming.providers.the_odds_api.history`.

A line that cannot be read is left out, and the others are played: see `survey`. The next answer to
each request is then marked as following a gap, for decoders whose answers build on each other.
"""

from __future__ import annotations

import heapq
import logging
from array import array
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec

from streaming.core.failures import DataFailure
from streaming.core.snapshot import LeftOut, Snapshot
from streaming.core.texts import one_line
from streaming.core.time_order import out_of_order
from streaming.providers.base import (
    Adapter,
    Authorisation,
    Decoder,
    ProviderSettings,
    Quota,
    Request,
    Response,
    Secret,
)
from streaming.providers.betfair import file as betfair_file
from streaming.providers.fields import check_year, decoded
from streaming.providers.recording.lines import Line, lines_of
from streaming.providers.sieve import Sieve
from streaming.providers.the_odds_api.history import THE_ODDS_API, as_live


class _RecordedRequest(msgspec.Struct):
    path: Annotated[str, msgspec.Meta(pattern=r"^/[!-~]*\Z")]
    params: dict[str, Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*\Z")]] = {}
    method: str = "GET"


class _Line(msgspec.Struct):
    received_at: Annotated[datetime, msgspec.Meta(tz=True)]
    provider: str
    request: _RecordedRequest
    status: Annotated[int, msgspec.Meta(ge=100, le=599)]
    body: msgspec.Raw
    headers: dict[str, str] = {}


class _Kind(msgspec.Struct):
    """The fields that distinguish a message of Betfair's from a recorded answer."""

    op: str | None = None
    received_at: str | None = None


_LINES = msgspec.json.Decoder(_Line)
_KINDS = msgspec.json.Decoder(_Kind)
_LOG = logging.getLogger(__name__)

MAX_UNREADABLE_SHARE = 0.5
"""The share of a recording's lines that may be left out. A recording with more unreadable lines is
refused as a whole: it is probably no recording, or has another format."""


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded exchange.

    Attributes:
        provider: the adapter that decodes the answer.
        request: the request; `request.recorded` is `response`.
        response: the answer.
    """

    provider: str
    request: Request
    response: Response

    @property
    def received_at(self) -> datetime:
        """The time at which the answer arrived."""
        return self.response.received_at


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded file that has been read through once.

    Attributes:
        path: the file.
        responses: answers that can be played.
        first_at: when the earliest of them was received; None where there is none.
        left_out: the lines that are not played, one entry per reason with the first one's place.
        late: numbers of the lines whose time is out of order.
        known: the adapters that lines may name; None for any.
    """

    path: Path
    responses: int
    first_at: datetime | None
    left_out: tuple[LeftOut, ...]
    late: frozenset[int]
    known: Container[str] | None

    def records(self) -> Iterator[Record]:
        """Return the exchanges that can be played, lazily, in the file's order.

        Raises:
            ProviderFailure: the file has changed since it was read through.
        """
        return (record for _, record in _numbered(self.path, self.known, Sieve(), self.late))

    def warnings(self) -> list[str]:
        """Return a sentence for each reason why lines are left out."""
        return [
            f"{each.count:,} line{'' if each.count == 1 else 's'} left out of the recording as"
            f" {each.reason}, the first at {each.place}: {each.message}"
            for each in self.left_out
        ]


@dataclass(frozen=True, slots=True)
class _Feed:
    """The answers of one feed: their line numbers and the times at which they were received."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))


def survey(path: Path, known: Container[str] | None = None) -> Recording:
    """Read a whole file to find out what of it can be played.

    Args:
        path: the file.
        known: the adapters that lines may name; None for any.

    Raises:
        PermanentFailure: the file cannot be opened.
        DataFailure: no line can be read, or more than `MAX_UNREADABLE_SHARE` cannot, or the file
            is compressed and damaged; `where` is ``<file name>:<line number>``.
    """
    sieve, feeds = Sieve(), defaultdict[object, _Feed](_Feed)
    for number, record in _numbered(path, known, sieve):
        feed = feeds[record.provider, record.request.feed]
        feed.numbers.append(number)
        feed.times.append(record.received_at.timestamp())
    late = _late(feeds.values())
    for number in sorted(late):
        words = "Its time is out of order among the answers to the same request."
        sieve.leave_out(DataFailure("out_of_order", words, f"{path.name}:{number}"))
        sieve.read -= 1
    _require_readable(path, sieve)
    times = [
        time
        for feed in feeds.values()
        for number, time in zip(feed.numbers, feed.times, strict=True)
        if number not in late
    ]
    first_at = datetime.fromtimestamp(min(times), UTC) if times else None
    return Recording(path, len(times), first_at, sieve.left_out, late, known)


def _late(feeds: Iterable[_Feed]) -> frozenset[int]:
    """Return the numbers of the lines that are out of order in their feed.

    Feeds are checked separately: requests run concurrently, and their answers in any order.
    """
    return frozenset(feed.numbers[index] for feed in feeds for index in out_of_order(feed.times))


def _require_readable(path: Path, sieve: Sieve) -> None:
    if not sieve.lost or (sieve.read and sieve.unreadable_share <= MAX_UNREADABLE_SHARE):
        return
    first, lines = sieve.left_out[0], sieve.read + sieve.lost
    share = f"{sieve.lost:,} of the {lines:,} lines cannot" if sieve.read else "No line can"
    words = f"{share} be played of the recording {path.name}; the first left out is"
    raise DataFailure("bad_recording", f"{words} {first.reason}: {first.message}", first.place)


def read(path: Path) -> Iterator[Record]:
    """Return the exchanges of one file that can be read, in the file's order.

    Raises:
        ProviderFailure: as `survey` does.
    """
    return survey(path).records()


def merged(recordings: Iterable[Recording]) -> Iterator[Record]:
    """Merge several recordings in the order received; at equal times, in the order given.

    Raises:
        ProviderFailure: a file has changed since it was read through.
    """
    records = (each.records() for each in recordings)
    return heapq.merge(*records, key=attrgetter("received_at"))


_Numbered = Iterator[tuple[int, Record]]
"""Records, each with the number of its line; 0 where it stands for several lines."""


def _numbered(
    path: Path, known: Container[str] | None, sieve: Sieve, late: Container[int] = ()
) -> _Numbered:
    """Yield the exchanges of a file.

    Args:
        path: the file.
        known: the adapters that lines may name; None for any.
        sieve: counts the lines that can be read, and collects those that cannot.
        late: numbers of the lines to leave out.
    """
    if not _is_betfair(path):
        yield from _answers(path, known, sieve, late)
        return
    for request in betfair_file.requests(lines_of(path), path.absolute().as_uri(), sieve):
        assert request.recorded is not None, "a recording holds the answers"
        yield 0, Record(request.adapter, request, request.recorded)


def _is_betfair(path: Path) -> bool:
    """Return True for a file of Betfair's, judged by the first line that is of either kind.

    If there is no such line, the file's name decides.
    """
    for line in lines_of(path):
        kind = _kind(line)
        if kind.op is not None or kind.received_at is not None:
            return kind.op is not None
    return path.suffix == ".bz2" and ".jsonl" not in path.suffixes


def _kind(line: Line) -> _Kind:
    try:
        return decoded(_KINDS.decode, line.readable())
    except DataFailure:
        return _Kind()


def _answers(
    path: Path, known: Container[str] | None, sieve: Sieve, late: Container[int]
) -> _Numbered:
    heard: set[tuple[str, str]] = set()
    gapped: set[tuple[str, str]] = set()
    for line in lines_of(path):
        record = _record(line, path, known, sieve)
        if record is None or line.number in late:
            # The lost line may have held an answer to any request.
            gapped |= heard
            continue
        feed = record.provider, record.request.feed
        heard.add(feed)
        if feed in gapped:
            gapped.discard(feed)
            record = replace(record, request=replace(record.request, follows_gap=True))
        yield line.number, record


def _record(line: Line, path: Path, known: Container[str] | None, sieve: Sieve) -> Record | None:
    """Return the record in a line; None, counted by the sieve, if it cannot be read."""
    try:
        record = _exchange(decoded(_LINES.decode, line.readable()), path)
        if known is not None and record.provider not in known:
            raise unknown_provider(record.provider)
    except DataFailure as fault:
        sieve.leave_out(line.failure(fault))
        return None
    sieve.read += 1
    return record


def unknown_provider(name: str) -> DataFailure:
    """Return the failure of a line or an answer that names an unknown adapter."""
    words = f"No adapter is called {one_line(name)!r}."
    return DataFailure("unknown_provider", words, "provider")


def _exchange(line: _Line, path: Path) -> Record:
    check_year(line.received_at, "$.received_at")
    body = bytes(line.body)
    response = Response(
        status=line.status,
        headers={name.lower(): value for name, value in line.headers.items()},
        body=body,
        received_at=line.received_at.astimezone(UTC),
        duration_ms=0.0,
        wire_bytes=len(body),
    )
    request = Request(
        adapter=line.provider,
        base_url=path.absolute().as_uri(),
        path=line.request.path,
        params=line.request.params,
        recorded=response,
        method=line.request.method,
    )
    if line.provider == THE_ODDS_API:
        with suppress(DataFailure):  # the adapter raises it again on decoding
            request, response = as_live(request, response)
    return Record(line.provider, request, response)


class RecordedDecoder:
    """The decoder of recorded answers, each by the provider that it came from.

    Args:
        adapters: the adapters that recordings may name.
    """

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self._adapters = adapters
        self._decoders: dict[str, Decoder] = {}

    def decode(self, request: Request, response: Response) -> Snapshot:
        """Decode the answer with the decoder of its provider.

        Raises:
            DataFailure: the recording names an unknown provider.
            ProviderFailure: as that decoder does.
        """
        if request.adapter not in self._adapters:
            raise unknown_provider(request.adapter)
        if request.adapter not in self._decoders:
            self._decoders[request.adapter] = self._adapters[request.adapter].decoder()
        return self._decoders[request.adapter].decode(request, response)


class Playback:
    """The methods of `streaming.providers.base.Adapter` that all recordings share."""

    def authorise(self, request: Request, secret: Secret | None) -> Authorisation:  # noqa: ARG002 - the protocol's signature
        """Return no authorisation: a recording needs no key."""
        return Authorisation()

    def following(self, request: Request, response: Response) -> Request | None:  # noqa: ARG002 - the protocol's signature
        """Return None: a recording holds the pages that were requested."""
        return None

    def quota(self, response: Response) -> Quota:  # noqa: ARG002 - the protocol's signature
        """Return an empty quota: a replay uses up no allowance."""
        return Quota()


class RecordingAdapter(Playback):
    """The adapter that plays a recording: its base URL is the file's path or file:// URL.

    Args:
        adapters: the adapters that recordings may name.
    """

    key = "recording"
    public_url = ""

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self._adapters = adapters

    def requests(self, settings: ProviderSettings) -> Iterator[Request]:
        """Return the recorded requests, lazily, each with its answer.

        Raises:
            ProviderFailure: as `read` does.
        """
        return played(settings.base_url, self._adapters)

    def decoder(self) -> Decoder:
        """Return a decoder that uses the recorded providers' own adapters."""
        return RecordedDecoder(self._adapters)


def played(base_url: str, known: Container[str] | None = None) -> Iterator[Request]:
    """Return the requests of a recording, lazily, each with its answer.

    Log a warning for each reason why lines are left out.

    Args:
        base_url: the file's path, or its file:// URL.
        known: the adapters that lines may name; None for any.

    Raises:
        ProviderFailure: as `survey` does.
    """
    parts = urlsplit(base_url)
    path = Path(unquote(parts.path) if parts.scheme == "file" else base_url)
    recording = survey(path, known)
    for warning in recording.warnings():
        _LOG.warning(warning)
    return (record.request for record in recording.records())
