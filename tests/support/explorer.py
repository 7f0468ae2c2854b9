"""A breadth-first explorer of explicit models: every state, and the shortest way to each.

A model is a frozen, hashable dataclass with named steps. What a step may lead to is a set, so that
a race or a choice needs no step of its own.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

S = TypeVar("S")

Step = Callable[[S], Iterable[S]]
"""The states that a step leads to; none where its guard forbids it."""

Trace = list[tuple[str, S]]
"""The steps from the initial state, each with the state after it."""


class BoundError(Exception):
    """There are more states than the bound allows: the model is not as finite as it was meant."""


@dataclass(frozen=True)
class Explored(Generic[S]):
    """All states that a model reaches.

    Attributes:
        edges: for each state, in the order of their discovery, the steps that lead on from it.
        counterexample: the shortest trace to a state that breaks the invariant; None if none does.
    """

    edges: Mapping[S, list[tuple[str, S]]]
    counterexample: Trace[S] | None

    @property
    def states(self) -> list[S]:
        """The states, those that are reached in the fewest steps first."""
        return list(self.edges)

    def never_reaching(self, goal: Callable[[S], bool], without: Iterable[str] = ()) -> list[S]:
        """Return the states from which no path without some steps reaches a goal.

        Where there is none, each path that takes every step that it could take again and again
        reaches a goal: there are finitely many states, and from each of them a way is open.
        """
        left_out = set(without)
        before: dict[S, list[S]] = defaultdict(list)
        for state, steps in self.edges.items():
            for name, after in steps:
                if name not in left_out:
                    before[after].append(state)
        reaching = {state for state in self.edges if goal(state)}
        ahead = deque(reaching)
        while ahead:
            for state in before[ahead.popleft()]:
                if state not in reaching:
                    reaching.add(state)
                    ahead.append(state)
        return [state for state in self.edges if state not in reaching]


def explore(
    initial: S,
    steps: Mapping[str, Step[S]],
    invariant: Callable[[S], bool],
    bound: int,
) -> Explored[S]:
    """Visit every state that the steps reach, until one breaks the invariant.

    Args:
        initial: the first state.
        steps: the steps by their names.
        invariant: returns False for a state that must not be.
        bound: the most states.

    Raises:
        BoundError: there are more states.
    """
    came_by: dict[S, tuple[str, S] | None] = {initial: None}
    edges: dict[S, list[tuple[str, S]]] = {}
    ahead = deque([initial])
    while ahead:
        state = ahead.popleft()
        if not invariant(state):
            return Explored(edges, _trace(state, came_by))
        edges[state] = [(name, after) for name, step in steps.items() for after in step(state)]
        for name, after in edges[state]:
            if after not in came_by:
                came_by[after] = (name, state)
                ahead.append(after)
        if len(came_by) > bound:
            raise BoundError(f"more than {bound} states")
    return Explored(edges, None)


def _trace(state: S, came_by: Mapping[S, tuple[str, S] | None]) -> Trace[S]:
    trace: Trace[S] = []
    while (step := came_by[state]) is not None:
        name, before = step
        trace.append((name, state))
        state = before
    return trace[::-1]


def representatives(states: Iterable[S], step: Step[S], looked_at: Sequence[str]) -> list[S]:
    """Return one state for each of the combinations of fields that a step looks at.

    What holds of the step from those holds of it from all: it is made sure that what the step
    changes depends on these fields alone.
    """
    found: dict[tuple[Any, ...], tuple[S, Any]] = {}
    for state in states:
        combination = tuple(getattr(state, name) for name in looked_at)
        changes = {_change(state, after) for after in step(state)}
        first, expected = found.setdefault(combination, (state, changes))
        assert changes == expected, f"{first} and {state} differ in more than {looked_at}"
    return [state for state, _ in found.values()]


def _change(before: Any, after: Any) -> frozenset[tuple[str, Any]]:
    names = [each.name for each in fields(before)]
    return frozenset(
        (name, getattr(after, name))
        for name in names
        if getattr(after, name) != getattr(before, name)
    )
