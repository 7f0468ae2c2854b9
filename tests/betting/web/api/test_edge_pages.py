"""Pages of edges in any order: each standing edge once, and none twice while they change."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from betting.config import CHECKOUT
from betting.models import FeedBookmaker, Quote, QuoteStatus
from betting.web.api.edge_pages import BY_EV, ORDERINGS, Place, Position
from tests.betting.web.api.conftest import client_of
from tests.betting.web.api.filled import url
from tests.betting.web.api.test_access import assert_problem
from tests.support import rows
from valuation.models import Edge

EDGES = 7
VALUES = st.sampled_from([0.01, 0.02, 0.03, 0.04])
SNAPSHOT = "3:9:"

each_committed = pytest.mark.django_db(transaction=True)


@pytest.fixture
def edges(db: None) -> list[Edge]:  # noqa: ARG001 - asks for a fixture
    """Open edges that stand, each in a market of its own."""
    boards = [rows.make_board((2.0, 2.0), voices=3) for _ in range(EDGES)]
    return [Edge.objects.get(market=board.market, closed_at=None) for board in boards]


def set_values(edges: list[Edge], values: list[float]) -> None:
    for edge, value in zip(edges, values, strict=True):
        opened_at = rows.NOON + timedelta(seconds=round(value * 100))
        Edge.objects.filter(pk=edge.pk).update(ev=value, peak_ev=value, opened_at=opened_at)


def change(edge: Edge, value: float) -> None:
    Edge.objects.filter(pk=edge.pk).update(ev=value, peak_ev=Greatest(F("peak_ev"), value))


def page_of(client: APIClient, address: str, **given: Any) -> tuple[list[int], dict[str, Any]]:
    response = client.get(address, given)
    assert response.status_code == 200, response.content
    answer = response.json()
    return [row["id"] for row in answer["results"]], answer


def in_order(ordering: str) -> list[int]:
    order = ORDERINGS[ordering]
    found = order.sorted(Edge.objects.filter(closed_at=None), is_backward=False)
    return list(found.values_list("pk", flat=True))


@each_committed
def test_pages_list_each_edge_once_and_lead_back(edges: list[Edge]) -> None:
    reader = client_of(User.objects.create_user("ana"))

    @given(
        values=st.lists(VALUES, min_size=EDGES, max_size=EDGES),
        ordering=st.sampled_from(list(ORDERINGS)),
        size=st.integers(1, EDGES + 1),
    )
    @settings(max_examples=25, deadline=None)
    def walk(values: list[float], ordering: str, size: int) -> None:
        set_values(edges, values)
        pages = []
        found, answer = page_of(reader, url("edges"), ordering=ordering, page_size=size)
        assert answer["previous"] is None
        pages.append(found)
        while answer["next"]:
            found, answer = page_of(reader, answer["next"])
            pages.append(found)
        assert [pk for page in pages for pk in page] == in_order(ordering)
        back = [pages[-1]]
        while answer["previous"]:
            found, answer = page_of(reader, answer["previous"])
            back.insert(0, found)
        assert back == pages

    walk()


@each_committed
def test_no_edge_is_listed_twice_while_values_change(edges: list[Edge]) -> None:
    reader = client_of(User.objects.create_user("ana"))
    changes = st.lists(st.tuples(st.integers(0, EDGES - 1), VALUES), max_size=4)

    @given(
        values=st.lists(VALUES, min_size=EDGES, max_size=EDGES),
        ordering=st.sampled_from(list(ORDERINGS)),
        size=st.integers(1, 3),
        between=st.lists(changes, min_size=EDGES, max_size=EDGES),
    )
    @settings(max_examples=40, deadline=None)
    def walk(
        values: list[float], ordering: str, size: int, between: list[list[tuple[int, float]]]
    ) -> None:
        set_values(edges, values)
        seen, answer = page_of(reader, url("edges"), ordering=ordering, page_size=size)
        changed: set[int] = set()
        for some in between:
            for index, value in some:
                change(edges[index], value)
                changed.add(edges[index].pk)
            if not answer["next"]:
                break
            found, answer = page_of(reader, answer["next"])
            seen += found
        assert len(seen) == len(set(seen))
        assert {edge.pk for edge in edges} - changed <= set(seen)

    walk()


@each_committed
def test_a_change_that_commits_between_two_pages_is_seen_though_it_was_written_before(
    edges: list[Edge],
) -> None:
    reader = client_of(User.objects.create_user("ana"))
    set_values(edges, [0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01])
    best = edges[0]
    written, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            change(best, 0.035)
            written.set()
            may_commit.wait(timeout=30)
        connection.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert written.wait(timeout=30)
    seen, answer = page_of(reader, url("edges"), ordering="-ev", page_size=2)
    may_commit.set()
    writer.join()
    while answer["next"]:
        found, answer = page_of(reader, answer["next"])
        seen += found

    assert seen == [edge.pk for edge in edges]


@each_committed
def test_an_edge_that_rises_from_below_the_page_is_still_listed(edges: list[Edge]) -> None:
    reader = client_of(User.objects.create_user("ana"))
    set_values(edges, [0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01])
    seen, answer = page_of(reader, url("edges"), ordering="-ev", page_size=2)
    change(edges[6], 0.055)

    found, _ = page_of(reader, answer["next"])

    assert found == [edges[6].pk, edges[2].pk]
    assert seen == [edges[0].pk, edges[1].pk]


@pytest.mark.django_db
def test_edges_that_do_not_stand_are_in_no_page(reader: APIClient, edges: list[Edge]) -> None:
    set_values(edges, [0.07, 0.06, 0.05, 0.04, 0.03, 0.02, 0.01])
    Quote.objects.filter(pk=edges[0].quote_id).update(status=QuoteStatus.SUSPENDED)
    rows.make_feed_bookmaker(
        edges[1].quote.feed,
        bookmaker=edges[1].quote.bookmaker,
        confirmed_at=datetime.now(UTC) - timedelta(hours=2),
        expires_at=datetime.now(UTC) - timedelta(hours=1),
        stale_markets=[edges[1].market_id],
    )
    Edge.objects.filter(pk=edges[2].pk).update(warnings=["contradicted"], advised=0)
    edges[3].market.event.commence_time = datetime.now(UTC) - timedelta(hours=1)
    edges[3].market.event.status = "live"
    edges[3].market.event.save()
    assert FeedBookmaker.objects.exists()

    found, _ = page_of(reader, url("edges"), ordering="-ev")
    stale, _ = page_of(reader, url("edges"), ordering="-ev", state="stale")

    assert found == [edge.pk for edge in edges[4:]]
    assert stale == [edges[0].pk, edges[1].pk]


@pytest.mark.django_db
@pytest.mark.parametrize("ordering", list(ORDERINGS))
def test_a_list_of_edges_takes_few_statements_even_if_none_stands(
    reader: APIClient, ordering: str
) -> None:
    board = rows.make_board((2.0, 2.0), voices=3)

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            found, _ = page_of(reader, url("edges"), ordering=ordering, page_size=1)
            assert len(found) <= 1
        return len(captured)

    few = statements()
    for _ in range(60):
        quote = rows.make_quote(board.outcomes[0], board.feed, 2.0, status="suspended")
        rows.make_edge(quote, ev=0.5, peak_ev=0.5)

    # Looks of 2, 8, 32 and 128 rows, each judged.
    assert statements() <= few + 2 * 3


@pytest.mark.django_db
def test_an_order_that_there_is_not_is_refused_with_those_that_there_are(
    reader: APIClient,
) -> None:
    problem = assert_problem(reader.get(url("edges"), {"ordering": "price"}), 400)
    (words,) = problem["errors"]["ordering"]
    assert all(name in words for name in ORDERINGS)
    for ordering in BY_EV:
        for state in ("closed", "all"):
            given = {"ordering": ordering, "state": state}
            assert "ordering" in assert_problem(reader.get(url("edges"), given), 400)["errors"]


def cursors() -> list[str]:
    other = Position("-opened_at", Place(rows.NOON, 3))
    return [
        "x",
        "ÿ",
        "",
        "cD0x",
        other.encode(),
        Position("-ev", Place(float("nan"), 3), snapshot=SNAPSHOT).encode(),
        Position("-ev", Place(0.1, 3), snapshot="9:x:").encode(),
        Position("-ev", Place(0.1, 3)).encode(),
        Position("-ev", Place(0.1, 10**20), snapshot=SNAPSHOT).encode(),
        Position("-ev", Place("0", 3), snapshot=SNAPSHOT).encode(),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("number", range(len(cursors())))
def test_a_cursor_that_no_page_of_the_order_gave_is_refused(reader: APIClient, number: int) -> None:
    given = {"ordering": "-ev", "cursor": cursors()[number]}

    assert "cursor" in assert_problem(reader.get(url("edges"), given), 400)["errors"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ordering", "value"),
    [
        ("-id", 10**400),
        ("opened_at", datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=23)))),
        ("opened_at", datetime(2026, 3, 1, tzinfo=timezone(timedelta(seconds=1)))),
    ],
)
def test_a_cursor_with_a_value_that_the_database_has_no_room_for_is_refused(
    reader: APIClient, ordering: str, value: Any
) -> None:
    cursor = Position(ordering, Place(value, 3)).encode()

    problem = assert_problem(
        reader.get(url("edges"), {"ordering": ordering, "cursor": cursor}), 400
    )

    assert "cursor" in problem["errors"]


@pytest.mark.django_db
def test_the_cursor_of_a_page_that_saw_many_open_transactions_is_accepted(
    reader: APIClient,
) -> None:
    numbers = ",".join(str(4_000_000_000 + number) for number in range(200))
    position = Position(
        "-ev", Place(0.031234567890123456, 10**15), snapshot=f"4000000000:4000000300:{numbers}"
    )

    assert page_of(reader, url("edges"), ordering="-ev", cursor=position.encode())[0] == []


def test_the_cursor_of_the_document_is_one_that_is_read() -> None:
    text = (CHECKOUT / "docs/api.md").read_text("utf-8")
    links = re.findall(r'"next":"(\S+?/edges/\S+?)"', text)

    assert links
    for link in links:
        query = parse_qs(urlsplit(link).query)
        position = Position.decode(query["cursor"][0], query.get("ordering", ["-id"])[0])
        assert position.place is not None
        assert f'{{"id":{position.place.id},' in text


@given(
    place=st.builds(
        Place,
        st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9),
        st.integers(1, 10**15),
    ),
    is_backward=st.booleans(),
)
def test_a_cursor_is_read_as_it_was_written(place: Place, is_backward: bool) -> None:
    position = Position("-ev", place, is_backward, SNAPSHOT)

    assert Position.decode(position.encode(), "-ev") == position
