"""Refuse migrations that stop a running release: see docs/upgrading.md.

Workers of the release before write while a migration runs, and after it. So no operation may hold
a table for long, rewrite it, or take away what they use. An operation that this check cannot judge,
or that is right all the same, has its reason in the migration: ``allowed = {"RunSQL": "why"}``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betting.settings")

import django
from django.db import models
from django.db.migrations import CreateModel
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models.expressions import Expression, Value
from django.db.models.functions import Now

#: The last migration of each app before this check: older ones are not judged.
BASELINE = {"betting": 33, "streaming": 20, "valuation": 18}

HARMLESS = {
    "CreateModel", "AddIndexConcurrently", "RemoveIndexConcurrently", "AddConstraintNotValid",
    "ValidateConstraint", "RemoveConstraint", "AlterConstraint", "AlterModelOptions",
    "AlterModelManagers",
}  # fmt: skip
"""Operations that hold a lock for a moment only, and leave what older code uses."""

ADVICE = {
    "AddIndex": "it blocks writes while it is built: AddIndexConcurrently, with atomic = False",
    "RemoveIndex": "it waits for all readers: RemoveIndexConcurrently, with atomic = False",
    "AddConstraint": "it reads the table under a lock: AddConstraintNotValid, and"
    " ValidateConstraint in a migration of its own; a unique one from an index that is built"
    " concurrently",
    "RemoveField": "older code uses it: drop it one release after the code",
    "DeleteModel": "older code uses it: drop it one release after the code",
    "RenameField": "older code uses its name: add another, and drop this one a release later",
    "RenameModel": "older code uses its name: keep db_table",
    "AlterModelTable": "older code uses its name",
    "RunSQL": "it cannot be judged: say why it is quick and what older code makes of it",
    "RunPython": "it cannot be judged: say why it is quick and what older code makes of it",
}


def problems(migration: Migration, before: ProjectState) -> list[str]:
    """Return one line for each operation of a migration that would stop a running release.

    Args:
        migration: the migration.
        before: the state that it begins from.
    """
    allowed: dict[str, str] = getattr(migration, "allowed", {})
    operations = list(_database_operations(migration.operations))
    made = {each.name_lower for each in operations if isinstance(each, CreateModel)}
    names = [type(each).__name__ for each in operations]
    state, found = before.clone(), []
    for operation, name in zip(operations, names, strict=True):
        model = str(getattr(operation, "model_name", "")).lower()
        if (
            name not in allowed
            and model not in made
            and (why := _fault(operation, migration, state))
        ):
            found.append(f"{name} {model or getattr(operation, 'name', '')}: {why}")
        operation.state_forwards(migration.app_label, state)
    if {"AddConstraintNotValid", "ValidateConstraint"} <= set(names):
        found.append("ValidateConstraint: in the transaction that adds it, it holds the table")
    found += [f"allowed[{n!r}]: there is no such operation" for n in allowed if n not in names]
    found += [f"allowed[{n!r}]: give a reason" for n, why in allowed.items() if not why.strip()]
    return found


def _database_operations(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Yield the operations that change the database."""
    for operation in operations:
        inner = getattr(operation, "database_operations", None)
        yield from [operation] if inner is None else _database_operations(inner)


def _fault(operation: Any, migration: Migration, state: ProjectState) -> str:
    """Return why an operation is refused, or an empty text."""
    name = type(operation).__name__
    if name == "AddField":
        return _fault_of_new(operation.field)
    if name == "AlterField":
        model = state.models[migration.app_label, operation.model_name_lower]
        return _fault_of_change(model.fields[operation.name], operation.field)
    return "" if name in HARMLESS else ADVICE.get(name, "it is not known to be harmless")


def _fault_of_new(field: Any) -> str:
    if isinstance(field, models.ManyToManyField):
        return ""
    if isinstance(field, models.GeneratedField):
        return "it rewrites the table"
    if field.db_index or field.unique:
        return "it builds an index under a lock: db_index=False, and AddIndexConcurrently"
    if isinstance(field.db_default, Expression) and not isinstance(field.db_default, Value | Now):
        return "its default may be computed for each row, which rewrites the table"
    if not (field.null or field.has_db_default()):
        return "older code inserts rows without it: null=True, or a db_default"
    return ""


def _fault_of_change(old: models.Field[Any, Any], new: models.Field[Any, Any]) -> str:
    """Return why a changed column is refused: only NULL and a default may come to it."""
    may_change = {*new.non_db_attrs, "default", "null", "db_default", "related_name"}

    def column(field: models.Field[Any, Any]) -> tuple[str, dict[str, Any]]:
        _, path, _, options = field.deconstruct()
        return path, {name: each for name, each in options.items() if name not in may_change}

    if column(old) != column(new):
        return "it may rewrite the table or check all rows: add a column, and drop this one later"
    if old.null and not new.null:
        return "it reads the table under a lock, and older code may write NULL"
    return ""


def main() -> int:
    """Print the problems of all migrations after the baseline; return 1 if there are any."""
    django.setup()
    loader = MigrationLoader(None)
    found = 0
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in BASELINE and int(name.partition("_")[0]) > BASELINE[app]:
            before = loader.project_state((app, name), at_end=False)
            for problem in problems(migration, before):
                print(f"{app}/migrations/{name}.py: {problem}")
                found += 1
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
