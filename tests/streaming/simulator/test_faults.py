from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.simulator.faults import KINDS, FaultBoard, FaultRule, parse_rule


@given(st.sampled_from(KINDS), st.floats(0, 1))
def test_a_rule_reads_back_as_it_was_written(kind: str, rate: float) -> None:
    rule = parse_rule(f"soccer_epl={kind}:{rate}")
    assert (rule.sport, rule.kind, rule.rate) == ("soccer_epl", kind, rate)


@pytest.mark.parametrize("text", ["", "500", "soccer_epl=oops", "=500", "*=500:2", "*=500:often"])
def test_a_malformed_rule_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"SPORT=KIND\[:RATE\].*slow_drip"):
        parse_rule(text)


def test_a_fault_strikes_its_own_sport_alone() -> None:
    board = FaultBoard()
    board.put(FaultRule("soccer_epl", "500"))
    assert board.pick("soccer_epl") == FaultRule("soccer_epl", "500")
    assert board.pick("baseball_mlb") is None


def test_a_star_strikes_every_sport() -> None:
    board = FaultBoard()
    board.put(FaultRule("*", "hang"))
    assert all(board.pick(sport) for sport in ("soccer_epl", "baseball_mlb", ""))


@pytest.mark.parametrize(("rate", "low", "high"), [(0.0, 0, 0), (0.3, 240, 360), (1.0, 1000, 1000)])
def test_a_rate_is_the_part_of_requests_that_fail(rate: float, low: int, high: int) -> None:
    board = FaultBoard(seed=7)
    board.put(FaultRule("*", "reset", rate))
    assert low <= sum(board.pick("soccer_epl") is not None for _ in range(1000)) <= high


def test_the_same_seed_strikes_the_same_requests() -> None:
    def strikes() -> list[bool]:
        board = FaultBoard(seed=3)
        board.put(FaultRule("*", "503", 0.5))
        return [board.pick("soccer_epl") is not None for _ in range(50)]

    assert strikes() == strikes()


def test_a_new_rule_replaces_that_of_its_sport_and_kind() -> None:
    board = FaultBoard()
    for rate in (0.2, 0.9):
        board.put(FaultRule("*", "503", rate))
    board.put(FaultRule("*", "500", 0.1))
    assert [rule.rate for rule in board.rules()] == [0.9, 0.1]


@pytest.mark.parametrize(
    ("sport", "kind", "left"),
    [
        ("", "", []),
        ("*", "", [("soccer_epl", "500")]),
        ("", "500", [("*", "503")]),
        ("*", "500", [("*", "503"), ("soccer_epl", "500")]),
        ("curling", "", [("*", "500"), ("*", "503"), ("soccer_epl", "500")]),
    ],
)
def test_rules_are_cleared_by_sport_by_kind_or_all(
    sport: str, kind: str, left: list[tuple[str, str]]
) -> None:
    board = FaultBoard()
    for rule in ("*=500", "*=503", "soccer_epl=500"):
        board.put(parse_rule(rule))
    board.clear(sport, kind)
    assert [(rule.sport, rule.kind) for rule in board.rules()] == left


def test_a_rule_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="often"):
        msgspec.json.decode(b'{"sport": "*", "kind": "500", "often": 1}', type=FaultRule)
