from __future__ import annotations

from uuid import uuid4

import msgspec
import pytest
from django_celery_results.models import TaskResult

from betting.models import ChangeKind
from streaming.models import DeadLetterOccurrence, LetterKind, PollOutcome
from streaming.runner.summary import Changes, Mark, RecentActivity, RunFacts, run_facts
from tests.support import rows

pytestmark = pytest.mark.django_db


def one_of_each() -> None:
    """A market with one of everything that is counted, and more than one of some."""
    board = rows.make_board((2.0, 1.9), (2.1, 1.8), voices=3)
    first = board.quotes[0]
    for kind in (ChangeKind.SUSPENDED, ChangeKind.ENDED):
        rows.make_change(first, kind=kind, old_price=2.0, new_price=None)
    rows.make_change(first, kind=ChangeKind.RESUMED, old_price=2.0, new_price=2.0)
    rows.make_change(first, kind=ChangeKind.PRICE, old_price=2.0, new_price=2.5)
    rows.make_change(
        first, kind=ChangeKind.POINT, old_price=2.0, new_price=2.0, old_point=1.0, new_point=1.5
    )
    rows.make_poll_run(board.provider, quotes_seen=10, changes=4)
    rows.make_poll_run(
        board.provider, outcome=PollOutcome.FAILED, failure_kind="data", failure_code="undecodable"
    )
    rows.make_poll_run(board.provider, outcome=PollOutcome.REPEATED)
    rows.make_recompute_run(valued=3)
    rows.make_recompute_run(valued=2)
    for status in ("FAILURE", "SUCCESS"):
        TaskResult.objects.create(task_id=str(uuid4()), status=status)
    for letter in (LetterKind.EXCEPTION, LetterKind.PAYLOAD):
        DeadLetterOccurrence.objects.create(end=uuid4(), kind=letter)


def test_facts_are_counted_from_the_rows_after_the_mark() -> None:
    one_of_each()
    since = Mark.now()
    opened = 4
    one_of_each()
    assert run_facts(since, seconds=1.25) == RunFacts(
        responses=2,
        quotes_seen=10,
        changes=Changes(opened=opened, price=1, point=1, suspended=2, resumed=1),
        recomputes=2,
        markets_recomputed=5,
        markets=2,
        edges_opened=2,
        dead_letters=3,
        seconds=1.25,
    )


def test_nothing_has_happened_since_now() -> None:
    one_of_each()
    counted = run_facts(Mark.now(), seconds=0)
    assert counted.changes == Changes(0, 0, 0, 0, 0)
    assert (counted.responses, counted.recomputes, counted.edges_opened) == (0, 0, 0)
    assert counted.dead_letters == 0


def test_facts_are_one_json_object_with_the_promised_names() -> None:
    promised = [
        "responses", "quotes_seen", "changes", "recomputes", "markets_recomputed", "markets",
        "edges_opened", "dead_letters", "seconds",
    ]  # fmt: skip
    decoded = msgspec.json.decode(msgspec.json.encode(run_facts(Mark.now(), 0)))
    assert list(decoded) == promised
    assert list(decoded["changes"]) == ["opened", "price", "point", "suspended", "resumed"]


def test_the_live_line_tells_what_came_since_its_window_began() -> None:
    one_of_each()
    activity = RecentActivity(window_seconds=600)
    assert activity.line().startswith("0.0 polls/s")
    assert "0 failures" in activity.line()
    one_of_each()
    line = activity.line()
    assert "2 open edges" in line
    assert "3 failures" in line
    assert not line.startswith("0.0 polls/s")


def test_the_live_line_forgets_what_is_out_of_its_window() -> None:
    activity = RecentActivity(window_seconds=0)
    one_of_each()
    assert "3 failures" in activity.line()
    assert "0 failures" in activity.line()
