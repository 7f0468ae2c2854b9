"""Rows that refer to rows which are gone, whether or not the database checks the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Exists, F, ForeignKey, Model, OuterRef, QuerySet, Value

from betting.models import Event, LineChange, Quote
from valuation.models import Edge, FairPrice, Opportunity

#: Their letters go before them.
MAY_OUTLIVE = {"streaming_deadletteraction.letter"}


def references() -> Iterator[tuple[type[Model], ForeignKey[Model, Model]]]:
    """Every foreign key of ours, with the model that has it."""
    for app in ("betting", "streaming", "valuation"):
        for model in apps.get_app_config(app).get_models():
            for field in model._meta.fields:
                if isinstance(field, ForeignKey):
                    yield model, field


def tables_below(model: type[Model]) -> set[str]:
    """The tables whose rows refer to a model's, to theirs, and so on; its own is one of them."""
    found = {model}
    while more := {
        each for each, field in references() if field.related_model in found and each not in found
    }:
        found |= more
    return {each._meta.db_table for each in found}


def orphans() -> dict[str, int]:
    """Rows without what they refer to, or with another market than that has; by reference."""
    with connection.cursor() as cursor:
        cursor.execute(*_their_names())
        found = Counter(name for (name,) in cursor.fetchall())
    listed = {
        quote for quotes in Opportunity.objects.values_list("quotes", flat=True) for quote in quotes
    }
    gone = listed - set(Quote.objects.values_list("pk", flat=True))
    return {**found, **({"valuation_opportunity.quotes": len(gone)} if gone else {})}


@cache
def _their_names() -> tuple[str, tuple[Any, ...]]:
    """Return the statement that selects, for each such row, the name of the reference.

    One for all references, whose writing takes Django longer than PostgreSQL's work.
    """
    named = [(name, rows) for name, rows in _orphans() if name not in MAY_OUTLIVE]
    first, *others = [rows.order_by().values_list(Value(name)) for name, rows in named]
    statement, parameters = first.union(*others, all=True).query.sql_with_params()
    return statement, parameters


def _orphans() -> Iterator[tuple[str, QuerySet[Any]]]:
    """Each reference, with the rows that lack what it refers to."""
    for model, field in references():
        target = field.related_model._default_manager.filter(pk=OuterRef(field.attname))
        rows = model._default_manager.filter(~Exists(target), **{f"{field.name}__isnull": False})
        yield f"{model._meta.db_table}.{field.name}", rows
    for of, owner in (
        (Quote, "outcome"),
        (FairPrice, "outcome"),
        (Edge, "quote"),
        (LineChange, "quote"),
    ):
        rows = of._default_manager.exclude(market=F(f"{owner}__market"))
        yield f"{of._meta.db_table}.market of its {owner}", rows


def rows_below_events() -> dict[str, int]:
    """How many rows there are that go with events, by table."""
    tables = tables_below(Event)
    return {
        model._meta.db_table: model._default_manager.count()
        for model in apps.get_models()
        if model._meta.db_table in tables
    }
