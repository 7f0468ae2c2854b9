"""A live market with one edge, and clients that read the board."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from betting.models import Clock, Event, FeedBookmaker, Market, Quote
from betting.web.board import bookmaker_clv
from tests.support import rows


@pytest.fixture
def board(redis: object) -> rows.Board:  # noqa: ARG001 - asks for a fixture
    """A market before its start, confirmed just now, with an edge at its first bookmaker."""
    provider = rows.make_provider(clock=Clock.WALL, stale_after_seconds=120.0)
    board = rows.make_board((2.0, 1.7), (1.9, 1.8), provider=provider, voices=3)
    now = datetime.now(UTC)
    Event.objects.update(commence_time=now + timedelta(hours=1), home="Leeds", away="Derby")
    Market.objects.update(changed_at=now - timedelta(minutes=5))
    Quote.objects.update(changed_at=now - timedelta(minutes=5), source_at=None)
    for quote in Quote.objects.select_related("feed"):
        if not FeedBookmaker.objects.filter(feed=quote.feed, bookmaker=quote.bookmaker).exists():
            rows.make_feed_bookmaker(quote.feed, bookmaker=quote.bookmaker)
    return board


@pytest.fixture
def reader(db: None) -> Client:  # noqa: ARG001 - asks for a fixture
    """A logged-in user without any permission."""
    client = Client()
    client.force_login(User.objects.create_user("ana"))
    return client


@pytest.fixture(autouse=True)
def clv_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page asks for the bookmakers' closing line value anew."""
    monkeypatch.setattr(bookmaker_clv, "KEPT_SECONDS", 0.0)
