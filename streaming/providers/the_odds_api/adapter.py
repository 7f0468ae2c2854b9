"""The Odds API, version 4, as https://the-odds-api.com/liveapi/guides/v4/ describes it.

One request lists a sport's open events with their featured markets; further markets (player
props, alternate lines, periods) are requested event by event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from urllib.parse import quote, unquote

import msgspec

from streaming.core.failures import (
    DataFailure,
    ErrorMeaning,
    PermanentFailure,
    classify_status,
    retry_after_seconds,
)
from streaming.core.quota import next_month
from streaming.core.snapshot import Snapshot, SnapshotEvent
from streaming.core.texts import one_line
from streaming.providers.base import (
    Authorisation,
    ProviderSettings,
    Quota,
    Request,
    Response,
    Scores,
    Secret,
)
from streaming.providers.fields import unpadded
from streaming.providers.sieve import add_event, items_in
from streaming.providers.the_odds_api import scores
from streaming.providers.the_odds_api.answer import Event, Reading, parse
from streaming.providers.the_odds_api.history import as_live
from streaming.providers.the_odds_api.repeated import Scope, read_usual

_KEY_ADVICE = "Check the key that the provider's environment variable holds, and its subscription."
_QUOTA_ADVICE = "Wait for the quota to be renewed, or enlarge the plan."
_SPORT_ADVICE = "Correct the provider's sports: its keys are those of /v4/sports."
_MARKET_ADVICE = (
    "Correct the provider's markets; player props, alternate lines and periods are event markets."
)
_REQUEST_ADVICE = "Correct the provider's settings: the service does not accept this request."

OUT_OF_CREDITS = "OUT_OF_USAGE_CREDITS"

ERROR_CODES: Mapping[str, ErrorMeaning] = MappingProxyType(
    {
        "EXCEEDED_FREQ_LIMIT": ErrorMeaning("transient"),
        OUT_OF_CREDITS: ErrorMeaning("permanent", _QUOTA_ADVICE),
        "MISSING_KEY": ErrorMeaning("permanent", _KEY_ADVICE),
        "INVALID_KEY": ErrorMeaning("permanent", _KEY_ADVICE),
        "DEACTIVATED_KEY": ErrorMeaning("permanent", _KEY_ADVICE),
        "UNKNOWN_SPORT": ErrorMeaning("permanent", _SPORT_ADVICE, "feed"),
        "INVALID_SPORT": ErrorMeaning("permanent", _SPORT_ADVICE, "feed"),
        "MISSING_MARKET": ErrorMeaning("permanent", _MARKET_ADVICE, "feed"),
        "INVALID_MARKET": ErrorMeaning("permanent", _MARKET_ADVICE, "feed"),
        "INVALID_MARKET_COMBO": ErrorMeaning("permanent", _MARKET_ADVICE, "feed"),
        "MISSING_REGION": ErrorMeaning("permanent", _REQUEST_ADVICE),
        "INVALID_REGION": ErrorMeaning("permanent", _REQUEST_ADVICE),
        "INVALID_BOOKMAKERS": ErrorMeaning("permanent", _REQUEST_ADVICE),
        "INVALID_ODDS_FORMAT": ErrorMeaning("permanent", _REQUEST_ADVICE),
        "INVALID_DATE_FORMAT": ErrorMeaning("permanent", _REQUEST_ADVICE),
        "INVALID_EVENT_ID": ErrorMeaning("permanent", _REQUEST_ADVICE, "feed"),
        "INVALID_SCORES_DAYS_FROM": ErrorMeaning("permanent", _REQUEST_ADVICE, "feed"),
    }
)
"""The service's error codes: https://the-odds-api.com/liveapi/guides/v4/api-error-codes.html"""

EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
MAX_CREDITS = 2**31 - 1  # what an integer column holds


class _Error(msgspec.Struct):
    message: str = ""
    error_code: str | None = None


