"""The page of closing line value: its figures, its choices, and who may see it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from betting.models import Bookmaker
from betting.web.clv_page import HEIGHT, chart
from tests.support import rows
from valuation.closes.statistics import ENOUGH, CurvePoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("operator"))
    return client


def page(client: Client, **query: str) -> str:
    response = client.get(reverse("clv_page"), query)
    assert response.status_code == 200
    return response.content.decode()


def make(number: int, clv: float, bookmaker: Bookmaker | None = None, kind: str = "h2h") -> None:
    """So many edges, each of an event of its own, whose CLV is about that much."""
    for place in range(number):
        market = rows.make_market(rows.make_event(), kind=kind)
        quote = rows.make_quote(
            rows.make_outcome(market, "Over"), rows.make_feed(),
            bookmaker=bookmaker or rows.make_bookmaker(),
        )  # fmt: skip
        rows.make_edge_closing(rows.make_edge(quote), clv + place % 3 * 0.001)


def test_the_page_shows_the_mean_the_curve_and_every_class(operator: Client) -> None:
    make(3, 0.02, rows.make_bookmaker(title="Ace & Co"))

    shown = page(operator)

    for text in (
        "+2.10 %",
        "100 %",
        "Ace &amp; Co",
        "Money line",
        "1–3 h",
        "10–60 min",
        "<polyline",
    ):
        assert text in shown, text
    assert "losing</span></th>" not in shown


def test_a_class_that_loses_is_marked(operator: Client) -> None:
    make(ENOUGH, -0.05, rows.make_bookmaker(title="Sharp"))
    make(3, 0.02, rows.make_bookmaker(title="Soft"))

    shown = page(operator)

    assert 'Sharp <span class="op-badge op-tone-bad">losing</span></th>' in shown
    assert "Soft</th>" in shown


def test_without_a_close_it_says_what_is_waited_for(operator: Client) -> None:
    assert "An edge is judged when its event starts" in page(operator)


def test_a_sport_is_chosen_and_what_is_no_choice_is_none(operator: Client) -> None:
    make(2, 0.02)
    sport = rows.make_sport()
    assert "No edge of these choices" in page(operator, sport=sport.key)
    assert "+2.05 %" in page(operator, sport="nowhere", days="x", price="low")


def test_it_takes_as_many_statements_for_more_edges(operator: Client) -> None:
    def statements() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            page(operator)
        return len(captured)

    make(2, 0.02)
    page(operator)
    few = statements()
    make(20, 0.01)
    assert statements() == few <= 20


def test_it_needs_the_permission_to_see_edges_at_the_close(client: Client) -> None:
    assert client.get(reverse("clv_page")).status_code == 302
    user = User.objects.create_user("reader", is_staff=True)
    client.force_login(user)
    assert client.get(reverse("clv_page")).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_edgeclosing"))
    assert client.get(reverse("clv_page")).status_code == 200


def test_the_sidebar_leads_to_it(operator: Client) -> None:
    assert reverse("clv_page") in page(operator)


def test_the_chart_has_zero_where_zero_is() -> None:
    points = [
        CurvePoint(rows.NOON, -1.0, 0.5), CurvePoint(rows.NOON + timedelta(hours=1), 1.0, 1.0)
    ]  # fmt: skip
    drawn = chart(points)
    assert drawn is not None
    assert drawn.zero == HEIGHT / 2
    assert drawn.clv.split() == ["0,80.0", "360.0,158.0", "720.0,2.0"]
    assert (drawn.highest, drawn.lowest) == ("+1.00", "−1.00")
    assert chart([]) is None
