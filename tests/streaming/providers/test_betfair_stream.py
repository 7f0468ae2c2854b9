from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import DataFailure
from streaming.core.snapshot import Snapshot, SnapshotQuote
from streaming.providers.base import Decoder, Request, Response
from streaming.providers.betfair.book import moment
from streaming.providers.betfair.file import path_of
from streaming.providers.betfair.stream import SPORTS
from streaming.providers.registry import adapter
from tests.contract.validity import assert_valid
from tests.streaming.providers.betfair import (
    BEFORE_MS,
    DRAW,
    GULLS,
    MARKET,
    OTTERS,
    change,
    definition,
    image,
    message,
    with_status,
)

PRICES = [
    {"id": GULLS, "atb": [[2.0, 10]], "atl": [[2.04, 4]]},
    {"id": OTTERS, "atb": [[4.1, 3]]},
    {"id": DRAW, "atl": [[3.5, 9]]},
]
OFFERED = {
    ("Harbour Gulls", "back"): 2.0,
    ("Harbour Gulls", "lay"): 2.04,
    ("Mill Otters", "back"): 4.1,
    ("Draw", "lay"): 3.5,
}
TAKEN_BACK = dict.fromkeys(OFFERED)

Told = dict[tuple[str, str], float | None]


@pytest.fixture
def decoder() -> Decoder:
    return adapter("betfair_stream").decoder()


def read(decoder: Decoder, *messages: bytes, market: str = MARKET, ms: int = 0) -> Snapshot:
    body = b"\n".join(messages)
    response = Response(200, {}, body, moment(BEFORE_MS + ms), duration_ms=0.0, wire_bytes=0)
    request = Request("betfair_stream", "file:///x.bz2", path_of(market), recorded=response)
    snapshot = decoder.decode(request, response)
    assert_valid(snapshot, request, response)
    return snapshot


def quotes(snapshot: Snapshot) -> list[SnapshotQuote]:
    return [quote for event in snapshot.events for quote in event.quotes]


def told(snapshot: Snapshot) -> Told:
    return {(quote.name, quote.side): quote.price for quote in quotes(snapshot)}


def status(status: str, **fields: Any) -> bytes:
    return message(change(marketDefinition=definition(status=status, **fields)))


def test_an_image_is_a_complete_snapshot_of_all_that_is_on_offer(decoder: Decoder) -> None:
    snapshot = read(decoder, message(image(*PRICES)))
    assert (snapshot.is_complete, snapshot.is_list) == (True, False)
    assert (snapshot.feed, snapshot.sport_key) == ("/markets/1.200000001", "soccer")
    assert snapshot.bookmakers == {"betfair_ex": "Betfair Exchange"}
    (event,) = snapshot.events
    assert (event.external_id, event.sport_title) == ("30000001", "Soccer")
    assert (event.home, event.away) == ("Harbour Gulls", "Mill Otters")
    assert event.commence_time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert told(snapshot) == OFFERED
    assert {(quote.kind, quote.period, quote.participant) for quote in event.quotes} == {
        ("h2h", "full", "")
    }
    assert {quote.source_at for quote in event.quotes} == {moment(BEFORE_MS)}


def test_a_delta_tells_the_best_prices_that_changed_and_those_that_are_gone(
    decoder: Decoder,
) -> None:
    read(decoder, message(image(*PRICES)))
    gulls = {"id": GULLS, "atb": [[2.02, 1], [1.5, 9]], "atl": [[2.04, 0]]}
    snapshot = read(decoder, message(change(gulls), ms=700))
    assert not snapshot.is_complete
    assert told(snapshot) == {("Harbour Gulls", "back"): 2.02, ("Harbour Gulls", "lay"): None}
    assert {quote.source_at for quote in quotes(snapshot)} == {
        moment(BEFORE_MS) + timedelta(milliseconds=700)
    }
    assert snapshot.quotes_seen == 3


@pytest.mark.parametrize(
    "nothing",
    [
        message(change({"id": GULLS, "atb": [[1.5, 3]], "trd": [[2.0, 8]], "ltp": 2.0})),
        message(change({"id": GULLS, "atb": [[2.0, 11]]})),
        message(change(marketDefinition=definition(version=7))),
        message(change()),
        message(ct="HEARTBEAT"),
    ],
)
def test_what_moves_no_best_price_is_an_empty_snapshot(decoder: Decoder, nothing: bytes) -> None:
    read(decoder, message(image(*PRICES)))
    snapshot = read(decoder, nothing)
    assert (snapshot.events, snapshot.bookmakers, snapshot.is_complete) == ([], {}, False)