_ERROR = msgspec.json.Decoder(_Error)
_PATH = re.compile(r"/v4/sports/(?P<sport>[^/]+)(?:/events/(?P<event>[^/]+))?/odds")
_SCORES_PATH = re.compile(r"/v4/sports/(?P<sport>[^/]+)/scores")


class TheOddsApi:
    """The adapter of The Odds API; its protocols are `base.Adapter` and `base.ScoreSource`."""

    key = "the_odds_api"
    scores_cost = scores.COST
    scores_days = scores.DAYS
    public_url = "https://api.the-odds-api.com"

    def requests(self, settings: ProviderSettings) -> Iterator[Request]:
        """Return a list request per sport and, given event markets, one request per open event.

        Raises:
            PermanentFailure: the pseudo sport ``upcoming`` is requested; it mixes sports and
                never lists all of one.
        """
        if "upcoming" in settings.sports:
            raise PermanentFailure(
                "unsupported_sport",
                "'upcoming' is a selection across sports, not a sport.",
                "Name the sports themselves.",
            )
        return self._requests(settings)

    def _requests(self, settings: ProviderSettings) -> Iterator[Request]:
        for sport in settings.sports:
            root = f"/v4/sports/{quote(sport, safe='')}"
            if settings.markets:
                params = _params(settings, settings.markets)
                yield Request(self.key, settings.base_url, f"{root}/odds", params)
            if settings.event_markets:
                params = _params(settings, settings.event_markets)
                for event in settings.open_events.get(sport, ()):
                    path = f"{root}/events/{quote(event, safe='')}/odds"
                    yield Request(self.key, settings.base_url, path, params)

    def scores_request(self, base_url: str, sport: str) -> Request:
        """Return the request for the scores of a sport's events of the last days."""
        path = f"/v4/sports/{quote(sport, safe='')}/scores"
        params = {"daysFrom": str(scores.DAYS), "dateFormat": "iso"}
        return Request(self.key, base_url, path, params)

    def is_scores_request(self, request: Request) -> bool:
        """Return True if the request is one for scores."""
        return _SCORES_PATH.fullmatch(request.path) is not None

    def decode_scores(self, request: Request, response: Response) -> Scores:
        """Return the final scores of an answer; what cannot be read is left out.

        Raises:
            ProviderFailure: a refusal, or an answer of which nothing can be read.
        """
        match = _SCORES_PATH.fullmatch(request.path)
        if match is None:
            where = one_line(request.path)
            raise DataFailure("bad_path", "The request is not one for scores.", where)
        sport = unquote(match["sport"])
        if response.status != 200:
            _refused(Scope(request.base_url, request.feed, sport, None), response)
        return scores.read_scores(response.body, sport)

    def authorise(self, request: Request, secret: Secret | None) -> Authorisation:  # noqa: ARG002 - the protocol's signature
        """Return the key as a query parameter: the service accepts it nowhere else."""
        if secret is None:
            return Authorisation()
        return Authorisation(params={"apiKey": secret.value}, secret=secret)

    def decoder(self) -> TheOddsApi:
        """Return the adapter itself: every answer is independent."""
        return self

    def decode(self, request: Request, response: Response) -> Snapshot:
        """Decode the whole answer, in decimal odds.

        What cannot be read, or was not requested, is left out. The parts of an event that is
        listed twice are merged; the later one takes precedence.
        An event that the service no longer knows is an answer without quotes, not a failure.
        A historical answer is read as the live answer that it contains.

        Raises:
            ProviderFailure: a refusal, or an answer of which nothing can be read.
        """
        request, response = as_live(request, response)
        scope = _scope(request)
        is_american = request.params.get("oddsFormat") == "american"
        reading = Reading(is_american)
        if response.status != 200:
            events = _refused(scope, response)
        elif usual := read_usual(response.body, scope, is_american=is_american):
            reading, events = usual
        else:
            events = _read(reading, scope, response.body)
        sieve = reading.sieve
        return Snapshot(
            feed=request.feed,
            sport_key=scope.sport,
            # An event without a readable id may be any event: no absent one counts as ended.
            is_list=scope.event is None and not sieve.has_nameless,
            is_complete=True,
            received_at=response.received_at,
            events=events,
            bookmakers=reading.bookmakers,
            quotes_seen=reading.quotes_seen,
            stamps_confirm=True,
            left_out=sieve.left_out,
            unreadable_share=sieve.unreadable_share,
            missed_events=tuple(sieve.missed_events),
            texts_cleaned=sieve.cleaned,
        )

    def following(self, request: Request, response: Response) -> Request | None:  # noqa: ARG002 - the protocol's signature
        """Return None: every answer is whole."""
        return None

    def quota(self, response: Response) -> Quota:
        """Return the credits that the answer's headers state."""
        return Quota(
            remaining=_count(response.headers.get("x-requests-remaining")),
            used=_count(response.headers.get("x-requests-used")),
            last=_count(response.headers.get("x-requests-last")),
            resets_at=next_month(response.received_at),
        )


