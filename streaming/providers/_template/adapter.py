"""The requests of a poll, how the key travels, and how an answer becomes a snapshot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote, unquote

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
from streaming.core.texts import one_line
from streaming.providers._template.answer import Answer, Reading, parse
from streaming.providers.base import (
    Authorisation,
    ProviderSettings,
    Quota,
    Request,
    Response,
    Secret,
)
from streaming.providers.fields import unpadded
from streaming.providers.sieve import Sieve, Survivors, add_event, numbered

MARKETS = ("h2h", "spreads", "totals")

ERROR_CODES: Mapping[str, ErrorMeaning] = MappingProxyType(
    {
        "too_many_requests": ErrorMeaning("transient"),
        "bad_key": ErrorMeaning(
            "permanent", "Check the key in the provider's environment variable."
        ),
        "unknown_sport": ErrorMeaning("permanent", "Correct the provider's sports.", "feed"),
    }
)
"""The service's own error codes; the HTTP status decides about any other."""


class _Error(msgspec.Struct):
    code: str | None = None
    message: str = ""


class _Refusal(msgspec.Struct):
    error: _Error


_REFUSALS = msgspec.json.Decoder(_Refusal)
_PATH = re.compile(r"/v1/odds/(?P<sport>[^/]+)")


class Template:
    """The adapter; its protocol is `streaming.providers.base.Adapter`."""

    key = "_template"
    public_url = ""

    def requests(self, settings: ProviderSettings) -> list[Request]:
        """Return one request for each sport.

        Raises:
            PermanentFailure: a market is asked for that the service does not have.
        """
        unknown = sorted({*settings.markets, *settings.event_markets} - {*MARKETS})
        if unknown or settings.event_markets:
            raise PermanentFailure(
                "unsupported_market",
                f"The service cannot be asked for {', '.join(unknown) or 'event markets'}.",
                f"Name them as markets; there are: {', '.join(MARKETS)}.",
            )
        params = {"markets": ",".join(settings.markets)}
        return [
            Request(self.key, settings.base_url, f"/v1/odds/{quote(sport, safe='')}", params)
            for sport in settings.sports
            if settings.markets
        ]

    def authorise(self, request: Request, secret: Secret | None) -> Authorisation:  # noqa: ARG002 - the protocol's signature
        """Return the key as a header."""
        if secret is None:
            return Authorisation()
        return Authorisation(headers={"X-Api-Key": secret.value}, secret=secret)

    def decoder(self) -> Template:
        """Return the adapter itself: it reads each answer without the ones before."""
        return self

    def decode(self, request: Request, response: Response) -> Snapshot:
        """Return the snapshot of a whole answer; what cannot be read is left out.

        Raises:
            ProviderFailure: a refusal, or an answer of which nothing can be read.
        """
        sport = _sport(request)
        if response.status != 200:
            raise _refusal(response)
        sieve = Sieve()
        reading = Reading(sieve)
        answer = parse(response.body, sieve)
        if answer.sport != sport:
            raise DataFailure("wrong_content", f"The answer is not about {sport}.", "$.sport")
        events = _events(reading, answer)
        return Snapshot(
            feed=request.feed,
            sport_key=sport,
            # A list with an event that cannot be named says of no other that it has ended.
            is_list=not sieve.has_nameless,
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
        """Return None: no answer has further pages."""
        return None

    def quota(self, response: Response) -> Quota:  # noqa: ARG002 - the protocol's signature
        """Return an empty quota: the service does not say what is left."""
        return Quota()


def _sport(request: Request) -> str:
    match = _PATH.fullmatch(request.path)
    if match is None:
        raise DataFailure("bad_path", "The request is not one for odds.", one_line(request.path))
    return unquote(match["sport"])


def _events(reading: Reading, answer: Answer) -> list[SnapshotEvent]:
    sieve = reading.sieve
    if isinstance(answer.events, Survivors) and answer.events.lost:
        sieve.has_nameless = True
    read: dict[str, SnapshotEvent] = {}
    for number, event in numbered(answer.events):
        place = f"$.events[{number}]"
        try:
            one = reading.event(event, answer, place)
        except DataFailure as fault:
            prices = sum(len(book.prices) for book in event.books)
            sieve.leave_out(fault.within(place), max(1, prices))
            sieve.miss_event(event.id)
        else:
            add_event(sieve, read, one, f"{place}.id")
    if not read:
        sieve.require_any()
    return list(read.values())


def _refusal(response: Response) -> ProviderFailure:
    try:
        error = _REFUSALS.decode(unpadded(response.body)).error
    except (ValueError, RecursionError):  # a gateway's page, say: the status has to do
        error = _Error()
    return classify_status(
        response.status,
        error_code=error.code,
        detail=error.message,
        retry_after_seconds=retry_after_seconds(
            response.headers.get("retry-after"), response.received_at
        ),
        meanings=ERROR_CODES,
    )
