"""Settled contracts of Kalshi: what they paid, which outcomes that settles, and edges by them."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from betting.models import Bookmaker, Event, EventAlias, Market, Outcome, Provider, Sport
from streaming.core.failures import DataFailure
from streaming.providers.kalshi.settled import read_settled
from streaming.providers.sieve import Sieve
from streaming.retention.delete_events import erase_events
from tests.support import rows
from valuation.models import Edge, Result, Settlement
from valuation.results.graded_edges import graded_edges
from valuation.results.grading import Grade, settled_profit

GAME = "26AUG072145GULOWL"


def contract(series: str, outcome: str, **changes: Any) -> dict[str, Any]:
    return {
        "ticker": f"KXMLB{series}-{GAME}-{outcome}",
        "event_ticker": f"KXMLB{series}-{GAME}",
        "status": "finalized",
        "result": "yes",
        "yes_sub_title": "Gulls",
        "settlement_value_dollars": "1.0000",
        "settlement_ts": "2026-08-08T04:50:00Z",
        **changes,
    }


def body(*contracts: dict[str, Any]) -> bytes:
    return json.dumps({"markets": contracts, "cursor": ""}).encode()


def values(*contracts: dict[str, Any]) -> list[float | None]:
    sieve = Sieve()
    found = read_settled(body(*contracts), sieve)
    assert sieve.left_out == ()
    return [each.value for each in found]


def test_the_value_is_what_yes_paid() -> None:
    assert values(
        contract("GAME", "GUL"),
        contract("GAME", "OWL", result="no", settlement_value_dollars="0.0000"),
        contract("GAME", "GUL", result="scalar", settlement_value_dollars="0.3700"),
        contract("GAME", "GUL", result="", settlement_value_dollars=None, settlement_value=37),
        contract("GAME", "GUL", settlement_value_dollars=None),
        contract("GAME", "GUL", result="void", settlement_value_dollars=None),
    ) == [1.0, 0.0, 0.37, 0.37, 1.0, None]


@pytest.mark.parametrize("result", ["", "scalar", "unheard of"])
def test_a_contract_that_does_not_say_what_it_paid_is_left_out_and_not_void(result: str) -> None:
    silent = contract("GAME", "GUL", result=result, settlement_value_dollars=None)
    sieve = Sieve()
    found = read_settled(body(silent, contract("GAME", "GUL")), sieve)
    assert [each.value for each in found] == [1.0]
    assert [each.reason for each in sieve.left_out] == ["no_value"]


def test_what_has_not_paid_or_is_of_no_known_series_is_no_settlement() -> None:
    other = {"event_ticker": "KXBTCD-26FEB07", "ticker": "KXBTCD-26FEB07-T98000"}
    assert values(contract("GAME", "GUL", status="closed"), contract("GAME", "GUL", **other)) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"result": "no"}, "contradiction"),
        ({"settlement_value_dollars": "1.5"}, "contradiction"),
        ({"settlement_value_dollars": "much"}, "wrong_schema"),
        ({"yes_sub_title": ""}, "no_name"),
        ({"event_ticker": "KXMLBGAME-x"}, "bad_ticker"),
    ],
)
def test_a_contract_that_cannot_be_read_costs_no_other(
    changes: dict[str, Any], reason: str
) -> None:
    sieve = Sieve()
    found = read_settled(body(contract("GAME", "GUL", **changes), contract("GAME", "GUL")), sieve)
    assert len(found) == 1
    assert [each.reason for each in sieve.left_out] == [reason]


@given(st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner)
    | st.dictionaries(st.sampled_from(["markets", *contract("GAME", "GUL")]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_bytes_raise_anything_but_a_failure(answer: bytes) -> None:
    try:
        read_settled(answer, Sieve())
    except DataFailure as failure:
        assert failure.where  # noqa: PT017 - any answer may also be readable


@given(st.floats(0, 1), st.floats(1.01, 100))
def test_back_and_lay_at_fair_complements_pay_nothing_together(value: float, odds: float) -> None:
    share = 1 / odds
    back = settled_profit(value, odds)
    lay = settled_profit(value, 1 / (1 - share), is_lay=True)
    assert share * back + (1 - share) * lay == pytest.approx(0, abs=1e-9)


@pytest.fixture
def board(db: None) -> rows.Board:  # noqa: ARG001 - the tests below use the database
    """A game at Kalshi with an edge on each of its two teams."""
    board = rows.make_board((2.0, 1.9))
    Sport.objects.filter(pk=board.event.sport_id).update(key="baseball_mlb")
    Provider.objects.filter(pk=board.provider.pk).update(adapter="kalshi")
    Event.objects.filter(pk=board.event.pk).update(home="Owls", away="Gulls")
    EventAlias.objects.filter(event=board.event).delete()
    EventAlias.objects.create(
        event=board.event, provider=board.provider, external_id=f"KXMLB-{GAME}"
    )
    for name, outcome in zip(("Owls", "Gulls"), board.outcomes, strict=True):
        Outcome.objects.filter(pk=outcome.pk).update(name=name)
    Bookmaker.objects.filter(pk=board.quotes[0].bookmaker_id).update(key="kalshi")
    Edge.objects.update(warnings=[], opened_price=2.5)
    return board


def say(path: Path, *contracts: dict[str, Any]) -> str:
    path.write_bytes(body(*contracts))
    out = StringIO()
    call_command("results", "import", str(path), stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("board")
def test_contracts_settle_their_outcomes_and_again_change_nothing(tmp_path: Path) -> None:
    paid = [
        contract("GAME", "GUL"),
        contract("GAME", "OWL", yes_sub_title="OWLS", result="no", settlement_value_dollars="0"),
        contract("GAME", "CAT", yes_sub_title="Cats", result="no", settlement_value_dollars="0"),
    ]
    assert "2 outcomes written, 0 known already, 1 contracts" in say(tmp_path / "a.json", *paid)
    assert "0 outcomes written, 2 known already" in say(tmp_path / "a.json", *paid)
    found = dict(Settlement.objects.values_list("outcome__name", "value"))
    assert found == {"Gulls": 1.0, "Owls": 0.0}
    graded = graded_edges("bookmaker")
    assert [*graded.grade] == [Grade.LOST, Grade.WON]
    assert graded.profit.tolist() == pytest.approx([-1.0, 1.5])

    say(tmp_path / "a.json", contract("GAME", "GUL", result="", settlement_value_dollars="0.4000"))
    settlement = Settlement.objects.get(outcome__name="Gulls")
    assert (settlement.value, settlement.version) == (0.4, 2)
    graded = graded_edges("bookmaker")
    assert [*graded.grade] == [Grade.LOST, Grade.PART]
    assert graded.profit.tolist() == pytest.approx([-1.0, 0.0])


def test_no_settles_the_opposite_side_of_a_handicap_and_of_a_total(
    board: rows.Board, tmp_path: Path
) -> None:
    spreads = Market.objects.create(event=board.event, kind="spreads")
    totals = Market.objects.create(event=board.event, kind="totals")
    for market, name, point, line in (
        (spreads, "Gulls", -1.5, 1.5),
        (spreads, "Owls", 1.5, 1.5),
        (totals, "Over", 8.5, 8.5),
        (totals, "Under", 8.5, 8.5),
    ):
        rows.make_outcome(market, name, point=point, line=line)
    say(
        tmp_path / "a.json",
        contract("SPREAD", "GUL2", yes_sub_title="Gulls wins by over 1.5 runs", floor_strike=1.5),
        contract("TOTAL", "9", yes_sub_title="Over 8.5 runs", floor_strike=8.5, result="no",
                 settlement_value_dollars="0.0000"),
    )  # fmt: skip
    found = dict(Settlement.objects.values_list("outcome__name", "value"))
    assert found == {"Gulls": 1.0, "Owls": 0.0, "Over": 0.0, "Under": 1.0}


@pytest.mark.usefixtures("board")
def test_a_void_contract_returns_the_stake(tmp_path: Path) -> None:
    void = contract("GAME", "GUL", result="void", settlement_value_dollars=None)
    say(tmp_path / "a.json", void)
    assert Settlement.objects.get().value is None
    graded = graded_edges("bookmaker")
    assert [*graded.grade] == [Grade.VOID]
    assert graded.profit.tolist() == [0.0]


@pytest.mark.usefixtures("board")
def test_other_bookmakers_go_by_the_score_and_take_no_part(tmp_path: Path) -> None:
    Bookmaker.objects.filter(key="kalshi").update(key="another")
    say(tmp_path / "a.json", contract("GAME", "GUL", result="", settlement_value_dollars="0.5000"))
    assert [*graded_edges("bookmaker").grade] == []
    say(tmp_path / "a.json", contract("GAME", "GUL"))
    assert [*graded_edges("bookmaker").grade] == [Grade.WON]
    Result.objects.create(event=Event.objects.get(), status="void", source="hand")
    assert [*graded_edges("bookmaker").grade] == [Grade.VOID, Grade.VOID]


@pytest.mark.django_db
def test_a_game_that_was_never_polled_is_counted(tmp_path: Path) -> None:
    assert "1 contracts on outcomes that are not known" in say(
        tmp_path / "a.json", contract("GAME", "GUL")
    )


@pytest.mark.django_db
def test_a_file_without_a_readable_contract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not pay"):
        say(tmp_path / "a.json", contract("GAME", "GUL", result="no"))


def test_a_settlement_is_a_share_of_a_dollar(board: rows.Board) -> None:
    with pytest.raises(IntegrityError, match="settlement_value_is_share"), transaction.atomic():
        Settlement.objects.create(outcome=board.outcomes[0], value=1.1, source="kalshi")


def test_a_settlement_goes_with_its_event(board: rows.Board) -> None:
    Settlement.objects.create(outcome=board.outcomes[0], value=1.0, source="kalshi")
    erase_events([board.event.pk])
    assert not Settlement.objects.exists()
