"""A tape of order books, frame by frame, in numbers worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import DataFailure, ProviderFailure
from streaming.core.snapshot import Snapshot
from streaming.providers.base import Request, Response
from streaming.providers.kalshi import stream as kalshi_stream
from streaming.providers.kalshi.book import Book
from streaming.providers.kalshi.contracts import offers
from streaming.providers.kalshi.frames import BookDelta, BookImage
from streaming.providers.kalshi.listing import parse_ticker
from streaming.providers.kalshi.stream import KalshiStream

REQUEST = Request("kalshi_stream", "file:///tape.jsonl", "/trade-api/ws/v2")
GAME = "KXMLBGAME-27MAR011910GULOWL"
GUL, OWL = f"{GAME}-GUL", f"{GAME}-OWL"
SOCCER = "KXMLSGAME-27MAR06LINFER-LIN"
TICK = datetime(2027, 3, 1, 18, tzinfo=UTC)

COUNTS = ["-2.00", "-1.00", "0.50", "1.00", "2.00"]
Levels = list[tuple[str, str]]
Prices = dict[tuple[str, float | None, str], float | None]


class Tape:
    """A connection whose frames are numbered as the service numbers them."""

    def __init__(self) -> None:
        self.decoder = KalshiStream().decoder()
        self.numbers = count(1)

    def frame(self, kind: str, **message: Any) -> dict[str, Any]:
        return {"type": kind, "sid": 1, "seq": next(self.numbers), "msg": message}

    def image(self, ticker: str, yes: Levels, no: Levels) -> dict[str, Any]:
        levels = {"yes_dollars_fp": yes, "no_dollars_fp": no}
        return self.frame("orderbook_snapshot", market_ticker=ticker, **levels)

    def delta(self, ticker: str, side: str, price: str, change: str) -> dict[str, Any]:
        stamp = int(TICK.timestamp() * 1000) + 250
        return self.frame(
            "orderbook_delta",
            market_ticker=ticker,
            side=side,
            price_dollars=price,
            delta_fp=change,
            ts_ms=stamp,
        )

    def hear(self, body: Any, status: int = 200) -> Snapshot:
        packed = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = Response(status, {}, packed, TICK, 0.0, len(packed))
        return self.decoder.decode(REQUEST, response)

    def refused(self, body: Any, status: int = 200) -> ProviderFailure:
        with pytest.raises(ProviderFailure) as caught:
            self.hear(body, status)
        return caught.value


@pytest.fixture
def tape() -> Tape:
    return Tape()


def prices(snapshot: Snapshot) -> Prices:
    return {
        (quote.name, quote.point, quote.side): quote.price
        for event in snapshot.events
        for quote in event.quotes
    }


def test_an_image_puts_both_best_prices_on_the_board(tape: Tape) -> None:
    image = tape.image(GUL, [("0.3000", "5.00"), ("0.4000", "1.00")], [("0.5000", "2.00")])
    snapshot = tape.hear(image)
    assert prices(snapshot) == {("GUL", None, "back"): 2.0, ("GUL", None, "lay"): 2.5}
    assert (snapshot.sport_key, snapshot.is_list, snapshot.is_complete) == (
        "baseball_mlb",
        False,
        False,
    )
    (event,) = snapshot.events
    assert (event.external_id, event.home, event.away) == ("KXMLB-27MAR011910GULOWL", "OWL", "GUL")
    assert event.commence_time == datetime(2027, 3, 2, 0, 10, tzinfo=UTC)
    assert snapshot.quotes_seen == 2


def test_a_delta_tells_only_what_it_changed(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], [("0.5000", "2.00")]))
    deeper = tape.hear(tape.delta(GUL, "yes", "0.4000", "7.00"))
    assert (deeper.events, deeper.quotes_seen) == ([], 2)
    better = tape.hear(tape.delta(GUL, "no", "0.6000", "0.01"))
    assert prices(better) == {("GUL", None, "back"): 2.5}
    (event,) = better.events
    assert event.quotes[0].source_at == TICK + timedelta(milliseconds=250)


def test_the_last_bid_that_goes_is_taken_back(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], [("0.5000", "2.00")]))
    gone = tape.hear(tape.delta(GUL, "no", "0.5000", "-2.00"))
    assert prices(gone) == {("GUL", None, "back"): None}
    back = tape.hear(tape.delta(GUL, "no", "0.2000", "3.00"))
    assert prices(back) == {("GUL", None, "back"): 1.25}


def test_no_of_a_handicap_is_the_opponents(tape: Tape) -> None:
    ticker = "KXMLBSPREAD-27MAR011910GULOWL-OWL2"
    snapshot = tape.hear(tape.image(ticker, [("0.2000", "1.00")], [("0.5000", "1.00")]))
    assert prices(snapshot) == {
        ("OWL", -1.5, "back"): 2.0,
        ("OWL", -1.5, "lay"): 5.0,
        ("GUL", 1.5, "back"): 1.25,
        ("GUL", 1.5, "lay"): 2.0,
    }


def test_an_array_is_one_step_and_its_markets_meet(tape: Tape) -> None:
    total = "KXMLBTOTAL-27MAR011910GULOWL-8"
    snapshot = tape.hear(
        [
            tape.image(total, [("0.5000", "1.00")], []),
            tape.image(GUL, [("0.4000", "1.00")], []),
            tape.delta(GUL, "yes", "0.5000", "1.00"),
        ]
    )
    assert prices(snapshot) == {
        ("Over", 7.5, "lay"): 2.0,
        ("Under", 7.5, "back"): 2.0,
        ("GUL", None, "lay"): 2.0,
    }
    (event,) = snapshot.events
    assert (event.home, event.away) == ("OWL", "GUL")


def test_a_contract_that_names_no_team_finds_them_again(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    total = tape.image("KXMLBTOTAL-27MAR011910GULOWL-8", [("0.5000", "1.00")], [])
    (event,) = tape.hear(total).events
    assert (event.home, event.away) == ("OWL", "GUL")


def test_a_day_without_a_time_starts_at_midnight_eastern(tape: Tape) -> None:
    (event,) = tape.hear(tape.image(SOCCER, [("0.4000", "1.00")], [])).events
    assert event.commence_time == datetime(2027, 3, 6, 5, tzinfo=UTC)
    assert (event.home, event.away) == ("LIN", "FER")


def test_frames_about_the_subscription_are_counted_and_about_no_sport(tape: Tape) -> None:
    subscribed = {"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}
    assert tape.hear(subscribed).sport_key == ""
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    assert tape.hear(tape.frame("ok", market_tickers=[GUL])).events == []
    assert prices(tape.hear(tape.delta(GUL, "yes", "0.5000", "1.00")))


def test_contracts_of_no_known_league_are_passed_over(tape: Tape) -> None:
    snapshot = tape.hear(tape.image("KXBTCD-27MAR0117-T98000", [("0.4000", "1.00")], []))
    assert (snapshot.sport_key, snapshot.events) == ("", [])


def test_a_change_before_the_image_says_nothing(tape: Tape) -> None:
    assert tape.hear(tape.delta(GUL, "yes", "0.4000", "1.00")).events == []


def test_a_hole_is_a_failure_and_no_price_comes_until_the_next_image(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], [("0.5000", "1.00")]))
    tape.frame("ok")  # lost on the way
    failure = tape.refused(tape.delta(GUL, "yes", "0.4500", "1.00"))
    assert (failure.kind, failure.code) == ("data", "gap")

    later = tape.hear(tape.delta(GUL, "yes", "0.4600", "1.00"))
    assert prices(later) == {("GUL", None, "back"): None, ("GUL", None, "lay"): None}
    assert tape.hear(tape.delta(GUL, "yes", "0.4700", "1.00")).events == []

    fresh = tape.hear(tape.image(GUL, [("0.2500", "1.00")], []))
    assert prices(fresh) == {("GUL", None, "lay"): 4.0}


def test_after_a_line_that_a_recording_lost_no_price_comes_until_the_next_image(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    tape.frame("ok")  # lost on the way
    body = json.dumps(tape.delta(GUL, "yes", "0.4500", "1.00")).encode()
    answer = Response(200, {}, body, TICK, duration_ms=0.0, wire_bytes=len(body))
    after = tape.decoder.decode(replace(REQUEST, follows_gap=True), answer)
    assert prices(after) == {("GUL", None, "lay"): None}
    fresh = tape.hear(tape.image(GUL, [("0.2500", "1.00")], []))
    assert prices(fresh) == {("GUL", None, "lay"): 4.0}


def test_after_a_hole_each_contract_waits_for_its_own_image(tape: Tape) -> None:
    for ticker in (GUL, OWL):
        tape.hear(tape.image(ticker, [("0.4000", "1.00")], []))
    next(tape.numbers)
    tape.refused(tape.frame("ok"))
    fresh = tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    assert prices(fresh) == {("OWL", None, "lay"): None}, "GUL is offered as it was"
    assert tape.hear(tape.delta(OWL, "yes", "0.5000", "1.00")).events == []


def test_what_was_on_offer_in_another_sport_is_taken_back_when_that_is_heard_of(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    tape.hear(tape.image(SOCCER, [("0.4000", "1.00")], []))
    next(tape.numbers)
    tape.refused(tape.frame("ok"))
    assert prices(tape.hear(tape.delta(OWL, "yes", "0.4000", "1.00"))) == {
        ("GUL", None, "lay"): None
    }
    assert prices(tape.hear(tape.image(SOCCER, [("0.5000", "1.00")], []))) == {
        ("LIN", None, "lay"): 2.0
    }


def test_the_image_that_mends_a_hole_may_come_with_it(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    next(tape.numbers)
    body = [tape.frame("ok"), tape.image(GUL, [("0.2000", "1.00")], [])]
    assert tape.refused(body).code == "gap"
    assert prices(tape.hear(tape.delta(GUL, "yes", "0.2500", "1.00"))) == {
        ("GUL", None, "lay"): 4.0
    }


@pytest.mark.parametrize(
    "spoilt",
    [b"{", b'"x"', b'{"type": "orderbook_delta", "sid": 1, "seq": 2, "msg": {}}'],
)
def test_what_cannot_be_read_may_have_been_a_change(tape: Tape, spoilt: bytes) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    assert tape.refused(spoilt).kind == "data"
    next(tape.numbers)
    after = tape.hear(tape.delta(GUL, "yes", "0.5000", "1.00"))
    assert prices(after) == {("GUL", None, "lay"): None}


def test_more_taken_than_there_was_means_that_a_change_of_that_book_was_missed(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    tape.hear(tape.image(OWL, [("0.4000", "1.00")], []))
    snapshot = tape.hear(tape.delta(GUL, "yes", "0.4000", "-1.01"))
    assert left_out(snapshot) == [("bad_delta", "$.msg.delta_fp")]
    assert prices(snapshot) == {("GUL", None, "lay"): None}
    assert tape.hear(tape.delta(GUL, "yes", "0.5000", "1.00")).events == []
    assert prices(tape.hear(tape.delta(OWL, "yes", "0.5000", "1.00"))) == {
        ("OWL", None, "lay"): 2.0
    }


def left_out(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [(each.reason, each.place) for each in snapshot.left_out]


@pytest.mark.parametrize(
    "odd",
    [["0.9000", None], [0.9, "1.00"], ["0.9000"], None, ["1.2000", "1.00"], ["0.9000", "-1.00"]],
)
def test_one_odd_level_of_an_image_costs_itself_alone(tape: Tape, odd: Any) -> None:
    snapshot = tape.hear(tape.image(GUL, [odd, ("0.4000", "1.00")], [("0.5000", "2.00")]))
    assert prices(snapshot) == {("GUL", None, "back"): 2.0, ("GUL", None, "lay"): 2.5}
    (found,) = snapshot.left_out
    assert found.place.startswith("$.msg.")
    better = tape.hear(tape.delta(GUL, "yes", "0.4500", "1.00"))
    assert list(prices(better)) == [("GUL", None, "lay")]


@pytest.mark.parametrize(
    "odd", [{"side": "maybe"}, {"price_dollars": None}, {"delta_fp": 3}, {"ts_ms": "now"}]
)
def test_one_odd_change_takes_back_its_contract_alone_until_the_next_image(
    tape: Tape, odd: dict[str, Any]
) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    tape.hear(tape.image(OWL, [("0.4000", "1.00")], []))
    spoilt = tape.delta(GUL, "yes", "0.4500", "1.00")
    spoilt["msg"].update(odd)
    sound = tape.delta(OWL, "yes", "0.5000", "1.00")
    snapshot = tape.hear([spoilt, sound])
    assert prices(snapshot) == {("GUL", None, "lay"): None, ("OWL", None, "lay"): 2.0}
    (found,) = snapshot.left_out
    assert found.place == f"$[0].msg.{next(iter(odd))}"
    mended = tape.hear(tape.image(GUL, [("0.2500", "1.00")], []))
    assert prices(mended) == {("GUL", None, "lay"): 4.0}


def test_a_contract_whose_ticker_makes_no_sense_costs_no_other(tape: Tape) -> None:
    odd = tape.image("KXMLBGAME-27-GUL", [("0.4000", "1.00")], [])
    sound = tape.image(OWL, [("0.4000", "1.00")], [])
    snapshot = tape.hear([odd, sound])
    assert prices(snapshot) == {("OWL", None, "lay"): 2.5}
    assert left_out(snapshot) == [("bad_ticker", "$[0].msg.event_ticker")]


def test_a_new_subscription_begins_its_own_count(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    tape.hear({"type": "subscribed", "msg": {"channel": "orderbook_delta", "sid": 1}})
    tape.numbers = count(1)
    assert tape.hear(tape.image(GUL, [("0.4000", "1.00")], [])).events == []
    assert prices(tape.hear(tape.image(GUL, [], []))) == {("GUL", None, "lay"): None}


def test_one_body_is_about_one_sport(tape: Tape) -> None:
    both = [tape.image(ticker, [("0.4000", "1.00")], []) for ticker in (GUL, SOCCER)]
    assert tape.refused(both).code == "mixed_sports"


@pytest.mark.parametrize(
    ("code", "kind", "slug"),
    [
        (9, "permanent", "key_rejected"),
        (16, "permanent", "refused"),
        (17, "transient", "server_error"),
        (25, "data", "overflow"),
        (None, "permanent", "refused"),
    ],
)
def test_an_error_frame_is_a_failure_of_its_kind(
    tape: Tape, code: int | None, kind: str, slug: str
) -> None:
    failure = tape.refused({"type": "error", "id": 3, "msg": {"code": code, "msg": "no\n"}})
    assert (failure.kind, failure.code) == (kind, slug)
    assert failure.message == f"Error {code}: no"


def test_only_an_error_that_lost_frames_costs_the_books(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    tape.refused({"type": "error", "msg": {"code": 16, "msg": "Market not found"}})
    assert prices(tape.hear(tape.delta(GUL, "yes", "0.5000", "1.00"))) == {
        ("GUL", None, "lay"): 2.0
    }
    tape.refused({"type": "error", "msg": {"code": 25, "msg": "overflow"}})
    assert prices(tape.hear(tape.delta(GUL, "yes", "0.8000", "1.00"))) == {
        ("GUL", None, "lay"): None
    }


def test_changes_beside_an_error_come_with_the_next_frame(tape: Tape) -> None:
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    error = {"type": "error", "msg": {"code": 16, "msg": "Market not found"}}
    tape.refused([tape.delta(GUL, "yes", "0.5000", "1.00"), error])
    assert prices(tape.hear(tape.delta(GUL, "yes", "0.1000", "1.00"))) == {
        ("GUL", None, "lay"): 2.0
    }


@pytest.mark.parametrize(
    ("ticker", "side", "where"),
    [
        (GUL, "maybe", "$[1].msg.side"),
        (f"{GAME}-ELK", "yes", "$[1].msg.ticker"),
        ("KXMLBGAME-27-GUL", "yes", "$[1].msg.event_ticker"),
    ],
)
def test_a_place_is_named_inside_the_array(tape: Tape, ticker: str, side: str, where: str) -> None:
    snapshot = tape.hear([tape.frame("ok"), tape.delta(ticker, side, "0.5000", "1.00")])
    assert [place for _, place in left_out(snapshot)] == [where]


class Model:
    """What a tape has to tell: whole books, and the board as a listener has it."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self.board: Prices = {}

    def apply(self, frame: dict[str, Any]) -> None:
        """What the frame does to the books."""
        message = json.dumps(frame["msg"]).encode()
        if frame["type"] == "orderbook_snapshot":
            image = msgspec.json.decode(message, type=BookImage)
            self.books[image.market_ticker] = Book(image)
            return
        delta = msgspec.json.decode(message, type=BookDelta)
        if delta.market_ticker in self.books:
            self.books[delta.market_ticker].add(delta)

    def offered(self) -> Prices:
        offered: Prices = {}
        for ticker, book in self.books.items():
            listed = parse_ticker(ticker)
            assert listed is not None
            for quote in offers(listed.contract, book.touch(), None):
                offered[quote.name, quote.point, quote.side] = quote.price
        return {key: price for key, price in offered.items() if price is not None}


