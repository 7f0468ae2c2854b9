"""Recorded feeds: files of answers, one JSON object a line, in the order received.

```json
{"received_at": "2026-08-11T18:00:03.376Z", "provider": "the_odds_api",
 "request": {"method": "GET", "path": "/v4/sports/baseball_mlb/odds", "params": {"markets": "h2h"}},
 "status": 200, "headers": {"x-requests-remaining": "19880"}, "body": []}
```

`provider` names the adapter that decodes the body. Files may be packed, whatever their names say:
see `streaming.providers.compressed`. One of Betfair's own is told by its first line: see
`streaming.providers.betfair_file`. Historical answers of The Odds API are the live ones that they
were: see `streaming.providers.the_odds_api_history`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedIOBase
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec

from streaming.core.failures import DataFailure, PermanentFailure, one_line
from streaming.core.snapshot import Snapshot
from streaming.providers import betfair_file
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
from streaming.providers.compressed import SPOILT, open_file
from streaming.providers.fields import PADDING, unmarked
from streaming.providers.the_odds_api_history import THE_ODDS_API, as_live


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


class _Betfair(msgspec.Struct):
    op: str | None = None


_LINES = msgspec.json.Decoder(_Line)
_BETFAIR = msgspec.json.Decoder(_Betfair)


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded exchange.

    Attributes:
        provider: the adapter that decodes the answer.
        request: what was asked; `request.recorded` is `response`.
        response: what was answered.
    """

    provider: str
    request: Request
    response: Response

    @property
    def received_at(self) -> datetime:
        """When the answer arrived."""
        return self.response.received_at


def read(path: Path) -> Iterator[Record]:
    """The exchanges of one file, lazily, in the file's order.

    Raises:
        PermanentFailure: the file cannot be opened.
        DataFailure: a line does not fit; `where` is ``<file name>:<line number>``.
    """
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        return
    lines = chain([first], lines)
    if _is_betfair(path, first[1]):
        for request in betfair_file.requests(lines, path.absolute().as_uri()):
            assert request.recorded is not None, "a recording holds the answers"
            yield Record(request.adapter, request, request.recorded)
    else:
        for where, line in lines:
            yield _record(line, path, where)


def _is_betfair(path: Path, line: bytes) -> bool:
    """Return True for a file of Betfair's; where its first line is no JSON the name decides."""
    try:
        return _BETFAIR.decode(line).op is not None
    except (ValueError, RecursionError):
        return path.suffix == ".bz2" and ".jsonl" not in path.suffixes


def merged(paths: Iterable[Path]) -> Iterator[Record]:
    """Several recordings as one, in the order received; at equal times, in the order given.

    Raises:
        ProviderFailure: as `read` does.
    """
    return heapq.merge(*map(read, paths), key=attrgetter("received_at"))


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    """Where each line stands, and the line without what pads it; blank ones are passed over."""
    number = 0
    with _opened(path) as lines:
        while True:
            number += 1
            where = f"{path.name}:{number}"
            line = _next_line(lines, where)
            if not line:
                return
            line = (unmarked(line) if number == 1 else line).strip(PADDING)
            if line:
                yield where, line


def _opened(path: Path) -> BufferedIOBase:
    try:
        return open_file(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    raise PermanentFailure(
        "recording_unreadable",
        f"The recording {path} cannot be opened: {reason}.",
        "Give the path of a .jsonl or Betfair file, plain or packed, that the workers can read.",
    )


def _next_line(lines: BufferedIOBase, where: str) -> bytes:
    try:
        return lines.readline()
    except SPOILT as error:
        reason = one_line(str(error))
    raise DataFailure("bad_recording", f"The recording cannot be read on: {reason}.", where)


def _record(line: bytes, path: Path, where: str) -> Record:
    try:
        record = _exchange(_LINES.decode(line), path)
    except (ValueError, OverflowError, RecursionError) as error:
        reason = one_line(str(error))
    else:
        return record
    raise DataFailure("bad_recording", f"The line is not a recorded answer: {reason}.", where)


def _exchange(line: _Line, path: Path) -> Record:
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
        with suppress(DataFailure):  # the adapter refuses it by name
            request, response = as_live(request, response)
    return Record(line.provider, request, response)


class RecordedDecoder:
    """Reads recorded answers, each with a decoder of the provider that it came from.

    Args:
        adapters: the adapters that recordings may name.
    """

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self._adapters = adapters
        self._decoders: dict[str, Decoder] = {}

    def decode(self, request: Request, response: Response) -> Snapshot:
        """What the provider's own decoder makes of the answer.

        Raises:
            DataFailure: the recording names an unknown provider.
            ProviderFailure: as that decoder does.
        """
        if request.adapter not in self._adapters:
            name = one_line(request.adapter)
            raise DataFailure("unknown_provider", f"No adapter is called {name!r}.", "provider")
        if request.adapter not in self._decoders:
            self._decoders[request.adapter] = self._adapters[request.adapter].decoder()
        return self._decoders[request.adapter].decode(request, response)


class Playback:
    """The half of `streaming.providers.base.Adapter` that is the same for all recordings."""

    def authorise(self, request: Request, secret: Secret | None) -> Authorisation:  # noqa: ARG002 - the protocol's signature
        """Nothing: a recording needs no key."""
        return Authorisation()

    def following(self, request: Request, response: Response) -> Request | None:  # noqa: ARG002 - the protocol's signature
        """None: a recording holds the pages that were asked for."""
        return None

    def quota(self, response: Response) -> Quota:  # noqa: ARG002 - the protocol's signature
        """Nothing: a replay uses up no allowance."""
        return Quota()


class RecordingAdapter(Playback):
    """Plays a recording as if it were a provider: its base URL is the file's path or file:// URL.

    Args:
        adapters: the adapters that recordings may name.
    """

    key = "recording"

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self._adapters = adapters

    def requests(self, settings: ProviderSettings) -> Iterator[Request]:
        """The recorded requests, lazily, each with the answer it got.

        Raises:
            ProviderFailure: as `read` does.
        """
        return played(settings.base_url)

    def decoder(self) -> Decoder:
        """What the recorded providers' own adapters make of the answers."""
        return RecordedDecoder(self._adapters)


def played(base_url: str) -> Iterator[Request]:
    """The requests of a recording, lazily, each with the answer it got.

    Args:
        base_url: the file's path, or its file:// URL.

    Raises:
        ProviderFailure: as `read` does.
    """
    parts = urlsplit(base_url)
    path = Path(unquote(parts.path) if parts.scheme == "file" else base_url)
    return (record.request for record in read(path))
