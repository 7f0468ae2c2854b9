from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.failures import DataFailure
from streaming.providers.betfair.book import Book
from streaming.providers.betfair.parse import parse
from streaming.providers.sieve import Sieve
from tests.streaming.providers.betfair import (
    GULLS,
    MARKET,
    OTTERS,
    apply,
    best,
    change,
    definition,
    image,
    message,
    with_status,
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def book(*messages: bytes) -> Book:
    made = Book()
    apply(made, *messages)
    return made


def test_the_best_price_is_the_highest_to_back_and_the_lowest_to_lay() -> None:
    gulls = {"id": GULLS, "atb": [[2.0, 10], [2.04, 5]], "atl": [[2.1, 3], [2.08, 1]]}
    otters = {"id": OTTERS, "atl": [[4, 2]]}
    expected = {(GULLS, "back"): 2.04, (GULLS, "lay"): 2.08, (OTTERS, "lay"): 4.0}
    assert best(book(message(image(gulls, otters)))) == expected


def test_a_size_of_nothing_takes_a_price_away() -> None:
    made = book(message(image({"id": GULLS, "atb": [[2.0, 10], [2.04, 5]]})))
    apply(made, message(change({"id": GULLS, "atb": [[2.04, 0]]})))
    assert best(made) == {(GULLS, "back"): 2.0}
    apply(made, message(change({"id": GULLS, "atb": [[2.0, 0], [7.0, 0]]})))
    assert best(made) == {}


@pytest.mark.parametrize("view", ["bat", "bdat"])
def test_a_level_is_replaced_by_what_takes_its_place(view: str) -> None:
    back, lay = f"{view}b", f"{view}l"
    first = {"id": GULLS, back: [[0, 2.04, 5], [1, 2.0, 10]], lay: [[0, 2.08, 1]]}
    made = book(message(image(first)))
    assert best(made) == {(GULLS, "back"): 2.04, (GULLS, "lay"): 2.08}
    apply(made, message(change({"id": GULLS, back: [[0, 2.0, 10], [1, 0, 0]], lay: [[0, 0, 0]]})))
    assert best(made) == {(GULLS, "back"): 2.0}


def test_the_fullest_view_decides() -> None:
    views = {"atb": [[2.0, 1]], "bdatb": [[0, 2.02, 1]], "batb": [[0, 2.04, 1]]}
    made = book(message(image({"id": GULLS, **views})))
    assert best(made) == {(GULLS, "back"): 2.0}
    apply(made, message(change({"id": GULLS, "atb": [[2.0, 0]]})))
    assert best(made) == {(GULLS, "back"): 2.02}


def test_a_runner_is_one_with_its_handicap() -> None:
    runners = [{"id": GULLS, "hc": hc, "status": "ACTIVE"} for hc in (-1.5, 1.5)]
    changes = [{"id": GULLS, "hc": hc, "atb": [[price, 1]]} for hc, price in ((-1.5, 3), (1.5, 2))]
    made = book(message(image(*changes, runners=runners)))
    offers = made.markets[MARKET].offers()
    assert [(offer.runner.hc, offer.price) for offer in offers] == [(-1.5, 3.0), (1.5, 2.0)]


@pytest.mark.parametrize("status", ["SUSPENDED", "CLOSED", "INACTIVE", "A_STATUS_OF_TOMORROW"])
def test_only_an_open_market_offers_anything_and_an_interruption_keeps_its_prices(
    status: str,
) -> None:
    made = book(message(image({"id": GULLS, "atb": [[2.0, 10]]})))
    before = best(made)
    apply(made, message(change(marketDefinition=definition(status=status))))
    assert best(made) == {}
    apply(made, message(change(marketDefinition=definition())))
    assert best(made) == before != {}


@pytest.mark.parametrize("status", ["REMOVED", "WINNER", "LOSER", "HIDDEN"])
def test_only_an_active_runner_is_on_offer(status: str) -> None:
    prices = [{"id": id_, "atb": [[2.0, 10]]} for id_ in (GULLS, OTTERS)]
    made = book(message(image(*prices)))
    apply(made, message(change(marketDefinition=definition(runners=with_status(status, GULLS)))))
    assert best(made) == {(OTTERS, "back"): 2.0}


def test_a_runner_may_have_prices_before_it_is_defined() -> None:
    made = book(message(image({"id": GULLS, "atb": [[2.0, 10]]}, runners=[])))
    assert best(made) == {}
    apply(made, message(change(marketDefinition=definition())))
    assert best(made) == {(GULLS, "back"): 2.0}


def test_an_image_without_a_definition_leaves_the_one_there_is() -> None:
    made = book(message(image({"id": GULLS, "atb": [[2.0, 10]]})))
    assert apply(made, message(change({"id": OTTERS, "atb": [[4.0, 1]]}, img=True)))[MARKET]
    assert best(made) == {(OTTERS, "back"): 4.0}


def test_what_is_heard_of_a_market_is_an_image_where_the_stream_says_so_or_begins() -> None:
    made = Book()
    first, delta = message(change(marketDefinition=definition())), message(change())
    other = message(change(market="1.2", marketDefinition=definition()))
    assert apply(made, first, delta, other) == {MARKET: True, "1.2": True}
    assert apply(made, delta) == {MARKET: False}
    assert apply(made, delta, message(image())) == {MARKET: True}
    assert apply(made, message(change(), ct="SUB_IMAGE")) == {MARKET: True}
    assert apply(made, message(change(), ct="RESUB_DELTA")) == {MARKET: False}
    assert apply(made, message(ct="HEARTBEAT")) == {}


def test_an_event_starts_as_announced_or_when_it_goes_in_play_if_that_is_earlier() -> None:
    made = book(message(image()))
    assert made.markets[MARKET].starts_at == START
    apply(made, message(change(marketDefinition=definition(inPlay=True)), ms=60_000))
    apply(made, message(change(marketDefinition=definition(inPlay=True)), ms=120_000))
    apply(made, message(image(inPlay=True), ms=180_000))
    assert made.markets[MARKET].starts_at == START - timedelta(minutes=29)
    late = book(message(image(inPlay=True), ms=3_600_000))
    assert late.markets[MARKET].starts_at == START


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (message(change(market="1.9")), "undefined_market"),
        (b"{}", "wrong_schema"),
        (b"broken", "undecodable"),
        (b'{"op":"mcm"}'[:-1], "undecodable"),
        (message(op="ocm"), "wrong_schema"),
        (message(pt=-1), "wrong_schema"),
        (message(change(market="one")), "wrong_schema"),
        (message(change({"id": "x"})), "wrong_schema"),
        (message(change({"id": 10**400})), "wrong_schema"),
        (message(image(marketTime="2026-03-01T12:00:00")), "wrong_schema"),
        (message(image(marketTime="1899-03-01T12:00:00Z")), "bad_time"),
        (message(image(runners=None)), "wrong_schema"),
    ],
)
def test_what_is_malformed_is_refused_and_leaves_the_book_as_it_was(bad: bytes, code: str) -> None:
    made = book(message(image({"id": GULLS, "atb": [[2.0, 10]]})))
    before = copy.deepcopy(made.markets)
    good = message(change({"id": GULLS, "atb": [[2.02, 10]]}))
    for messages in ([bad], [good, bad], [bad, good]):
        with pytest.raises(DataFailure) as caught:
            apply(made, *messages)
        assert caught.value.code == code
        assert made.markets == before


