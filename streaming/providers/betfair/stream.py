"""Betfair's Exchange Stream, played from recordings: back and lay prices of an exchange.

The answers build on each other. Each is one or more market change messages about one market, and
changes the market's best prices; see `streaming.providers.betfair.book`. No live connection is
made: the service requires sockets and certificates, which polling does not support.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from msgspec import structs

from streaming.core.failures import (
    DataFailure,
    ProviderFailure,
    classify_status,
    retry_after_seconds,
)
from streaming.core.snapshot import Side, Snapshot, SnapshotEvent, SnapshotQuote
from streaming.core.texts import one_line
from streaming.providers.base import ProviderSettings, Request, Response
from streaming.providers.betfair.book import Book, Market, moment
from streaming.providers.betfair.message import ADAPTER, Message, RunnerDefinition
from streaming.providers.betfair.parse import parse
from streaming.providers.outcomes import fixed_name
from streaming.providers.recording.adapter import Playback, played
from streaming.providers.sieve import Sieve

BOOKMAKER, TITLE = "betfair_ex", "Betfair Exchange"

FAMILIES: Mapping[str, str] = MappingProxyType(
    {
        "Rugby Union": "rugbyunion",
        "Rugby League": "rugbyleague",
        "American Football": "americanfootball",
        "Ice Hockey": "icehockey",
        "Australian Rules": "aussierules",
        "Mixed Martial Arts": "mma",
    }
)
"""Sport title → how other providers' keys begin; any other key is the title in lower case."""

SPORTS: Mapping[str, str] = MappingProxyType(
    {
        "1": "Soccer",
        "2": "Tennis",
        "3": "Golf",
        "4": "Cricket",
        "5": "Rugby Union",
        "6": "Boxing",
        "7": "Horse Racing",
        "8": "Motor Sport",
        "10": "Special Bets",
        "11": "Cycling",
        "1477": "Rugby League",
        "3503": "Darts",
        "3988": "Athletics",
        "4339": "Greyhound Racing",
        "6231": "Financial Bets",
        "6422": "Snooker",
        "6423": "American Football",
        "7511": "Baseball",
        "7522": "Basketball",
        "7524": "Ice Hockey",
        "61420": "Australian Rules",
        "468328": "Handball",
        "998917": "Volleyball",
        "2152880": "Gaelic Games",
        "2378961": "Politics",
        "26420387": "Mixed Martial Arts",
        "27454571": "Esports",
    }
)
"""Titles of sports by eventTypeId, as in the service's own list of event types."""

KINDS: Mapping[str, str] = MappingProxyType({"MATCH_ODDS": "h2h"})
"""marketType → kind, where other providers have a name for it; otherwise it is in lower case."""

_PATH = re.compile(r"/markets/(?P<market>[0-9.]+)")  # as `betfair_file.path_of` builds it


class Key(NamedTuple):
    """The identity of a quote within its event."""

    kind: str
    participant: str
    name: str
    side: Side


class Said(NamedTuple):
    """The state of a market as reported so far: its event, without quotes, and its offers."""

    event: SnapshotEvent
    offers: Mapping[Key, float]


class BetfairDecoder:
    """The decoder of one stream's messages.

    A snapshot lists the quotes that differ from those of earlier snapshots; a quote that is no
    longer on offer has no price. The snapshot of an image is complete instead: it lists all that
    is on offer.
    """

    def __init__(self) -> None:
        self._book = Book()
        self._said: dict[str, Said] = {}
        self._distrusted: set[str] = set()

    def decode(self, request: Request, response: Response) -> Snapshot:
        """Return what an answer changes.

        A price or runner that cannot be read is left out. If that may be a price that was removed,
        the runner has no prices until the next image; after a gap in a recording, no runner of the
        market has any.

        `quotes_seen` counts the prices that the answer states, at any depth and in any market, or
        the quotes that a status opens or withdraws, if these are more.

        Raises:
            ProviderFailure: a refusal, or a malformed answer. The book is unchanged, but after a
                malformed answer the next one withdraws all offers, until an image arrives.
        """
        market_id = _market_id(request)
        if response.status != 200:
            raise _refusal(response)
        if request.follows_gap:
            self._distrusted.add(market_id)
        sieve = Sieve()
        try:
            messages = parse(response.body, sieve)
            _check_market(messages, market_id)
            heard = self._book.apply(messages)
        except DataFailure:
            # The answer's price changes are lost, so no price is known until an image.
            self._distrusted.add(market_id)
            raise
        if heard.get(market_id):
            self._distrusted.discard(market_id)
        if market_id not in self._book.markets:
            raise DataFailure("undefined_market", "A heartbeat comes before all else.", "$")
        said = self._said.get(market_id)
        if heard.get(market_id):
            said = None
        snapshot = self._snapshot(request, response, messages, said)
        return structs.replace(snapshot, left_out=sieve.left_out, texts_cleaned=sieve.cleaned)

    def _snapshot(
        self, request: Request, response: Response, messages: list[Message], said: Said | None
    ) -> Snapshot:
        market_id = _market_id(request)
        market = self._book.markets[market_id]
        offers = {} if market_id in self._distrusted else _offers(market_id, market)
        now = self._said[market_id] = Said(_event(market_id, market), offers)
        if said is not None and said.event.external_id != now.event.external_id:
            said = None  # in another event, of which nothing was reported yet
        changes = now.offers if said is None else _changes(said.offers, now.offers)
        source_at = moment(messages[-1].pt)
        quotes = [_quote(key, price, source_at) for key, price in changes.items()]
        is_news = _is_taken(market) and (said is None or said.event != now.event)
        return Snapshot(
            feed=request.feed,
            sport_key=now.event.sport_key,
            is_list=False,
            is_complete=said is None,
            received_at=response.received_at,
            events=[structs.replace(now.event, quotes=quotes)] if quotes or is_news else [],
            bookmakers={BOOKMAKER: TITLE} if quotes else {},
            quotes_seen=max(_prices(messages), len(quotes)),
        )


