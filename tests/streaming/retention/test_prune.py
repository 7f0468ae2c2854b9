"""Retention: what is past it goes, in bounded steps, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DataError, transaction
from django.db.models import F, Model
from django_celery_results.models import TaskResult

from betting.config import RetentionConfig
from betting.db.sql import execute
from betting.models import Event, Feed, LineChange, Quote
from streaming.models import (
    Alert,
    BaselineSnapshot,
    CircuitTransition,
    DeadLetterAction,
    DeadLetterOccurrence,
    DeliveryRun,
    HealthSnapshot,
    PollRun,
)
from streaming.retention import prune
from streaming.retention.prune import prune_old_rows
from tests.support.rows import (
    make_alert,
    make_alert_subscriber,
    make_baseline_snapshot,
    make_change,
    make_closing_price,
    make_closing_quote,
    make_delivery_run,
    make_edge,
    make_edge_closing,
    make_event,
    make_feed,
    make_health_snapshot,
    make_market,
    make_opportunity,
    make_outcome,
    make_poll_run,
    make_provider,
    make_quote,
    make_recompute_run,
    make_transition,
)
from valuation.models import (
    CloseReason,
    ClosingPrice,
    ClosingQuote,
    Edge,
    EdgeClosing,
    Opportunity,
    RecomputeRun,
)

CONFIG = RetentionConfig(history_days=7, operations_days=3, audit_days=19)
DAYS = {
    "streaming_pollrun": 3,
    "streaming_circuittransition": 19,
    "streaming_deliveryrun": 3,
    "streaming_alert": 7,
    "valuation_recomputerun": 3,
    "betting_linechange": 7,
    "valuation_closingprice": 7,
    "valuation_closingquote": 7,
    "valuation_edgeclosing": 7,
    "valuation_edge": 7,
    "valuation_opportunity": 7,
    "django_celery_results_taskresult": 3,
    "streaming_deadletteroccurrence": 3,
    "streaming_deadletteraction": 19,
    "streaming_healthsnapshot": 3,
    "streaming_baselinesnapshot": 19,
    "django_admin_log": 19,
    "django_session": prune.DAYS_OF_EXPIRED_SESSIONS,
    "betting_event": CONFIG.event_days,
    "betting_feed": CONFIG.event_days,
}

pytestmark = pytest.mark.django_db


def ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def a_quote() -> Quote:
    market = make_market(make_event())
    return make_quote(make_outcome(market, "Over"), make_feed(make_provider()))


def poll_run(at: datetime) -> Model:
    return make_poll_run(make_provider(), started_at=at)


def transition(at: datetime) -> Model:
    return make_transition(make_provider(), recorded_at=at)


def delivery_run(at: datetime) -> Model:
    return make_delivery_run("webhook:mine", started_at=at)


def alert(at: datetime) -> Model:
    return make_alert(make_alert_subscriber(), claimed_at=at)


def recompute_run(at: datetime) -> Model:
    return make_recompute_run(finished_at=at)


def line_change(at: datetime) -> Model:
    return make_change(a_quote(), recorded_at=at)


def closing_price(at: datetime) -> Model:
    return make_closing_price(a_quote().outcome, taken_at=at)


def closing_quote(at: datetime) -> Model:
    return make_closing_quote(a_quote(), taken_at=at)


def edge_closing(at: datetime) -> Model:
    return make_edge_closing(make_edge(a_quote()), taken_at=at)


def closed_edge(at: datetime) -> Model:
    """An edge of an event whose closes have been taken."""
    edge = make_edge(a_quote(), closed_at=at, close_reason=CloseReason.GONE)
    take_closes()
    return edge


def take_closes() -> None:
    """Note that the closes of all events have been taken, as if they had started."""
    Event.objects.update(closed_for=F("commence_time"))


def closed_opportunity(at: datetime) -> Model:
    legs = [a_quote(), a_quote()]
    return make_opportunity(*legs, closed_at=at, close_reason=CloseReason.GONE)


def task_result(at: datetime) -> Model:
    result = TaskResult.objects.create(task_id=f"task-{TaskResult.objects.count()}")
    TaskResult.objects.filter(pk=result.pk).update(date_done=at)
    return result


def dead_letter_occurrence(at: datetime) -> Model:
    return DeadLetterOccurrence.objects.create(end=uuid4(), kind="exception", seen_at=at)


def dead_letter_action(at: datetime) -> Model:
    # Its letter may be long gone.
    return DeadLetterAction.objects.create(
        letter_id=4711, action="discard", outcome="succeeded", requested_at=at
    )


def health_snapshot(at: datetime) -> Model:
    return make_health_snapshot(taken_at=at)


def baseline_snapshot(at: datetime) -> Model:
    return make_baseline_snapshot(captured_at=at)


def admin_log(at: datetime) -> Model:
    user, _ = User.objects.get_or_create(username="ada")
    return LogEntry.objects.create(user=user, action_time=at, action_flag=CHANGE)


def session(at: datetime) -> Model:
    return Session.objects.create(session_key=uuid4().hex, expire_date=at)


def past_event(at: datetime) -> Model:
    return make_event(commence_time=at, created_at=at)


def unheard_feed(at: datetime) -> Model:
    return make_feed(observed_at=at)


#: Tables of which nothing else than a row's age says whether it goes.
BY_AGE: list[tuple[type[Model], Callable[[datetime], Model]]] = [
    (PollRun, poll_run),
    (CircuitTransition, transition),
    (DeliveryRun, delivery_run),
    (Alert, alert),
    (RecomputeRun, recompute_run),
    (LineChange, line_change),
    (ClosingPrice, closing_price),
    (ClosingQuote, closing_quote),
    (EdgeClosing, edge_closing),
    (Edge, closed_edge),
    (Opportunity, closed_opportunity),
    (TaskResult, task_result),
    (DeadLetterOccurrence, dead_letter_occurrence),
    (DeadLetterAction, dead_letter_action),
    (HealthSnapshot, health_snapshot),
    (BaselineSnapshot, baseline_snapshot),
    (LogEntry, admin_log),
    (Session, session),
]
#: See `test_event_retention` for the last two.
TABLES: list[tuple[type[Model], Callable[[datetime], Model]]] = [
    *BY_AGE,
    (Event, past_event),
    (Feed, unheard_feed),
]
each_table = pytest.mark.parametrize(
    ("model", "make"), TABLES, ids=[model.__name__ for model, _ in TABLES]
)
each_table_by_age = pytest.mark.parametrize(
    ("model", "make"), BY_AGE, ids=[model.__name__ for model, _ in BY_AGE]
)


def primary_keys(model: type[Model]) -> set[Any]:
    return set(model._default_manager.values_list("pk", flat=True))


def test_every_table_of_the_retention_is_tested() -> None:
    assert {model._meta.db_table for model, _ in TABLES} == set(DAYS)
    assert set(prune_old_rows(CONFIG)) == set(DAYS)


@each_table
def test_rows_past_their_retention_go_and_younger_ones_stay(
    model: type[Model], make: Callable[[datetime], Model]
) -> None:
    table = model._meta.db_table
    for days in (0.01, 1.0, 300.0):
        make(ago(DAYS[table] + days))
    kept = {make(ago(DAYS[table] - days)).pk for days in (0.01, 1.0, DAYS[table])}

    assert prune_old_rows(CONFIG) == {name: 3 if name == table else 0 for name in DAYS}
    assert primary_keys(model) == kept
    assert prune_old_rows(CONFIG) == dict.fromkeys(DAYS, 0)


def test_what_is_open_stays_however_old() -> None:
    edge = make_edge(a_quote(), opened_at=ago(1_000), updated_at=ago(1_000))
    opportunity = make_opportunity(a_quote(), a_quote(), updated_at=ago(1_000))
    prune_old_rows(CONFIG)
    assert primary_keys(Edge) == {edge.pk}
    assert primary_keys(Opportunity) == {opportunity.pk}


def test_a_quote_outlives_its_history() -> None:
    change = line_change(ago(100))
    prune_old_rows(CONFIG)
    assert Quote.objects.count() == 1
    assert not LineChange.objects.filter(pk=change.pk).exists()


@each_table_by_age
def test_no_statement_deletes_more_than_its_bound(
    model: type[Model],
    make: Callable[[datetime], Model],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(5):
        make(ago(400))
    table = model._meta.db_table
    deleted: list[int] = []

    def counted(statement: str, parameters: Any) -> int:
        rows = execute(statement, parameters)
        if re.search(rf"DELETE FROM {table}(_default|_before)? ", statement):
            deleted.append(rows)
        return rows

    monkeypatch.setattr(prune, "execute", counted)
    monkeypatch.setattr(prune, "ROWS_PER_STATEMENT", 2)

    assert prune_old_rows(CONFIG)[table] == 5
    assert deleted[-4:] == [2, 2, 1, 0]
    assert not any(deleted[:-4])  # of a table in partitions, those that have none


def test_a_table_that_cannot_be_pruned_keeps_no_other_from_its_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for make in (recompute_run, delivery_run, past_event):
        make(ago(1_000))

    def refuse(statement: str, parameters: Any) -> int:
        if "DELETE FROM streaming_deliveryrun " in statement:
            with transaction.atomic():
                execute("SELECT 1 / 0", {})
        return execute(statement, parameters)

    monkeypatch.setattr(prune, "execute", refuse)
    with pytest.raises(DataError, match="division by zero"):
        prune_old_rows(CONFIG)
    assert (RecomputeRun.objects.count(), DeliveryRun.objects.count()) == (0, 1)
    assert not Event.objects.exists()


def test_an_edge_stays_as_long_as_what_it_was_worth_at_the_close() -> None:
    edge = make_edge(a_quote(), closed_at=ago(1_000), close_reason=CloseReason.GONE)
    closing = make_edge_closing(edge, taken_at=ago(6))
    take_closes()

    assert prune_old_rows(CONFIG)["valuation_edge"] == 0

    EdgeClosing.objects.filter(pk=closing.pk).update(taken_at=ago(8))
    deleted = prune_old_rows(CONFIG)
    assert (deleted["valuation_edgeclosing"], deleted["valuation_edge"]) == (1, 1)


def test_an_edge_that_closed_long_before_its_event_stays_until_its_close_is_taken() -> None:
    edge = make_edge(a_quote(), closed_at=ago(1_000), close_reason=CloseReason.GONE)
    assert prune_old_rows(CONFIG)["valuation_edge"] == 0
    assert primary_keys(Edge) == {edge.pk}
    take_closes()
    assert prune_old_rows(CONFIG)["valuation_edge"] == 1