ODD_LADDERS = [
    {"atb": [["NaN", 1], [3.0, 5]]},
    {"atb": [[4.0], [3.0, 5]]},
    {"atb": [[4.0, -1], [3.0, 5]]},
    {"atb": [None, [3.0, 5]]},
    {"batb": [[0, 4.0], [1, 3.0, 5]]},
]


@pytest.mark.parametrize("odd", ODD_LADDERS)
def test_one_odd_price_of_an_image_costs_itself_alone(odd: dict[str, Any]) -> None:
    made, sieve = Book(), Sieve()
    spoilt = message(image({"id": OTTERS, "atb": [[5.0, 1]]}, {"id": GULLS, **odd}))
    made.apply(parse(spoilt, sieve))
    assert best(made) == {(OTTERS, "back"): 5.0, (GULLS, "back"): 3.0}
    (found,) = sieve.left_out
    assert found.place.startswith(f"$[0].mc[0].rc[1].{next(iter(odd))}[0]")
    apply(made, message(change({"id": GULLS, "atl": [[3.2, 1]]})))
    assert best(made)[GULLS, "lay"] == 3.2


@pytest.mark.parametrize("odd", [*ODD_LADDERS, {"atb": 7}])
def test_a_runner_of_whom_a_change_is_odd_has_no_price_until_an_image(odd: dict[str, Any]) -> None:
    made, sieve = book(message(image({"id": GULLS, "atb": [[2.0, 10]]}))), Sieve()
    spoilt = message(change({"id": GULLS, **odd}, {"id": OTTERS, "atb": [[5.0, 1]]}))
    made.apply(parse(spoilt, sieve))
    assert len(sieve.left_out) == 1
    assert best(made) == {(OTTERS, "back"): 5.0}
    apply(made, message(change({"id": GULLS, "atb": [[2.2, 1]]})))
    assert best(made) == {(OTTERS, "back"): 5.0}, "the one that has gone may be a better one"
    apply(made, message(image({"id": GULLS, "atb": [[2.2, 1]]})))
    assert best(made) == {(GULLS, "back"): 2.2}


