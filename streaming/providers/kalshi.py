"""Kalshi, an exchange of contracts on events, as https://docs.kalshi.com describes its REST API.

Market data is public. One request lists the open events of one series (one kind of market of one
league) with their contracts and best prices.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from streaming.core.failures import (
    DataFailure,
    PermanentFailure,
    ProviderFailure,
    Verdict,
    classify_status,
    one_line,
    retry_after_seconds,
)
from streaming.core.snapshot import Snapshot, SnapshotEvent
from streaming.providers.base import (
    Authorisation,
    ProviderSettings,
    Quota,
    Request,
    Response,
    Secret,
)
from streaming.providers.kalshi_answer import Answer, Event, Reading, parse
from streaming.providers.kalshi_contracts import BOOKMAKER, BOOKMAKER_TITLE
from streaming.providers.kalshi_tickers import (
    LEAGUES,
    MARKETS,
    OUTRIGHTS,
    SERIES,
    Series,
    series_of,
)

PATH = "/events"
PAGE_EVENTS = 200  # the most that one answer lists

_REQUEST_ADVICE = "Correct the provider's settings: the service does not accept this request."
_KEY_ADVICE = "Polling market data needs no key: check the provider's base URL."
ERROR_CODES: Mapping[str, Verdict] = MappingProxyType(
    {
        "too_many_requests": Verdict("transient"),
        "internal_server_error": Verdict("transient"),
        "service_unavailable": Verdict("transient"),
        "bad_request": Verdict("permanent", _REQUEST_ADVICE, "feed"),
        "invalid_parameters": Verdict("permanent", _REQUEST_ADVICE, "feed"),
        "missing_parameters": Verdict("permanent", _REQUEST_ADVICE, "feed"),
        "not_found": Verdict("permanent", _REQUEST_ADVICE, "feed"),
        "authentication_error": Verdict("permanent", _KEY_ADVICE),
        "token_authentication_failure": Verdict("permanent", _KEY_ADVICE),
    }
)
"""Codes of error bodies; the HTTP status decides about any other."""

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
    """The adapter; its protocol is `streaming.providers.base.Adapter`."""

    key = "kalshi"

    def requests(self, settings: ProviderSettings) -> Iterable[Request]:
        """One request for each series of each sport.

        Raises:
            PermanentFailure: a sport or market that Kalshi does not list.
        """
        if settings.event_markets:
            raise PermanentFailure(
                "unsupported_market",
                "Kalshi has no markets that are asked event by event.",
                f"Name them as markets; there are: {', '.join(_KINDS)}.",
            )
        wanted = list(_wanted(settings.sports, settings.markets))
        return (_request(settings.base_url, series) for series in wanted)

    def authorise(self, request: Request, secret: Secret | None) -> Authorisation:  # noqa: ARG002 - the protocol's signature
        """Nothing: market data is public."""
        return Authorisation()

    def decoder(self) -> Kalshi:
        """Itself: every answer stands for itself."""
        return self

    def decode(self, request: Request, response: Response) -> Snapshot:
        """The whole answer, in decimal odds.

        An answer that lists one event twice, or one of another series, does not fit.

        Raises:
            ProviderFailure: a refusal, or an answer that does not fit.
        """
        series = _series(request)
        if response.status != 200:
            raise refusal(response)
        answer = parse(response.body)
        reading = Reading(series)
        if answer.cursor:
            # A first page says neither what has gone nor what has only moved to the second: taken
            # for an answer, it would keep the prices of what it leaves out alive.
            words = f"The series has more open events than the {PAGE_EVENTS} of one page."
            raise DataFailure("more_pages", words, "cursor")
        events = _read(reading, answer)
        return Snapshot(
            feed=request.feed,
            sport_key=series.league.sport,
            # Every game has a contract on who wins it, but not always a spread or a total.
            is_list=series.kind == "h2h",
            is_complete=True,
            received_at=response.received_at,
            events=events,
            bookmakers={BOOKMAKER: BOOKMAKER_TITLE},
            quotes_seen=reading.quotes_seen,
        )

    def quota(self, response: Response) -> Quota:  # noqa: ARG002 - the protocol's signature
        """Nothing: requests are limited by the second, and none is counted in an answer."""
        return Quota()


def refusal(response: Response) -> ProviderFailure:
    """What an answer other than 200 stands for."""
    try:
        body = _ERRORS.decode(response.body)
    except (ValueError, RecursionError):  # a gateway's page, say: the status has to do
        body = _Error()
    words = body.error or body
    return classify_status(
        response.status,
        error_code=words.code,
        detail=words.message,
        retry_after_seconds=retry_after_seconds(
            response.headers.get("retry-after"), response.received_at
        ),
        verdicts=ERROR_CODES,
    )


def _wanted(sports: Sequence[str], kinds: Sequence[str]) -> Iterator[Series]:
    for sport in sports:
        league = _LEAGUES.get(sport)
        if league is None:
            raise _unsupported("sport", sport, _LEAGUES)
        for kind in kinds:
            offered = _KINDS if league.outrights else tuple(MARKETS)
            if kind not in offered:
                raise _unsupported("market", kind, offered)
            yield from series_of(league, kind)


def _unsupported(what: str, name: str, known: Iterable[str]) -> PermanentFailure:
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"Did you mean {near[0]!r}? " if near else ""
    return PermanentFailure(
        f"unsupported_{what}",
        f"Kalshi lists no {what} {one_line(name)!r}.",
        f"{advice}There are: {', '.join(known)}.",
    )


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


def _read(reading: Reading, answer: Answer) -> list[SnapshotEvent]:
    read: dict[str, SnapshotEvent] = {}
    for number, event in enumerate(answer.events):
        try:
            _check_series(event, reading.series)
            # An event whose contracts are yet to come offers nothing, and nothing says its start.
            if event.markets:
                _add(read, reading.event(event))
        except DataFailure as fault:
            raise fault.within(f"$.events[{number}]") from None
    return list(read.values())


def _add(read: dict[str, SnapshotEvent], event: SnapshotEvent) -> None:
    if event.external_id in read:
        raise DataFailure("repeated_event", "The event is listed twice.", "event_ticker")
    read[event.external_id] = event


def _check_series(event: Event, series: Series) -> None:
    if event.series_ticker != series.ticker:
        words = f"The event is not one of {series.ticker}."
        raise DataFailure("wrong_content", words, "series_ticker")
    if not event.event_ticker.startswith(f"{series.ticker}-"):
        raise DataFailure("bad_ticker", "The ticker is not one of its series.", "event_ticker")
