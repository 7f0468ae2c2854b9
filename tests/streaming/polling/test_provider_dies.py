"""Two providers are replayed, and one of them dies on the way: what is on the board meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import F

from betting.config import get_config
from betting.models import Clock, Market, Quote
from streaming.models import PollRun
from streaming.polling.feed_circuits import FeedCircuits
from streaming.polling.request import PollSession, make_request
from streaming.providers.base import Request, Response
from streaming.providers.recording.adapter import Record, read
from streaming.providers.registry import adapter
from streaming.simulator.catalogue import BOOKMAKERS
from tests.support.rows import make_provider
from valuation.models import CloseReason, Edge
from valuation.recompute import recompute

RECORDING = Path(__file__).parents[2] / "recordings" / "simulated.jsonl.gz"
CONFIG = get_config()
BOOKS = sorted(book.key for book in BOOKMAKERS)
LIST = "/v4/sports/basketball_nba/odds"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def recorded_lists(count: int) -> list[Record]:
    """The first lists of one sport's events, on which nothing has ended yet."""
    lists = [record for record in read(RECORDING) if record.request.path == LIST]
    return lists[:count]


@dataclass
class Replayed:
    """A provider that answers from a recording, or as it is told to.

    Attributes:
        key: its key.
        is_even: which half of the bookmakers it lists.
        answers: the answer that it gives next.
    """

    key: str
    is_even: bool
    answers: Response | None = None

    def __post_init__(self) -> None:
        source = adapter("the_odds_api")
        row = make_provider(key=self.key, clock=Clock.RECORDED, stale_after_seconds=1e6)
        self.session = PollSession(
            row, source, source.decoder(), self._send, FeedCircuits(row, CONFIG)
        )

    def _send(self, _request: Request) -> Response | None:
        return self.answers

    def _lists(self, key: str, without: Iterable[str]) -> bool:
        return key in BOOKS[not self.is_even :: 2] and key not in without

    def body(self, record: Record, *, without: Iterable[str] = ()) -> bytes:
        """A recorded answer as this provider gives it; its first venue pays too much."""
        events: list[dict[str, Any]] = json.loads(record.response.body)
        for event in events:
            books = [book for book in event["bookmakers"] if self._lists(book["key"], without)]
            venues = [book for book in books if book["key"] != "pinnacle"]
            for market in venues[0]["markets"] if venues else ():
                market["outcomes"][0]["price"] *= 1.08
            event["bookmakers"] = books
        return json.dumps(events).encode()

    def answer(self, record: Record, seconds: float, body: bytes, status: int = 200) -> PollRun:
        """Answer this, so long after the record, and value at once what that reaches."""
        at = record.received_at + timedelta(seconds=seconds)
        self.answers = replace(record.response, received_at=at, body=body, status=status)
        result = make_request(self.session, record.request, CONFIG, lambda: at)
        if result is not None:
            reached = [change.market_id for change in result.ingested.markets]
            recompute([*reached, *result.ingested.quarantined], "major", lambda: CONFIG.valuation)
        return PollRun.objects.latest("id")

    def quotes(self, status: str) -> set[int]:
        found = Quote.objects.filter(feed__provider=self.session.provider, status=status)
        return set(found.values_list("pk", flat=True))

    def open_edges(self) -> set[int]:
        """The quotes of this provider that have one."""
        edges = Edge.objects.filter(quote__feed__provider=self.session.provider)
        return set(edges.filter(closed_at=None).values_list("quote_id", flat=True))


def of_bookmaker(quotes: set[int], key: str) -> set[int]:
    found = Quote.objects.filter(pk__in=quotes, bookmaker__key=key)
    return set(found.values_list("pk", flat=True))


def test_a_provider_that_dies_is_off_the_board_until_it_has_answered_in_full() -> None:
    lasting, dying = Replayed("lasting", is_even=True), Replayed("dying", is_even=False)
    for record in recorded_lists(3):
        for provider in (lasting, dying):
            provider.answer(record, 0, provider.body(record))
    priced, others = dying.quotes("active"), lasting.quotes("active")
    had_edges, lasting_edges = dying.open_edges(), lasting.open_edges()
    assert had_edges
    assert lasting_edges

    for number in range(3):
        run = dying.answer(record, 10 + number, b"<html>", 503)
        assert run.failure_code == "server_error"

    # Within the one recompute of the opening.
    assert dying.open_edges() == set()
    closed = Edge.objects.filter(quote__in=had_edges)
    assert {edge.close_reason for edge in closed.filter(closed_at__isnull=False)} >= {
        CloseReason.QUARANTINED
    }
    assert (dying.quotes("quarantined"), dying.quotes("active")) == (priced, set())
    assert lasting.quotes("active") == others
    assert not Market.objects.exclude(version=F("valued_version")).exists()

    # While it is open nothing is heard, not even a good answer.
    assert dying.answer(record, 12.5, dying.body(record)).outcome == "refused"

    # Half an answer: a probe that fails.
    half = dying.body(record)
    assert dying.answer(record, 20, half[: len(half) // 2]).failure_kind == "data"
    assert (dying.quotes("quarantined"), dying.open_edges()) == (priced, set())

    # A whole one, from which a bookmaker has vanished.
    listed = Quote.objects.filter(pk__in=priced)
    vanished = max(listed.values_list("bookmaker__key", flat=True))
    whole = dying.body(record, without=[vanished])
    assert dying.answer(record, 60, whole).outcome == "ok"
    suspended = of_bookmaker(priced, vanished)
    assert suspended
    assert suspended <= dying.quotes("suspended")
    assert dying.quotes("active") == priced - suspended
    assert dying.quotes("quarantined") == set()
    assert lasting.quotes("active") == others
    assert dying.open_edges()