def _params(settings: ProviderSettings, markets: Iterable[str]) -> dict[str, str]:
    # Where bookmakers are named the service ignores regions.
    if settings.bookmakers:
        books = {"bookmakers": ",".join(settings.bookmakers)}
    else:
        books = {"regions": ",".join(settings.regions)}
    return {
        **books,
        "markets": ",".join(markets),
        "oddsFormat": settings.odds_format,
        "dateFormat": "iso",
    }


def _scope(request: Request) -> Scope:
    match = _PATH.fullmatch(request.path)
    if match is None:
        raise DataFailure("bad_path", "The request is not one for odds.", one_line(request.path))
    event = match["event"]
    return Scope(
        base_url=request.base_url,
        feed=request.feed,
        sport=unquote(match["sport"]),
        event=None if event is None else unquote(event),
    )


def _read(reading: Reading, scope: Scope, body: bytes) -> list[SnapshotEvent]:
    sieve = reading.sieve
    read: dict[str, SnapshotEvent] = {}
    for place, event in parse(body, sieve, is_list=scope.event is None):
        try:
            _check_listing(event, scope)
            one = reading.event(event, place)
        except DataFailure as fault:
            sieve.leave_out(fault.within(place), items_in(msgspec.to_builtins(event)))
            sieve.miss_event(event.id)
            continue
        add_event(sieve, read, one, f"{place}.id")
    if not read:
        sieve.require_any()
    return list(read.values())


def _check_listing(event: Event, scope: Scope) -> None:
    if event.sport_key != scope.sport:
        raise DataFailure("wrong_content", f"The event is not one of {scope.sport}.", "sport_key")
    if scope.event is not None and event.id != scope.event:
        raise DataFailure("wrong_content", "The event is not the one asked for.", "id")


def _refused(scope: Scope, response: Response) -> list[SnapshotEvent]:
    """Return no events if the refusal says that the event is over; raise any other one."""
    try:
        error = _ERROR.decode(unpadded(response.body))
    except (ValueError, RecursionError):  # e.g. a gateway's page: only the status is used
        error = _Error()
    if scope.event is not None and error.error_code == EVENT_NOT_FOUND:
        return []
    failure = classify_status(
        response.status,
        error_code=error.error_code,
        detail=error.message,
        retry_after_seconds=retry_after_seconds(
            response.headers.get("retry-after"), response.received_at
        ),
        meanings=ERROR_CODES,
    )
    if error.error_code == OUT_OF_CREDITS:
        renewed = next_month(response.received_at)
        advice = f"The quota is used up until {renewed:%Y-%m-%d}: wait, or enlarge the plan."
        raise PermanentFailure(failure.code, failure.message, advice, until=renewed)
    raise failure


def _count(value: str | None) -> int | None:
    """Parse a credit header; the service has sent ``19880`` as well as ``19880.0``.

    >>> _count("19880"), _count("19880.0"), _count("plenty"), _count("inf")
    (19880, 19880, None, None)
    """
    try:
        count = float(value or "")
    except ValueError:
        return None
    return int(count) if 0 <= count <= MAX_CREDITS else None
