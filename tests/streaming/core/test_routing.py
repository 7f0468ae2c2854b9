"""Which notifications a subscriber gets, in which messages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.core.notifications import Notification, from_message, to_message, type_of
from streaming.core.routing import Filter, Route, batches
from tests.support.notifications import (
    circuit_closed,
    circuit_opened,
    deadletter_added,
    edge_closed,
    edge_opened,
    health_changed,
    line_major,
    subscriber_test,
)

EVERY_KIND: list[Notification] = [
    line_major(),
    edge_opened(),
    edge_closed(),
    circuit_opened(),
    circuit_closed(),
    health_changed(),
    deadletter_added(),
    subscriber_test(),
]

notifications = st.lists(st.sampled_from(EVERY_KIND), max_size=30)
filters = st.builds(
    Filter,
    types=st.frozensets(
        st.sampled_from([type_of(notification) for notification in EVERY_KIND]), max_size=3
    ),
    sports=st.frozensets(st.sampled_from(["basketball_nba", "soccer_epl"]), max_size=2),
    min_ev=st.none() | st.floats(-1, 1),
)


@pytest.mark.parametrize("notification", EVERY_KIND, ids=type_of)
def test_an_event_survives_its_message(notification: Notification) -> None:
    (row,) = to_message([notification])
    assert row["type"] == type_of(notification)
    assert from_message([row]) == [notification]


@pytest.mark.parametrize("notification", EVERY_KIND, ids=type_of)
def test_a_filter_that_names_nothing_lets_all_through(notification: Notification) -> None:
    assert Filter().wants(notification)


def test_a_filter_lets_through_the_types_it_names() -> None:
    only = Filter(types=frozenset({"edge.opened", "circuit.opened"}))
    assert [type_of(notification) for notification in EVERY_KIND if only.wants(notification)] == [
        "edge.opened",
        "circuit.opened",
    ]
    assert only.wants_type("line.major", "edge.opened")
    assert not only.wants_type("line.major")


def test_a_sport_concerns_only_events_that_have_one() -> None:
    football = Filter(sports=frozenset({"soccer_epl"}))
    assert football.wants(line_major(sport="soccer_epl"))
    assert not football.wants(line_major(sport="basketball_nba"))
    assert football.wants(circuit_opened())


def test_an_edge_that_closes_is_judged_by_the_best_it_was() -> None:
    good = Filter(min_ev=0.03)
    assert good.wants(edge_opened(ev=0.03))
    assert not good.wants(edge_opened(ev=0.029))
    assert good.wants(edge_closed(ev=0.01, peak_ev=0.031))
    assert not good.wants(edge_closed(ev=0.01, peak_ev=0.029))
    assert good.wants(line_major())


@given(notifications=notifications, filters=st.lists(filters, max_size=4), size=st.integers(1, 7))
def test_every_subscriber_gets_what_it_wants_once_in_order_and_in_messages_of_bounded_size(
    notifications: list[Notification], filters: list[Filter], size: int
) -> None:
    routes = [Route(f"handler:{number}", each) for number, each in enumerate(filters)]
    received: dict[str, list[Notification]] = {route.subscriber: [] for route in routes}
    batch: Sequence[Notification]
    for subscriber, batch in batches(notifications, routes, size):
        assert 1 <= len(batch) <= size
        received[subscriber] += batch
    for route in routes:
        assert received[route.subscriber] == [e for e in notifications if route.filter.wants(e)]
