"""The figures and their curves, from snapshots."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from streaming.admin.operations.history import (
    CURVE_MINUTES,
    HEIGHT,
    SHORTEST_CURVE_MINUTES,
    WIDTH,
    Figure,
    History,
)
from streaming.core.histogram import counts_of
from streaming.models import HealthSnapshot
from tests.support import rows
from tests.support.watch import Watch

MINUTE = timedelta(minutes=1)
HEALTH = "/admin/streaming/health/"

curves = st.lists(
    st.none() | st.floats(min_value=0, max_value=1e9, allow_nan=False), min_size=2, max_size=80
)
limits = st.none() | st.floats(min_value=0.001, max_value=1e9)


def shown(client: Client) -> History:
    found = client.get(HEALTH).context["history"]
    assert isinstance(found, History)
    return found


def figure(client: Client, title: str) -> Figure:
    return next(each for each in shown(client).figures if each.title == title)


@given(curves, limits)
def test_every_curve_stays_within_its_chart(curve: list[float | None], limit: float | None) -> None:
    drawn = Figure("Any", "", "", "pass", curve, limit)
    points = [
        tuple(map(float, point.split(","))) for line in drawn.lines for point in line.split(" ")
    ]

    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert drawn.limit_height is None or 0 <= drawn.limit_height <= HEIGHT
    assert (drawn.limit_height is None) == (limit is None)
    if curve[-1] is not None:
        assert points[-1][0] == WIDTH


@given(curves)
def test_a_curve_is_broken_where_there_is_no_value(curve: list[float | None]) -> None:
    drawn = Figure("Any", "", "", "pass", curve)
    known = [value for value in curve if value is not None]
    begun = sum(
        value is not None and (place == 0 or curve[place - 1] is None)
        for place, value in enumerate(curve)
    )

    assert len(drawn.lines) == begun
    assert ("no figure" in drawn.description) == (not known)


@given(st.integers(1, CURVE_MINUTES))
def test_a_young_curve_takes_the_whole_width_once_it_is_of_some_minutes(minutes: int) -> None:
    curve = [*[None] * (CURVE_MINUTES - minutes), *[1.0] * minutes]
    (line,) = Figure("Any", "", "", "pass", curve).lines
    first, *_ = (float(point.split(",")[0]) for point in line.split(" "))

    missing = max(0, SHORTEST_CURVE_MINUTES - minutes)
    assert first == pytest.approx(WIDTH * missing / (SHORTEST_CURVE_MINUTES - 1), abs=0.05)


@pytest.mark.django_db
def test_a_p99_over_its_objective_is_coloured_before_a_check_judges_it(
    at_noon: Watch, operator: Client
) -> None:
    for latency_ms, value, status in ((7.0, "10 ms", "pass"), (180.0, "247 ms", "warn")):
        # 80 in all: a check judges 100.
        rows.make_recompute_run(
            trigger="major",
            finished_at=at_noon.now,
            valued=40,
            latency_counts=counts_of([latency_ms] * 40),
        )
        at_noon.statuses(MINUTE)
        found = figure(operator, "Major moves, p99")
        assert (found.value, found.status) == (value, status)
        assert found.limit == 100


@pytest.mark.django_db
def test_a_curve_has_a_point_for_each_minute_and_a_gap_where_nobody_looked(
    at_noon: Watch, operator: Client
) -> None:
    at_noon.statuses(MINUTE)
    at_noon.statuses(10 * MINUTE)

    curve = figure(operator, "Queue age").curve

    assert len(curve) == CURVE_MINUTES
    assert curve[-1] == 0
    assert list(curve[-10:-1]) == [None] * 9
    assert list(curve[-12:-10]) == [0, 0]


@pytest.mark.django_db
def test_a_curve_ends_with_the_last_snapshot(at_noon: Watch, operator: Client) -> None:
    at_noon.statuses(MINUTE)
    at_noon.now += 30 * MINUTE

    assert figure(operator, "Queue age").curve[-1] == 0
    assert shown(operator).minutes[-1].color == "op-is-none"


@pytest.mark.django_db
def test_a_snapshot_from_before_edges_were_counted_has_none(
    at_noon: Watch, operator: Client
) -> None:
    HealthSnapshot.objects.update(edges_open=None)
    assert figure(operator, "Open edges").value == "–"
    at_noon.statuses(MINUTE)

    assert figure(operator, "Open edges").value == "0"


@pytest.mark.django_db
def test_an_empty_board_without_changes_is_red_while_a_check_of_providers_fails(
    at_noon: Watch, operator: Client
) -> None:
    quote = rows.make_quote(
        rows.make_outcome(rows.make_market(rows.make_event()), "Over"),
        rows.make_feed(at_noon.provider),
    )
    last = at_noon.now
    rows.make_change(quote, received_at=last)
    at_noon.statuses(MINUTE)
    edges, changes = figure(operator, "Open edges"), figure(operator, "Changes a second")
    assert (edges.status, edges.note) == ("pass", "board empty")
    assert (changes.status, changes.note) == ("pass", f"over 5 min; none since {last:%H:%M:%S}")

    newest = HealthSnapshot.objects.order_by("-id")[0]
    newest.checks["circuits"]["status"] = "fail"
    newest.edges_open = 0
    newest.save()
    assert figure(operator, "Open edges").status == "fail"
    assert figure(operator, "Changes a second").status == "fail"

    HealthSnapshot.objects.filter(pk=newest.pk).update(edges_open=3)
    edges = figure(operator, "Open edges")
    assert (edges.status, edges.note) == ("pass", "open now")


@pytest.mark.django_db
def test_changes_that_have_just_come_are_not_called_missing(
    at_noon: Watch, operator: Client
) -> None:
    quote = rows.make_quote(
        rows.make_outcome(rows.make_market(rows.make_event()), "Over"),
        rows.make_feed(at_noon.provider),
    )
    at_noon.statuses(MINUTE)
    rows.make_change(quote, received_at=at_noon.now - timedelta(seconds=9))
    assert figure(operator, "Changes a second").note == "over 5 min"


@pytest.mark.django_db
@pytest.mark.usefixtures("at_noon")
def test_without_any_snapshot_there_are_no_figures(operator: Client) -> None:
    HealthSnapshot.objects.all().delete()

    found = shown(operator)

    assert [each.value for each in found.figures] == ["–", "–", "–", "–", "–", "0"]
    assert found.steps == []
    assert {each.color for each in found.minutes} == {"op-is-none"}
