"""Rows that refer to rows which are gone, whether or not the database checks the reference."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db.models import Exists, F, ForeignKey, Model, OuterRef

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
    found = {}
    for model, field in references():
        name = f"{model._meta.db_table}.{field.name}"
        target = field.related_model._default_manager.filter(pk=OuterRef(field.attname))
        rows = model._default_manager.filter(~Exists(target), **{f"{field.name}__isnull": False})
        found[name] = 0 if name in MAY_OUTLIVE else rows.count()
    for model, owner in (
        (Quote, "outcome"),
        (FairPrice, "outcome"),
        (Edge, "quote"),
        (LineChange, "quote"),
    ):
        rows = model._default_manager.exclude(market=F(f"{owner}__market"))
        found[f"{model._meta.db_table}.market of its {owner}"] = rows.count()
    found["valuation_opportunity.quotes"] = len(
        {
            quote
            for quotes in Opportunity.objects.values_list("quotes", flat=True)
            for quote in quotes
        }
        - set(Quote.objects.values_list("pk", flat=True))
    )
    return {name: count for name, count in found.items() if count}


def rows_below_events() -> dict[str, int]:
    """How many rows there are that go with events, by table."""
    tables = tables_below(Event)
    return {
        model._meta.db_table: model._default_manager.count()
        for model in apps.get_models()
        if model._meta.db_table in tables
    }