def test_one_odd_runner_of_a_definition_takes_no_other_off_the_board() -> None:
    runners = [{"id": "x"}, None, *definition()["runners"]]
    made, sieve = Book(), Sieve()
    made.apply(parse(message(image({"id": GULLS, "atb": [[2.0, 10]]}, runners=runners)), sieve))
    assert best(made) == {(GULLS, "back"): 2.0}
    (found,) = sieve.left_out
    assert (found.count, found.place) == (2, "$[0].mc[0].marketDefinition.runners[0].id")


def test_names_lose_control_and_direction_characters() -> None:
    sieve = Sieve()
    name = "Harbour\x00 Gulls\x1b v \u202eMill Otters"
    (read,) = parse(message(image(eventName=name)), sieve)
    (changed,) = read.changes
    assert changed.market_definition is not None
    assert changed.market_definition.event_name == "Harbour Gulls v Mill Otters"
    assert sieve.cleaned == 1


def test_starting_prices_that_are_no_numbers_are_no_fault() -> None:
    made = book(message(image()))
    apply(made, message(change({"id": GULLS, "spn": "Infinity", "spf": "NaN", "trd": [[2, 0]]})))
    assert best(made) == {}


# --- Properties ---

PRICES = st.sampled_from([1.01, 1.5, 2.0, 2.02, 4.0, 1000.0])
SIZES = st.sampled_from([0, 0.5, 20])
SELECTIONS = st.sampled_from([GULLS, OTTERS])
STATUSES = st.sampled_from(["OPEN", "SUSPENDED", "CLOSED"])


@st.composite
def runner_changes(draw: st.DrawFn) -> dict[str, Any]:
    """A change of one runner that states no price, and no level, twice."""
    depth = st.dictionaries(PRICES, SIZES, max_size=4)
    levels = st.dictionaries(st.integers(0, 3), st.tuples(PRICES, SIZES), max_size=3)
    made: dict[str, Any] = {"id": draw(SELECTIONS)}
    for name in draw(st.sets(st.sampled_from(["atb", "atl"]))):
        made[name] = [list(pair) for pair in draw(depth).items()]
    for name in draw(st.sets(st.sampled_from(["batb", "batl", "bdatb", "bdatl"]))):
        made[name] = [[level, *pair] for level, pair in draw(levels).items()]
    return made


CHANGES = st.lists(runner_changes(), max_size=8)


@given(CHANGES, st.data())
def test_however_changes_are_split_into_messages_and_answers_the_book_is_the_same(
    changes: list[dict[str, Any]], data: st.DataObject
) -> None:
    whole, split = book(message(image())), book(message(image()))
    apply(whole, message(change(*changes)))
    answer: list[bytes] = []
    for each in changes:
        fields = [{"id": each["id"], name: each[name]} for name in each if name != "id"]
        parts = data.draw(st.sampled_from([[each], fields, [{"id": each["id"]}, each]]))
        answer.append(message(*(change(part) for part in parts)))
        if data.draw(st.booleans()):
            apply(split, *answer)
            answer = []
    if answer:
        apply(split, *answer)
    assert best(split) == best(whole)


@given(CHANGES, st.data())
def test_the_order_of_the_prices_in_a_change_makes_no_difference(
    changes: list[dict[str, Any]], data: st.DataObject
) -> None:
    shuffled = [
        {
            name: data.draw(st.permutations(value)) if isinstance(value, list) else value
            for name, value in each.items()
        }
        for each in changes
    ]
    one, other = (book(message(image(*each))) for each in (changes, shuffled))
    assert one.markets == other.markets


@given(CHANGES, CHANGES, CHANGES)
def test_an_image_forgets_all_before_it_and_a_delta_builds_on_it(
    before: list[dict[str, Any]], in_image: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    long = book(message(image()), message(change(*before)), message(image(*in_image)))
    short = book(message(image(*in_image)))
    assert long.markets == short.markets
    for each in (long, short):
        apply(each, message(change(*after)))
    assert long.markets == short.markets


@given(CHANGES, STATUSES)
def test_a_market_that_is_not_open_has_nothing_on_offer(
    changes: list[dict[str, Any]], status: str
) -> None:
    made = book(message(image(*changes, status=status)))
    if status != "OPEN":
        assert best(made) == {}
    reopened = book(message(image(*changes)))
    apply(made, message(change(marketDefinition=definition())))
    assert best(made) == best(reopened)


@given(CHANGES, st.binary(max_size=40), st.integers(0, 5_000))
def test_bytes_of_any_kind_leave_the_book_as_it_was_or_are_understood(
    changes: list[dict[str, Any]], noise: bytes, position: int
) -> None:
    made = book(message(image(*changes)))
    before = copy.deepcopy(made.markets)
    body = message(change(*changes))
    position %= len(body)
    try:
        apply(made, body[:position] + noise + body[position + len(noise) :])
    except DataFailure:
        assert made.markets == before