@pytest.mark.parametrize("closed", ["SUSPENDED", "CLOSED", "INACTIVE"])
def test_a_suspension_takes_everything_back_and_a_reopening_says_it_again(
    decoder: Decoder, closed: str
) -> None:
    read(decoder, message(image(*PRICES)))
    assert told(read(decoder, status(closed))) == TAKEN_BACK
    while_closed = read(decoder, message(change({"id": OTTERS, "atb": [[4.2, 5]]})))
    assert while_closed.events == []
    reopened = read(decoder, status("OPEN"))
    assert not reopened.is_complete
    assert told(reopened) == {**OFFERED, ("Mill Otters", "back"): 4.2}


def test_a_runner_that_is_removed_is_taken_back(decoder: Decoder) -> None:
    read(decoder, message(image(*PRICES)))
    snapshot = read(decoder, status("OPEN", runners=with_status("REMOVED", GULLS)))
    assert told(snapshot) == {("Harbour Gulls", "back"): None, ("Harbour Gulls", "lay"): None}


def test_a_runner_that_gets_another_name_is_another_outcome(decoder: Decoder) -> None:
    read(decoder, message(image(PRICES[1])))
    renamed = [{"id": OTTERS, "name": "Weir Otters", "status": "ACTIVE"}]
    snapshot = read(decoder, status("OPEN", runners=renamed))
    assert told(snapshot) == {("Mill Otters", "back"): None, ("Weir Otters", "back"): 4.1}


def test_an_image_among_the_messages_of_an_answer_makes_it_complete(decoder: Decoder) -> None:
    read(decoder, message(image(*PRICES)))
    otters = message(change({"id": OTTERS, "atl": [[4.4, 1]]}))
    snapshot = read(decoder, otters, message(image(*PRICES[:2])), otters)
    assert snapshot.is_complete
    assert told(snapshot) == {key: price for key, price in OFFERED.items() if key[0] != "Draw"} | {
        ("Mill Otters", "lay"): 4.4
    }


def test_an_image_of_a_suspended_market_says_that_nothing_is_on_offer(decoder: Decoder) -> None:
    read(decoder, message(image(*PRICES)))
    snapshot = read(decoder, message(image(*PRICES, status="SUSPENDED")))
    assert snapshot.is_complete
    assert [event.quotes for event in snapshot.events] == [[]]


def test_going_in_play_before_its_time_starts_the_event(decoder: Decoder) -> None:
    read(decoder, message(image(*PRICES)))
    in_play = message(change(marketDefinition=definition(inPlay=True)), ms=600_000)
    snapshot = read(decoder, in_play, ms=600_000)
    (event,) = snapshot.events
    assert event.commence_time == snapshot.received_at
    assert event.quotes == []


def test_a_price_that_pays_nothing_back_is_off_the_board(decoder: Decoder) -> None:
    snapshot = read(decoder, message(image({"id": GULLS, "atb": [[1.0, 5]], "atl": [[1.01, 5]]})))
    assert told(snapshot) == {("Harbour Gulls", "lay"): 1.01}


@pytest.mark.parametrize("betting_type", ["ASIAN_HANDICAP_DOUBLE_LINE", "LINE", "RANGE"])
def test_prices_that_are_no_plain_odds_are_counted_and_left_out(
    decoder: Decoder, betting_type: str
) -> None:
    snapshot = read(decoder, message(image(*PRICES, bettingType=betting_type)))
    assert snapshot.is_complete
    assert (snapshot.events, snapshot.quotes_seen) == ([], 4)


def test_what_is_left_out_is_told_and_takes_back_its_runner_alone(decoder: Decoder) -> None:
    read(decoder, message(image(*PRICES)))
    snapshot = read(decoder, message(change({"id": GULLS, "atb": [["odd", 1]]})))
    assert set(told(snapshot)) == {key for key in OFFERED if key[0] == "Harbour Gulls"}
    assert set(told(snapshot).values()) == {None}
    (found,) = snapshot.left_out
    assert found.place == "$[0].mc[0].rc[0].atb[0][0]"


@pytest.mark.parametrize("name", ["The Draw", "Draw", "TIE"])
def test_the_draw_is_one_outcome_however_it_is_written(decoder: Decoder, name: str) -> None:
    runners = [{"id": DRAW, "name": name, "status": "ACTIVE"}]
    snapshot = read(decoder, message(image({"id": DRAW, "atl": [[3.5, 9]]}, runners=runners)))
    assert list(told(snapshot)) == [("Draw", "lay")]


