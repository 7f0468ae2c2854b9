"""Printing the feeds of a provider: when each last answered, and whether polls leave it out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import OutputWrapper
from django.db.models import Count, Q

from betting.models import Feed, Provider
from streaming.models import FeedCircuit
from streaming.runner.tables import shown_time, write_table

_STATE = ("state", "since", "failures", "retry_at", "reason", "advice")


def feeds_of(provider: Provider) -> list[dict[str, Any]]:
    """Return a provider's feeds: those it answered, and those that its polls ask for."""
    is_silent = Q(books__silent_since__isnull=False)
    heard = {
        feed.key: _heard(feed, provider)
        for feed in provider.feeds.annotate(silent_books=Count("books", filter=is_silent))
    }
    asked = {row.feed: row for row in FeedCircuit.objects.filter(provider=provider)}
    never_heard = {"observed_at": None, "silent_books": 0, "is_admitted": False}
    return [
        {
            "key": key,
            **heard.get(key, never_heard),
            "is_polled": key in asked,
            **{name: getattr(asked.get(key), name, None) for name in _STATE},
        }
        for key in sorted(heard.keys() | asked.keys())
    ]


def feeds(out: OutputWrapper, listed: Iterable[dict[str, Any]]) -> None:
    """Print one line per feed."""
    headers = (
        "feed", "heard", "silent bookmakers", "admitted", "state", "since", "next try", "why",
        "to do",
    )  # fmt: skip
    write_table(
        out,
        headers,
        [
            (
                feed["key"],
                shown_time(feed["observed_at"]),
                f"{feed['silent_books']:,}",
                "yes" if feed["is_admitted"] else "no",
                feed["state"] or "not polled",
                shown_time(feed["since"]),
                shown_time(feed["retry_at"]),
                feed["reason"] or "",
                feed["advice"] or "",
            )
            for feed in listed
        ],
    )


def _heard(feed: Feed, provider: Provider) -> dict[str, Any]:
    return {
        "observed_at": feed.observed_at,
        "silent_books": feed.silent_books,  # type: ignore[attr-defined]  # annotated
        "is_admitted": feed.generation == provider.generation,
    }
