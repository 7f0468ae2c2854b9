"""The explorer visits every state, and finds the shortest way to a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.support.explorer import BoundError, explore, representatives


@dataclass(frozen=True)
class Lamp:
    """A lamp that counts how often it was switched, up to a number, and may break."""

    switched: int = 0
    is_on: bool = False
    is_broken: bool = False


def switch(lamp: Lamp) -> Iterator[Lamp]:
    if lamp.switched < 3 and not lamp.is_broken:
        yield replace(lamp, switched=lamp.switched + 1, is_on=not lamp.is_on)


def break_it(lamp: Lamp) -> Iterator[Lamp]:
    if lamp.is_on:
        yield replace(lamp, is_on=False, is_broken=True)


STEPS = {"switch": switch, "break": break_it}


def always(_: Lamp) -> bool:
    return True


def test_every_state_is_visited_once() -> None:
    explored = explore(Lamp(), STEPS, always, bound=6)
    assert explored.counterexample is None
    assert len(explored.states) == len(set(explored.states)) == 6


def test_more_states_than_the_bound_are_refused() -> None:
    with pytest.raises(BoundError):
        explore(Lamp(), STEPS, always, bound=5)


def test_a_counterexample_is_the_shortest_trace_to_a_wrong_state() -> None:
    explored = explore(Lamp(), STEPS, lambda lamp: not lamp.is_broken, bound=6)
    assert explored.counterexample == [
        ("switch", Lamp(1, is_on=True)),
        ("break", Lamp(1, is_broken=True)),
    ]


def test_states_from_which_no_allowed_path_reaches_the_goal_are_named() -> None:
    explored = explore(Lamp(), STEPS, always, bound=6)

    def is_switched_thrice(lamp: Lamp) -> bool:
        return lamp.switched == 3 and not lamp.is_broken

    assert explored.never_reaching(is_switched_thrice, without={"break"}) == [
        Lamp(1, is_broken=True),
        Lamp(3, is_broken=True),
    ]


def test_one_state_stands_for_all_that_a_step_treats_alike() -> None:
    states = explore(Lamp(), STEPS, always, bound=6).states
    assert representatives(states, break_it, ["is_on"]) == [Lamp(), Lamp(1, is_on=True)]
    with pytest.raises(AssertionError, match="differ in more than"):
        representatives(states, switch, ["is_on"])
