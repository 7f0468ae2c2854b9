"""The planner's statistics of tables that are being filled."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection

from betting.db import statistics
from betting.db.sql import execute, fetch_all
from betting.db.statistics import LEAST_ROWS, Growth

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def growth() -> Iterator[Growth]:
    """The growth of two tables about which the planner knows nothing."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE grown (id int); CREATE TABLE grown_along (id int)")
        yield Growth("grown", "grown_along")
        cursor.execute("DROP TABLE grown, grown_along")


def fill(rows: int) -> None:
    execute("INSERT INTO grown SELECT generate_series(1, %(rows)s)", {"rows": rows})
    execute("INSERT INTO grown_along SELECT generate_series(1, 5)", {})


def known(table: str = "grown") -> int:
    rows = "SELECT reltuples::int FROM pg_class WHERE relname = %(table)s"
    ((count,),) = fetch_all(rows, {"table": table})
    return int(count)


def test_little_growth_is_no_reason_to_look(growth: Growth) -> None:
    fill(LEAST_ROWS)
    growth.add(LEAST_ROWS - 1)
    assert known() == -1
    growth.add(1)
    assert (known(), known("grown_along")) == (LEAST_ROWS, 5)


def test_statistics_are_renewed_each_time_the_table_has_doubled(growth: Growth) -> None:
    seen = []
    for _ in range(12):
        fill(LEAST_ROWS)
        growth.add(LEAST_ROWS)
        seen.append(known() // LEAST_ROWS)
    assert seen == [1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8, 8]


def test_a_process_that_starts_on_a_large_table_leaves_it_alone(growth: Growth) -> None:
    fill(10 * LEAST_ROWS)
    execute("ANALYZE grown", {})
    fill(2 * LEAST_ROWS)
    growth.add(2 * LEAST_ROWS)
    assert known() == 10 * LEAST_ROWS


def test_a_table_that_cannot_be_analyzed_is_told_of_and_tried_again_after_as_much_growth(
    growth: Growth, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> int:
        raise DatabaseError("not now")

    fill(LEAST_ROWS)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(statistics, "execute", refuse)
        growth.add(LEAST_ROWS)
        growth.add(LEAST_ROWS - 1)
    assert [record.getMessage() for record in caplog.records] == [
        "the statistics of grown are not renewed: not now"
    ]
    growth.add(1)
    assert known() == LEAST_ROWS
