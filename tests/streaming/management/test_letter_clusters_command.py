"""`manage.py deadletters clusters`: likely causes, and what changed before each began."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import CaptureQueriesContext

from betting.config import CHECKOUT
from betting.models import Provider, SettingChange
from streaming.core.letter_headings import HEADINGS
from streaming.models import DeadLetter
from tests.support.rows import (
    NOON,
    make_dead_letter,
    make_provider,
    make_setting_change,
    make_transition,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

MINUTE = timedelta(minutes=1)


def clusters(*arguments: str) -> str:
    out = io.StringIO()
    call_command("deadletters", "clusters", *arguments, stdout=out)
    return out.getvalue()


def found(*arguments: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(clusters("--format", "json", *arguments))["clusters"]
    return listed


def traceback(*functions: str) -> str:
    return "".join(
        f'  File "/srv/app/valuation/{function}.py", line {number}, in {function}\n    call()\n'
        for number, function in enumerate(functions)
    )


def two_tasks_of_one_cause(**fields: Any) -> None:
    make_dead_letter(
        message="no market 17", traceback=traceback("recompute", "take"), fingerprint="aa",
        count=3, **fields,
    )  # fmt: skip
    make_dead_letter(
        message="no market 9", traceback=traceback("sweep", "retry", "take"), fingerprint="bb",
        task="streaming.sweep", last_seen=NOON + timedelta(hours=2),
    )  # fmt: skip


def test_letters_of_two_fingerprints_and_one_cause_are_one_cluster() -> None:
    two_tasks_of_one_cause()
    make_dead_letter(message="overround below one", traceback=traceback("recompute", "solve"))
    said = clusters()
    for part in (
        "builtins.LookupError: no market #",
        "4, 2.0 an hour",
        "2026-03-01 12:00:00 – 2026-03-01 14:00:00",
        "2: aa, bb",
        "streaming.sweep, valuation.recompute_markets",
        "valuation/take.py:take",
        "A dead letter",
        "2 clusters of 5 failures",
    ):
        assert part in said


def test_json_has_what_the_text_has() -> None:
    two_tasks_of_one_cause(provider="mine")
    (cluster,) = found()
    assert cluster["failures"] == 4
    assert cluster["per_hour"] == 2.0
    assert cluster["fingerprints"] == ["aa", "bb"]
    assert cluster["providers"] == ["mine"]
    assert cluster["first_seen"] == "2026-03-01T12:00:00Z"
    assert cluster["changes_before"] == []


def test_filters_and_the_limit_choose_as_in_the_list() -> None:
    two_tasks_of_one_cause()
    make_dead_letter(exception="builtins.KeyError", kind="payload")
    assert [each["failures"] for each in found("--task", "streaming.sweep")] == [1]
    (most_frequent,) = found("--limit", "1")
    assert most_frequent["failures"] == 4
    assert "2 clusters of 5 failures" in clusters("--limit", "1")


def test_nothing_is_said_of_no_letters() -> None:
    assert clusters().strip() == "0 clusters of 0 failures"


def test_what_changed_shortly_before_is_shown_the_last_first() -> None:
    provider = make_provider(key="harbour")
    make_setting_change(
        name="HARDLINE_EV", value="2", changed_at=NOON - 20 * MINUTE, reason="quieter"
    )
    make_transition(provider, at=NOON - 5 * MINUTE)
    MigrationRecorder.Migration.objects.create(
        app="valuation", name="0099_new", applied=NOON - 10 * MINUTE
    )
    LogEntry.objects.create(
        user=get_user_model().objects.create(username="ana"),
        content_type=ContentType.objects.get_for_model(Provider),
        object_id=str(provider.pk), object_repr="harbour", action_flag=CHANGE,
        change_message="[]", action_time=NOON - 2 * MINUTE,
    )  # fmt: skip
    two_tasks_of_one_cause()
    (cluster,) = found()
    changes = cluster["changes_before"]
    assert [each["what"] for each in changes] == ["admin", "circuit", "migration", "setting"]
    said = [each["words"] for each in changes]
    assert "ana" in said[0]
    assert "harbour" in said[0]
    assert said[1] == "harbour: closed → open, 3 failures in a row"
    assert said[2] == "valuation.0099_new"
    assert said[3] == "HARDLINE_EV=2 by ana, quieter"
    assert "2026-03-01 11:55:00 circuit: harbour: closed → open" in clusters()


def test_what_changed_long_before_or_afterwards_is_not_shown() -> None:
    for minutes in (-31, 1):
        make_setting_change(changed_at=NOON + minutes * MINUTE)
    two_tasks_of_one_cause()
    assert [each["changes_before"] for each in found()] == [[]]


def test_a_change_is_shown_with_the_cluster_that_it_came_before() -> None:
    make_setting_change(changed_at=NOON - MINUTE)
    two_tasks_of_one_cause()
    make_dead_letter(
        exception="builtins.KeyError", first_seen=NOON + timedelta(days=1),
        last_seen=NOON + timedelta(days=1),
    )  # fmt: skip
    assert [len(each["changes_before"]) for each in found()] == [1, 0]


def test_the_number_of_statements_does_not_grow_with_the_letters() -> None:
    two_tasks_of_one_cause()
    with CaptureQueriesContext(
        connection,
    ) as few:
        found()
    for number in range(20):
        make_dead_letter(exception=f"core.Error{number}", message=f"failed {number}")
    with CaptureQueriesContext(connection) as many:
        found()
    assert len(many) == len(few)


def test_clustering_changes_no_row() -> None:
    two_tasks_of_one_cause()
    before = list(DeadLetter.objects.values())
    clusters()
    assert list(DeadLetter.objects.values()) == before
    assert not SettingChange.objects.exists()


def test_each_heading_that_is_suggested_is_one_of_the_runbook() -> None:
    text = (CHECKOUT / "docs" / "runbook.md").read_text()
    assert set(re.findall(r"^#+ (.+)$", text, re.MULTILINE)) >= HEADINGS


@pytest.mark.parametrize(
    ("fields", "heading"),
    [
        ({"kind": "delivery"}, "A subscriber is suppressed"),
        ({"kind": "worker_lost"}, "Workers"),
        ({"exception": "psycopg.OperationalError"}, "Database"),
        ({"exception": "redis.exceptions.ConnectionError"}, "Redis"),
        ({"exception": "builtins.OSError", "message": "No space left on device"}, "Disk"),
    ],
)
def test_a_heading_of_the_runbook_is_suggested(fields: dict[str, str], heading: str) -> None:
    make_dead_letter(**fields)
    assert [each["runbook"] for each in found()] == [heading]


def test_a_message_of_many_lines_has_one_line_and_json_has_all() -> None:
    make_dead_letter(message="duplicate key\nDETAIL: Key of it")
    assert "builtins.LookupError: duplicate key DETAIL: Key of it\n" in clusters()
    assert [each["message"] for each in found()] == ["duplicate key\nDETAIL: Key of it"]


def test_control_characters_of_a_message_are_not_written() -> None:
    make_dead_letter(message="gone \x1b[2J")
    assert "\x1b" not in clusters()
