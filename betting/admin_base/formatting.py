"""Formats of numbers and links on an admin page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime

from betting.models import QuoteStatus
from streaming.core import percentages
from streaming.core.odds_formats import written

ABSENT = "–"


def odds(value: float | None) -> str:
    """Return decimal odds with two decimals, or three if the third is not 0.

    >>> odds(2.1), odds(1.909), odds(101.0), odds(None)
    ('2.10', '1.909', '101.00', '–')
    """
    if value is None:
        return ABSENT
    return written(value, "decimal")


def percent(value: float | None, digits: int = 2) -> str:
    """Return a fraction as a percentage.

    >>> percent(0.5238), percent(0.5238, 1), percent(None)
    ('52.38 %', '52.4 %', '–')
    """
    return ABSENT if value is None else percentages.percent(value, digits)


def point(value: float | None) -> str:
    """Return a handicap or a total, signed.

    >>> point(-3.5), point(47.0), point(None)
    ('-3.5', '+47', '–')
    """
    return ABSENT if value is None else f"{value:+g}"


def milliseconds(value: float | None) -> str:
    """Return a duration in milliseconds, to a tenth.

    >>> milliseconds(12.345), milliseconds(1234.5), milliseconds(None)
    ('12.3 ms', '1,234.5 ms', '–')
    """
    return ABSENT if value is None else f"{value:,.1f} ms"


def moment(at: datetime | None) -> str:
    """Return a time to the second, with its date unless that is today; a dash if there is none.

    >>> moment(None)
    '–'
    """
    if at is None:
        return ABSENT
    is_today = localtime(at).date() == localtime().date()
    return date_format(localtime(at), "H:i:s" if is_today else "DATETIME_FORMAT")


def quote_status(quote: Any) -> str:
    """Return a quote's status, or "stale" if it is active and too old to trust."""
    is_active = quote.status == QuoteStatus.ACTIVE
    return "stale" if is_active and quote.is_stale else str(quote.get_status_display())


def disputes(said: Iterable[Mapping[str, Any]]) -> str:
    """Return what other providers say of a price, from `betting.db.freshness.with_disputes`.

    >>> disputes([{"provider": "relay", "price": 1.91}])
    'relay @ 1.91'
    """
    return ", ".join(f"{each['provider']} @ {odds(each['price'])}" for each in said)


def link(target: Model, text: object = None) -> str:
    """Return a link to a row's own page."""
    options = target._meta  # noqa: SLF001 - Django's documented name for a model's options
    url = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[target.pk])
    return format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>',
        url,
        target if text is None else text,
    )