TICKERS = st.sampled_from([GUL, OWL, "KXMLBTOTAL-27MAR011910GULOWL-8"])
DOLLARS = st.integers(40, 44).map(lambda cents: f"0.{cents}00")
LEVELS = st.dictionaries(DOLLARS, st.just("2.00"), max_size=4).map(lambda side: list(side.items()))
IMAGES = st.tuples(TICKERS, LEVELS, LEVELS)
DELTAS = st.tuples(TICKERS, st.sampled_from(["yes", "no"]), DOLLARS, st.sampled_from(COUNTS))


@given(st.lists(IMAGES | DELTAS | st.just("hole"), max_size=40))
def test_what_is_told_adds_up_to_the_books_that_can_be_trusted(moves: list[Any]) -> None:
    tape, model = Tape(), Model()
    for move in moves:
        if move == "hole":
            next(tape.numbers)
            continue
        frame = tape.image(*move) if len(move) == 3 else tape.delta(*move)
        try:
            snapshot = tape.hear(frame)
        except DataFailure:  # a hole before the frame, which is taken in all the same
            model.books.clear()
            model.apply(frame)
            continue
        if snapshot.left_out:
            model.books.pop(move[0])
        else:
            model.apply(frame)
        model.board |= prices(snapshot)
        model.board = {key: price for key, price in model.board.items() if price is not None}
        assert model.board == model.offered()


def test_a_tape_without_end_meets_a_bound(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kalshi_stream, "MAX_CONTRACTS", 1)
    monkeypatch.setattr(kalshi_stream, "MAX_SUBSCRIPTIONS", 1)
    tape.hear(tape.image(GUL, [("0.4000", "1.00")], []))
    tape.hear(tape.image(GUL, [("0.4100", "1.00")], []))
    assert tape.refused(tape.image(OWL, [("0.4000", "1.00")], [])).code == "too_many"
    tape.hear(tape.frame("ok"))
    assert tape.refused({"type": "ok", "sid": 2, "seq": 1}).code == "too_many"
