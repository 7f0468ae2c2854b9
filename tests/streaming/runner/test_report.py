from __future__ import annotations

from django.db import OperationalError

from streaming.runner.report import final_report
from streaming.runner.summary import RunFacts


def test_a_run_ends_with_a_sentence_where_its_figures_cannot_be_read() -> None:
    def fails() -> RunFacts:
        raise OperationalError("the connection is closed\nand more")

    report = final_report(fails)
    assert report.facts is None
    assert report.problem.endswith("cannot be read from PostgreSQL: the connection is closed")