class BetfairStream(Playback):
    """The adapter of Betfair; its protocol is `streaming.providers.base.Adapter`."""

    key = ADAPTER
    public_url = ""

    def requests(self, settings: ProviderSettings) -> Iterator[Request]:
        """Return the requests of the recording at the base URL, lazily, each with its answer.

        Raises:
            ProviderFailure: as `streaming.providers.recording.adapter.read` does.
        """
        return played(settings.base_url)

    def decoder(self) -> BetfairDecoder:
        """Return a decoder for a stream from its beginning."""
        return BetfairDecoder()


def _market_id(request: Request) -> str:
    match = _PATH.fullmatch(request.path)
    if match is None:
        raise DataFailure("bad_path", "The request is not for a market.", one_line(request.path))
    return match["market"]


def _refusal(response: Response) -> ProviderFailure:
    wait = retry_after_seconds(response.headers.get("retry-after"), response.received_at)
    return classify_status(response.status, retry_after_seconds=wait)


def _check_market(messages: list[Message], market_id: str) -> None:
    for number, message in enumerate(messages):
        for place, change in enumerate(message.changes):
            if change.id != market_id:
                where = f"$[{number}].mc[{place}].id"
                raise DataFailure("wrong_content", f"The market is not {market_id}.", where)


def _prices(messages: list[Message]) -> int:
    return sum(
        runner.prices
        for message in messages
        for change in message.changes
        for runner in change.rc or ()
    )


def _is_taken(market: Market) -> bool:
    """Return True if the market's prices are odds of runners; other markets are not read.

    Asian handicaps pair runners over many handicaps, some of them quarters that settle in halves,
    and the prices of lines and ranges are points, not odds.
    """
    return market.definition.betting_type == "ODDS"


def _offers(market_id: str, market: Market) -> dict[Key, float]:
    """Return the best prices on offer; of two runners with one name the last one counts."""
    if not _is_taken(market):
        return {}
    kind = _kind(market)
    # An event has one market on the match's result, but may have several of any other type: one on
    # the winner of the first set, one on that of the second.
    participant = "" if kind == "h2h" else market.definition.name or market_id
    sides = teams(market.definition.event_name or "")
    return {
        Key(kind, participant, _name(offer.runner, kind, sides), offer.side): offer.price
        for offer in market.offers()
        if offer.price > 1
    }


def _kind(market: Market) -> str:
    market_type = market.definition.market_type
    return KINDS.get(market_type, market_type.lower())


def _name(runner: RunnerDefinition, kind: str, sides: tuple[str, str]) -> str:
    name = runner.name or str(runner.id)
    return name if name in sides else fixed_name(kind, name)


def _changes(before: Mapping[Key, float], now: Mapping[Key, float]) -> dict[Key, float | None]:
    """Return the prices that are new or different, and None for those that are gone.

    >>> back, lay = (Key("h2h", "", "Draw", side) for side in ("back", "lay"))
    >>> _changes({back: 3.4, lay: 3.5}, {back: 3.45}) == {back: 3.45, lay: None}
    True
    """
    changed = {key: price for key, price in now.items() if before.get(key) != price}
    return changed | dict.fromkeys(key for key in before if key not in now)


def _quote(key: Key, price: float | None, source_at: datetime) -> SnapshotQuote:
    return SnapshotQuote(
        bookmaker=BOOKMAKER,
        kind=key.kind,
        period="full",
        participant=key.participant,
        name=key.name,
        point=None,
        line=None,
        side=key.side,
        price=price,
        source_at=source_at,
    )


def _event(market_id: str, market: Market) -> SnapshotEvent:
    definition = market.definition
    home, away = teams(definition.event_name or "")
    sport_key, sport_title = _sport(definition.event_type_id)
    # An event whose name has no two sides is a group of contests: the races of a meeting, the
    # questions about a tournament. Each of its markets is an event of its own, with its own start.
    is_contest = bool(home)
    return SnapshotEvent(
        external_id=definition.event_id if is_contest else f"{definition.event_id}/{market_id}",
        sport_key=sport_key,
        sport_title=sport_title,
        home=home,
        away=away,
        commence_time=market.starts_at,
        quotes=[],
    )


def teams(event_name: str) -> tuple[str, str]:
    """Return home and away; both empty if an event's name does not have two sides.

    >>> teams("Mill Otters @ Harbour Gulls"), teams("Harbour Gulls v Mill Otters")
    (('Harbour Gulls', 'Mill Otters'), ('Harbour Gulls', 'Mill Otters'))
    >>> teams("Harbour Park 7th Nov")
    ('', '')
    """
    away, at, home = (part.strip() for part in event_name.partition(" @ "))
    if not at:
        home, _, away = (part.strip() for part in event_name.partition(" v "))
    return (home, away) if home and away and home != away else ("", "")


def _sport(event_type_id: str) -> tuple[str, str]:
    """Return a sport's key and title.

    >>> _sport("6423"), _sport("99")
    (('americanfootball', 'American Football'), ('betfair_99', 'Betfair 99'))
    """
    title = SPORTS.get(event_type_id, f"Betfair {event_type_id}")
    return FAMILIES.get(title, title.lower().replace(" ", "_")), title
