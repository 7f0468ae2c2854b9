"""Bookmakers that share one price: one rule for querysets and statements.

Those with the same `Bookmaker.price_group` are one voice in the consensus. Their group is known by
the lowest id among them; a bookmaker without one is a group of its own.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from betting.models import Bookmaker

GROUP = """COALESCE((
    SELECT min(g.id) FROM betting_bookmaker g
    WHERE b.price_group <> '' AND g.price_group = b.price_group
), b.id)"""
"""The group of the bookmaker `b`."""


def is_of_group(bookmaker: str) -> Q:
    """Return the condition that a quote's bookmaker is one of the asking row, or of its group.

    Args:
        bookmaker: the path from the asking row to it.
    """
    alike = Bookmaker.objects.filter(
        pk=OuterRef("bookmaker"), price_group=OuterRef(OuterRef(f"{bookmaker}__price_group"))
    ).exclude(price_group="")
    return Q(bookmaker=OuterRef(bookmaker)) | Q(Exists(alike))


def one_of_each(fresh: QuerySet[Any], quotes: QuerySet[Any]) -> QuerySet[Any]:
    """Return quotes without those of a group that another fresh quote speaks for.

    Args:
        fresh: which quotes speak, of all outcomes, before they are filtered by the outcome.
        quotes: of one outcome and side.
    """
    grouped = Bookmaker.objects.exclude(price_group="")
    group = Bookmaker.objects.filter(pk=OuterRef(OuterRef("bookmaker"))).values("price_group")
    first = fresh.filter(
        outcome=OuterRef("outcome"),
        bookmaker__lt=OuterRef("bookmaker"),
        bookmaker__price_group__in=group,
    )
    return quotes.exclude(Q(bookmaker__in=grouped) & Q(Exists(first)))
