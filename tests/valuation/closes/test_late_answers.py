"""A close and a late answer from before the start, driven against each other step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from betting.models import Event
from streaming.core.snapshot import Snapshot
from streaming.ingest import resolve
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support.emptying import empty_tables
from tests.support.races import Racers, Work, racers
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation.closes.take import take
from valuation.models import ClosingQuote
from valuation.policy import ValuationPolicy

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

START = 3600.0
BOOKS = ("ace", "bay", "cap")


def answer(books: tuple[str, ...], seconds: float, feed: str) -> Snapshot:
    quotes = [quote(book, name, 1.905) for book in books for name in (HOME, AWAY)]
    return snapshot([event(quotes, starts=START)], seconds, feed=feed)


def close() -> None:
    take(ValuationPolicy())


def late_answer_of(provider: int) -> Work:
    return lambda: ingest(provider, answer(("elm",), START - 30, "/late"), IngestPolicy())


@pytest.fixture
def two() -> Iterator[Racers]:
    with racers() as found:
        yield found


@pytest.mark.parametrize("is_close_stopped", [True, False])
def test_whichever_comes_first_the_close_is_of_the_whole_history(
    two: Racers, *, is_close_stopped: bool
) -> None:
    for step in count():
        empty_tables()
        resolve.forget()
        # The late one is of a provider that does not own the event: it writes nothing of it.
        owner, guest = make_provider().pk, make_provider("guest").pk
        for seconds in (START - 60, START + 5):
            ingest(owner, answer(BOOKS, seconds, "/odds"), IngestPolicy())
            ingest(guest, answer(("fir",), seconds, "/odds"), IngestPolicy())
        works: list[Callable[[], object]] = [close, late_answer_of(guest)]
        stopped, other = works if is_close_stopped else reversed(works)
        has_stopped = two.race(stopped, other, step)

        close()

        closed = ClosingQuote.objects.filter(quote__outcome__name=HOME)
        books = set(closed.values_list("quote__bookmaker__key", flat=True))
        assert books == {*BOOKS, "fir", "elm"}, step
        event_row = Event.objects.get()
        assert event_row.closed_for == event_row.commence_time
        if not has_stopped:
            assert step > 3
            return
