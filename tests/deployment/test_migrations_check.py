"""The check of migrations (.ci/migrations.py): what it lets pass, and what it refuses and why."""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import pytest
from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState
from django.db.models.functions import Now, Random

from betting.config import CHECKOUT


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "migrations_check", CHECKOUT / ".ci" / "migrations.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def before() -> ProjectState:
    """One table."""
    fields: list[tuple[str, Any]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("price", models.FloatField()),
        ("note", models.TextField(null=True)),
    ]
    state = ProjectState()
    state.add_model(ModelState("betting", "Price", fields))
    return state


def problems(check: ModuleType, *operations: Operation, **allowed: str) -> list[str]:
    new = type("New", (migrations.Migration,), {"operations": operations, "allowed": allowed})
    found: list[str] = check.problems(new("9999_new", "betting"), before())
    return found


def added(field: Any) -> Operation:
    return migrations.AddField("Price", "new", field)


NULLABLE: dict[str, Any] = {"null": True}  # the stubs want a type of each nullable field
INDEX = models.Index(fields=["price"], name="price_index")
POSITIVE = models.CheckConstraint(condition=models.Q(price__gt=0), name="price_positive")


@pytest.mark.parametrize(
    "operation",
    [
        added(models.FloatField(**NULLABLE)),
        added(models.FloatField(db_default=1.0)),
        added(models.DateTimeField(db_default=Now())),
        added(models.ForeignKey("betting.Price", models.CASCADE, **NULLABLE, db_index=False)),
        AddIndexConcurrently("Price", INDEX),
        AddConstraintNotValid("Price", POSITIVE),
        ValidateConstraint("Price", "price_positive"),
        migrations.AlterField("Price", "price", models.FloatField(help_text="decimal")),
        migrations.AlterField("Price", "price", models.FloatField(**NULLABLE)),
        migrations.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
    ],
    ids=lambda operation: operation.describe(),
)
def test_what_running_workers_do_not_notice_passes(check: ModuleType, operation: Operation) -> None:
    assert problems(check, operation) == []


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (added(models.FloatField(default=1.0)), "a db_default"),
        (added(models.FloatField(db_default=Random())), "rewrites the table"),
        (added(models.FloatField(**NULLABLE, db_index=True)), "AddIndexConcurrently"),
        (added(models.ForeignKey("betting.Price", models.CASCADE, **NULLABLE)), "db_index=False"),
        (migrations.AddIndex("Price", INDEX), "AddIndexConcurrently"),
        (migrations.RemoveIndex("Price", "price_index"), "RemoveIndexConcurrently"),
        (migrations.AddConstraint("Price", POSITIVE), "AddConstraintNotValid"),
        (migrations.AlterField("Price", "price", models.TextField()), "rewrite the table"),
        (migrations.AlterField("Price", "note", models.TextField()), "may write NULL"),
        (migrations.RemoveField("Price", "note"), "one release after"),
        (migrations.RenameField("Price", "note", "remark"), "older code uses its name"),
        (migrations.DeleteModel("Price"), "one release after"),
        (migrations.RunSQL("SELECT 1"), "cannot be judged"),
        (migrations.AlterUniqueTogether("Price", {("price", "note")}), "not known"),
    ],
    ids=lambda each: each.describe() if isinstance(each, Operation) else each,
)
def test_what_stops_running_workers_is_refused_with_the_way_out(
    check: ModuleType, operation: Operation, reason: str
) -> None:
    (problem,) = problems(check, operation)
    assert reason in problem


def test_a_table_that_a_migration_makes_is_nobodys_yet(check: ModuleType) -> None:
    made = migrations.CreateModel(
        "Other", [("id", models.BigAutoField(primary_key=True)), ("price", models.FloatField())]
    )
    assert problems(check, made, migrations.AddIndex("Other", INDEX)) == []


def test_only_what_changes_the_database_is_judged(check: ModuleType) -> None:
    removed = migrations.RemoveField("Price", "note")
    forgotten = migrations.SeparateDatabaseAndState(state_operations=[removed])
    dropped = migrations.SeparateDatabaseAndState(database_operations=[removed])
    assert problems(check, forgotten) == []
    assert len(problems(check, dropped)) == 1


def test_a_constraint_is_validated_in_a_migration_of_its_own(check: ModuleType) -> None:
    both = [AddConstraintNotValid("Price", POSITIVE), ValidateConstraint("Price", "price_positive")]
    (problem,) = problems(check, *both)
    assert "holds the table" in problem


def test_an_operation_passes_with_a_reason_and_a_reason_needs_an_operation(
    check: ModuleType,
) -> None:
    removed = migrations.RemoveField("Price", "note")
    assert problems(check, removed, RemoveField="0.3 does not read it") == []
    assert len(problems(check, removed, RemoveField=" ")) == 1
    assert len(problems(check, added(models.FloatField(**NULLABLE)), RunSQL="quick")) == 1


def test_the_migrations_after_the_baseline_pass(check: ModuleType) -> None:
    assert check.main() == 0
