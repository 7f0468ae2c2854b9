"""Answers of The Odds API that repeat an earlier one: read as if they were the first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import ProviderFailure
from streaming.core.snapshot import Snapshot, StampedQuotes
from streaming.providers.base import Request, Response
from streaming.providers.registry import adapter
from streaming.providers.the_odds_api import adapter as module
from streaming.providers.the_odds_api import repeated
from tests.support.snapshots import AWAY, HOME, SPORT, at

API = adapter("the_odds_api")


@pytest.fixture(autouse=True)
def _first_answers() -> Iterator[None]:
    repeated.forget()
    yield
    repeated.forget()


def decoded(body: bytes, *, is_list: bool = True, odds_format: str = "decimal") -> Snapshot | str:
    """The answer's snapshot, or the words of its failure."""
    path = f"/v4/sports/{SPORT}/odds" if is_list else f"/v4/sports/{SPORT}/events/e0/odds"
    params = {"markets": "h2h,totals", "oddsFormat": odds_format}
    request = Request("the_odds_api", "http://127.0.0.1:9", path, params)
    try:
        return API.decoder().decode(request, Response(200, {}, body, at(0), 0.0, len(body)))
    except ProviderFailure as failure:
        return repr(failure)


def in_full(body: bytes, **how: Any) -> Snapshot | str:
    """The same, by the reading of which the other is a short form."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_usual", lambda *_, **__: None)
        return decoded(body, **how)


def event(number: int, books: list[dict[str, Any]], home: str = HOME) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "sport_key": SPORT,
        "sport_title": "Harbour Ball",
        "commence_time": "2026-03-02T12:00:00Z",
        "home_team": home,
        "away_team": AWAY,
        "bookmakers": books,
    }


def book(key: str, stamp: str | None, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    market = {"key": "h2h", "last_update": stamp, "outcomes": outcomes}
    return {"key": key, "title": key.title(), "last_update": stamp, "markets": [market]}


NAMES = st.sampled_from([HOME, AWAY, "Draw", "Over", "", "Dr\u200baw", "Dr\0aw", 7])
ODDS = st.sampled_from([1.5, 1.5, 2.0, 2.0, 3, 1.0, 0, -110, "2", None, 1e7])
SOUND = st.fixed_dictionaries(
    {"name": st.sampled_from([HOME, AWAY]), "price": st.sampled_from([1.5, 2.0, 1.0, 150])}
)
OUTCOMES = SOUND | st.fixed_dictionaries(
    {"name": NAMES, "price": ODDS},
    optional={"point": st.sampled_from([1.5, -1.5, -0.0, None, "x"]), "description": NAMES},
)
STAMPS = st.sampled_from(
    ["2026-03-01T12:00:00Z", "2026-03-01T12:00:05Z", None, "1999-03-01T12:00:00Z", "soon"]
)


def markets(outcomes: st.SearchStrategy[Any], stamps: st.SearchStrategy[Any]) -> Any:
    return st.lists(
        st.fixed_dictionaries(
            {
                "key": st.sampled_from(["h2h", "spreads", "totals", "h2h_lay", "totals_h1"]),
                "last_update": stamps,
                "outcomes": st.lists(outcomes, max_size=3),
            }
        ),
        max_size=3,
        unique_by=lambda market: market["key"],
    )


def answers(outcomes: st.SearchStrategy[Any], stamps: st.SearchStrategy[Any]) -> Any:
    books = st.lists(
        st.builds(
            lambda key, listed, stamp: {**book(key, stamp, []), "markets": listed},
            st.sampled_from(["alder", "cedar"]),
            markets(outcomes, stamps),
            stamps,
        ),
        max_size=3,
    )
    events = st.builds(event, st.integers(0, 2), books, st.sampled_from([HOME, HOME, AWAY]))
    return st.lists(events, max_size=3)


SOUND_STAMPS = st.sampled_from(["2026-03-01T12:00:00Z", "2026-03-01T12:00:05Z", None])


@given(
    st.lists(answers(SOUND, SOUND_STAMPS) | answers(OUTCOMES, STAMPS), max_size=4),
    st.booleans(),
    st.sampled_from(["decimal", "american"]),
)
def test_an_answer_is_read_as_if_it_were_the_first(
    bodies: list[list[dict[str, Any]]], is_list: bool, odds_format: str
) -> None:
    for body in bodies:
        raw = msgspec.json.encode(body if is_list else body[0] if body else {})
        once = decoded(raw, is_list=is_list, odds_format=odds_format)
        assert once == in_full(raw, is_list=is_list, odds_format=odds_format)


def test_prices_that_stand_are_not_read_again_and_get_the_new_stamp() -> None:
    stands = [{"name": HOME, "price": 1.8}, {"name": AWAY, "price": 2.1}]
    moves = [{"name": HOME, "price": 1.9}]

    def read(stamp: str, price: float) -> StampedQuotes:
        moved = [{**moves[0], "price": price}]
        body = [event(0, [book("alder", stamp, stands), book("cedar", stamp, moved)])]
        snapshot = decoded(msgspec.json.encode(body))
        assert isinstance(snapshot, Snapshot)
        (read_event,) = snapshot.events
        assert isinstance(read_event.quotes, StampedQuotes)
        return read_event.quotes

    first, second = read("2026-03-01T12:00:00Z", 1.9), read("2026-03-01T12:00:05Z", 2.0)
    assert second.markets[0] is first.markets[0]
    assert second.markets[1] is not first.markets[1]
    assert [quote.price for quote in second] == [1.8, 2.1, 2.0]
    assert {quote.source_at for quote in second} == {at(0) + timedelta(seconds=5)}


def test_a_fault_counts_in_each_answer_that_repeats_it() -> None:
    outcomes = [{"name": HOME, "price": 1.8}, {"name": AWAY, "price": -110}]
    raw = msgspec.json.encode([event(0, [book("alder", None, outcomes)])])
    for _ in range(3):
        snapshot = decoded(raw)
        assert isinstance(snapshot, Snapshot)
        assert [(each.reason, each.count) for each in snapshot.left_out] == [("bad_price", 1)]


def test_names_of_other_teams_are_read_anew() -> None:
    outcomes = [{"name": HOME, "price": 1.8, "point": -1.5}]
    market = {"key": "spreads", "outcomes": outcomes}
    for home, away in ((HOME, AWAY), (AWAY, HOME)):
        listed = {
            **event(0, [{"key": "alder", "title": "Alder", "markets": [market]}]),
            "home_team": home,
            "away_team": away,
        }
        raw = msgspec.json.encode([listed])
        assert decoded(raw) == in_full(raw)
