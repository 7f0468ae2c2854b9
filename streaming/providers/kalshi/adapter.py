"""Kalshi, an exchange of contracts on events, as https://docs.kalshi.com describes its REST API.

Market data is public. One request lists the open events of one series (one kind of market of one
league) with their contracts and best prices.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

import msgspec

from streaming.core.failures import (
    DataFailure,
    ErrorMeaning,
    PermanentFailure,
    ProviderFailure,
    classify_status,
    retry_after_seconds,
)
from streaming.core.snapshot import Snapshot, SnapshotEvent
from streaming.core.texts import choices, one_line
from streaming.providers.base import (
    Authorisation,
    ProviderSettings,
    Quota,
    Request,
    Response,
    Secret,
)
from streaming.providers.fields import unpadded
from streaming.providers.kalshi.answer import Answer, Event, Reading, next_cursor, parse
from streaming.providers.kalshi.contracts import BOOKMAKER, BOOKMAKER_TITLE
from streaming.providers.kalshi.tickers import (
    LEAGUES,
    MARKETS,
    OUTRIGHTS,
    SERIES,
    Series,
    series_of,
)
from streaming.providers.sieve import Survivors, add_event, numbered

PATH = "/events"
PAGE_EVENTS = 200  # the most that one page lists
MAX_PAGES = 25  # 5,000 events; the largest series that was seen listed 2,180

_REQUEST_ADVICE = "Correct the provider's settings: the service does not accept this request."
_KEY_ADVICE = "Polling market data needs no key: check the provider's base URL."
ERROR_CODES: Mapping[str, ErrorMeaning] = MappingProxyType(
    {
        "too_many_requests": ErrorMeaning("transient"),
        "internal_server_error": ErrorMeaning("transient"),
        "service_unavailable": ErrorMeaning("transient"),
        "bad_request": ErrorMeaning("permanent", _REQUEST_ADVICE, "feed"),
        "invalid_parameters": ErrorMeaning("permanent", _REQUEST_ADVICE, "feed"),
        "missing_parameters": ErrorMeaning("permanent", _REQUEST_ADVICE, "feed"),
        "not_found": ErrorMeaning("permanent", _REQUEST_ADVICE, "feed"),
        "authentication_error": ErrorMeaning("permanent", _KEY_ADVICE),
        "token_authentication_failure": ErrorMeaning("permanent", _KEY_ADVICE),
    }
)
"""Codes in error bodies → their meaning; for any other code the HTTP status decides."""

_LEAGUES = MappingProxyType({league.sport: league for league in LEAGUES})
_KINDS = (*MARKETS, OUTRIGHTS)


class _Words(msgspec.Struct):
    code: str | None = None
    message: str = ""


class _Error(_Words):
    """``{"error": {"code", "message"}}``, and ``{"code", "message"}`` of the older gateway."""

    error: _Words | None = None


_ERRORS = msgspec.json.Decoder(_Error)


class Kalshi:
    """The adapter of Kalshi; its protocol is `streaming.providers.base.Adapter`."""

    key = "kalshi"
    public_url = "https://external-api.kalshi.com/trade-api/v2"

    def requests(self, settings: ProviderSettings) -> Iterable[Request]:
        """Return one request per series of each sport; a refused one for what Kalshi lacks.

        Raises:
            PermanentFailure: the settings name event markets.
        """
        if settings.event_markets:
            raise PermanentFailure(
                "unsupported_market",
                "Kalshi has no markets that are asked event by event.",
                f"Name them as markets; there are: {', '.join(_KINDS)}.",
            )
        return _requests(settings)

    def authorise(self, request: Request, secret: Secret | None) -> Authorisation:  # noqa: ARG002 - the protocol's signature
        """Return no authorisation: market data is public."""
        return Authorisation()

    def decoder(self) -> KalshiPages:
        """Return a decoder that has no page yet."""
        return KalshiPages()

    def following(self, request: Request, response: Response) -> Request | None:
        """Return the request for the next page; None after the last, or for a recording."""
        cursor = next_cursor(response.body)
        if not cursor or request.recorded is not None:
            return None
        return replace(request, params={**request.params, "cursor": cursor})

    def quota(self, response: Response) -> Quota:  # noqa: ARG002 - the protocol's signature
        """Return an empty quota: requests are limited per second, and answers count none."""
        return Quota()


class KalshiPages:
    """The `Decoder` of answers of one or more pages.

    Events are kept until the last page has arrived: a first page alone does not show which events
    are gone and which have moved to the second. A page that fails discards those before it.
    """

    def __init__(self) -> None:
        self._begun: dict[str, _Begun] = {}  # feed → its pages so far

    def decode(self, request: Request, response: Response) -> Snapshot:
        """Return the whole answer, in decimal odds, at its last page; before that, an empty page.

        What cannot be read is left out. The parts of an event that is listed twice are merged; the
        later one takes precedence.

        Raises:
            ProviderFailure: a refusal, or an answer of which nothing can be read.
        """
        begun = self._begun.pop(request.feed, None)
        series = _series(request)
        if response.status != 200:
            raise refusal(response)
        wanted = request.params.get("cursor", "")
        if not wanted:
            begun = _Begun(Reading(series), response.received_at)
        elif begun is None or begun.cursor != wanted:
            raise DataFailure("lost_page", "A page comes without the one before it.", "cursor")
        cursor = begun.take(response)
        if not cursor:
            return begun.snapshot(request)
        if begun.pages >= MAX_PAGES:
            words = f"The series has more than {MAX_PAGES} pages of {PAGE_EVENTS} open events."
            raise DataFailure("more_pages", words, "cursor")
        self._begun[request.feed] = begun
        return begun.page(request)


@dataclass(slots=True)
class _Begun:
    """The pages of one answer so far.

    Attributes:
        reading: converts their events.
        received_at: when the first one arrived: any price of the answer may be as old.
        events: their events, by id.
        cursor: the cursor that requests the next page.
        pages: the number of pages.
    """

    reading: Reading
    received_at: datetime
    events: dict[str, SnapshotEvent] = field(default_factory=dict)
    cursor: str = ""
    pages: int = 0

    def take(self, response: Response) -> str:
        """Add a page, and return the cursor of the next one."""
        answer = parse(response.body, self.reading.sieve)
        _read(self.reading, answer, self.events)
        self.cursor = answer.cursor or ""
        self.pages += 1
        return self.cursor

    def snapshot(self, request: Request) -> Snapshot:
        """Return the whole answer.

        Raises:
            DataFailure: nothing of it can be read.
        """
        sieve, series = self.reading.sieve, self.reading.series
        if not self.events:
            sieve.require_any()
        return Snapshot(
            feed=request.feed,
            sport_key=series.league.sport,
            # Every game has a contract on its winner, but not always a spread or a total. An event
            # without a readable id may be any event: no absent one counts as ended.
            is_list=series.kind == "h2h" and not sieve.has_nameless,
            is_complete=True,
            received_at=self.received_at,
            events=list(self.events.values()),
            bookmakers={BOOKMAKER: BOOKMAKER_TITLE},
            quotes_seen=self.reading.quotes_seen,
            left_out=sieve.left_out,
            unreadable_share=sieve.unreadable_share,
            missed_events=tuple(sieve.missed_events),
            texts_cleaned=sieve.cleaned,
        )

    def page(self, request: Request) -> Snapshot:
        """Return the empty snapshot of a page that others follow."""
        return Snapshot(
            feed=request.feed,
            sport_key=self.reading.series.league.sport,
            is_list=False,
            is_complete=False,
            received_at=self.received_at,
            events=[],
            bookmakers={},
            quotes_seen=0,
            is_page=True,
        )


def refusal(response: Response) -> ProviderFailure:
    """Return the failure that an answer with a status other than 200 stands for."""
    try:
        body = _ERRORS.decode(unpadded(response.body))
    except (ValueError, RecursionError):  # e.g. a gateway's page: only the status is used
        body = _Error()
    words = body.error or body
    return classify_status(
        response.status,
        error_code=words.code,
        detail=words.message,
        retry_after_seconds=retry_after_seconds(
            response.headers.get("retry-after"), response.received_at
        ),
        meanings=ERROR_CODES,
    )


def _requests(settings: ProviderSettings) -> Iterator[Request]:
    base_url = settings.base_url
    for sport in settings.sports:
        league = _LEAGUES.get(sport)
        if league is None:
            yield _refused(base_url, sport, _unsupported("sport", sport, _LEAGUES))
            continue
        offered = _KINDS if league.outrights else tuple(MARKETS)
        for kind in settings.markets:
            if kind in offered:
                yield from (_request(base_url, series) for series in series_of(league, kind))
            else:
                failure = _unsupported("market", kind, offered)
                yield _refused(base_url, f"{sport}/{kind}", failure)


def _unsupported(what: str, name: str, known: Collection[str]) -> PermanentFailure:
    return PermanentFailure(
        f"unsupported_{what}",
        f"Kalshi lists no {what} {one_line(name)!r}.",
        choices(name, known),
        scope="feed",
    )


def _refused(base_url: str, name: str, failure: PermanentFailure) -> Request:
    """Return the refused request that stands in for one without a known series."""
    return Request(Kalshi.key, base_url, PATH, {"series_ticker": name}, refusal=failure)


def _request(base_url: str, series: Series) -> Request:
    params = {
        "series_ticker": series.ticker,
        "status": "open",
        "with_nested_markets": "true",
        "limit": str(PAGE_EVENTS),
    }
    return Request(Kalshi.key, base_url, PATH, params)


def _series(request: Request) -> Series:
    ticker = request.params.get("series_ticker", "")
    if request.path != PATH or ticker not in SERIES:
        place = f"{request.path}?series_ticker={ticker}"
        raise DataFailure("bad_path", "The request is not one for a known series.", one_line(place))
    return SERIES[ticker]


def _read(reading: Reading, answer: Answer, read: dict[str, SnapshotEvent]) -> None:
    sieve = reading.sieve
    if isinstance(answer.events, Survivors) and answer.events.lost:
        # The ids of the lost events are unknown: only a readable event's ticker is parsed.
        sieve.has_nameless = True
    for number, event in numbered(answer.events):
        place = f"$.events[{number}]"
        try:
            _check_series(event, reading.series)
            # An event without contracts yet offers nothing, and its start is unknown.
            one = reading.event(event, place) if event.markets else None
        except DataFailure as fault:
            sieve.leave_out(fault.within(place), max(1, len(event.markets)))
            sieve.miss_event(reading.id_of(event))
            continue
        if one is not None:
            add_event(sieve, read, one, f"{place}.event_ticker")


def _check_series(event: Event, series: Series) -> None:
    if event.series_ticker != series.ticker:
        words = f"The event is not one of {series.ticker}."
        raise DataFailure("wrong_content", words, "series_ticker")
    if not event.event_ticker.startswith(f"{series.ticker}-"):
        raise DataFailure("bad_ticker", "The ticker is not one of its series.", "event_ticker")