def test_a_market_of_another_type_is_told_from_its_like_by_its_name(decoder: Decoder) -> None:
    snapshot = read(decoder, message(image(*PRICES, marketType="SET_WINNER", name="Set 2 Winner")))
    assert {(quote.kind, quote.participant) for quote in quotes(snapshot)} == {
        ("set_winner", "Set 2 Winner")
    }


def test_two_races_of_one_meeting_are_two_events(decoder: Decoder) -> None:
    event_ids = set()
    for market, time in (("1.1", "14:10"), ("1.2", "14:45")):
        race = definition(
            eventTypeId="7",
            marketType="WIN",
            marketTime=f"2026-03-01T{time}:00Z",
            eventName="Harbour Park 1st Mar",
        )
        first = message(change(PRICES[0], market=market, marketDefinition=race))
        snapshot = read(decoder, first, market=market)
        (event,) = snapshot.events
        assert (event.home, event.away, event.sport_key) == ("", "", "horse_racing")
        assert event.commence_time == datetime.fromisoformat(f"2026-03-01T{time}:00Z")
        assert {quote.kind for quote in event.quotes} == {"win"}
        event_ids.add(event.external_id)
    assert event_ids == {"30000001/1.1", "30000001/1.2"}


def test_a_stream_recorded_live_names_nothing_but_ids(decoder: Decoder) -> None:
    runners = [{"id": id_, "status": "ACTIVE"} for id_ in (GULLS, OTTERS, DRAW)]
    snapshot = read(decoder, message(image(*PRICES, runners=runners, eventName=None, name=None)))
    assert {name for name, _ in told(snapshot)} == {"101", "102", "103"}
    assert snapshot.events[0].external_id == "30000001/1.200000001"


def test_what_is_said_of_another_event_builds_on_nothing_said_before(decoder: Decoder) -> None:
    read(decoder, message(image(*PRICES)))
    snapshot = read(decoder, status("OPEN", eventId="30000009"))
    assert snapshot.is_complete
    assert told(snapshot) == OFFERED


def test_no_two_sports_have_one_key() -> None:
    assert len(set(SPORTS.values())) == len(SPORTS)


@pytest.mark.parametrize(
    ("messages", "path", "code"),
    [
        ([message(change(PRICES[0]))], MARKET, "undefined_market"),
        ([message(ct="HEARTBEAT")], MARKET, "undefined_market"),
        ([message(image(), change(market="1.3"))], MARKET, "wrong_content"),
        ([message(image())], "1.3", "wrong_content"),
        ([message(image())], "1.3/odds", "bad_path"),
        ([], MARKET, "undecodable"),
    ],
)
def test_what_does_not_fit_the_market_asked_for_is_refused(
    decoder: Decoder, messages: list[bytes], path: str, code: str
) -> None:
    with pytest.raises(DataFailure) as caught:
        read(decoder, *messages, market=path)
    assert caught.value.code == code


RUNNER_CHANGES = st.builds(
    lambda runner, side, price, size: {"id": runner, side: [[price, size]]},
    st.sampled_from([GULLS, OTTERS, DRAW]),
    st.sampled_from(["atb", "atl"]),
    st.sampled_from([1.5, 2.0, 2.04, 3.5, 4.1]),
    st.sampled_from([0, 10]),
)
DEFINITIONS = st.builds(
    lambda status, runners: definition(status=status, runners=runners),
    st.sampled_from(["OPEN", "OPEN", "SUSPENDED", "CLOSED"]),
    st.sampled_from([with_status("ACTIVE", GULLS), with_status("REMOVED", GULLS)]),
)
MESSAGES = st.one_of(
    RUNNER_CHANGES.map(lambda runner: message(change(runner))),
    DEFINITIONS.map(lambda whole: message(change(marketDefinition=whole))),
    st.builds(
        lambda runner, whole: message(change(runner, img=True, marketDefinition=whole)),
        RUNNER_CHANGES,
        DEFINITIONS,
    ),
    st.just(message(ct="HEARTBEAT")),
)


@given(st.lists(st.lists(MESSAGES, min_size=1, max_size=3), max_size=8))
def test_who_keeps_what_the_snapshots_say_has_what_is_on_offer(answers: list[list[bytes]]) -> None:
    decoder = adapter("betfair_stream").decoder()
    kept: Told = {}
    heard: list[bytes] = []
    for answer in ([message(image(*PRICES))], *answers):
        snapshot = read(decoder, *answer)
        said = told(snapshot)
        if snapshot.is_complete:
            kept = {}
        assert all(kept.get(key) != price for key, price in said.items()), "only what is new"
        kept = {key: price for key, price in (kept | said).items() if price is not None}
        heard += answer
        at_once = read(adapter("betfair_stream").decoder(), *heard)
        assert kept == told(at_once)
