"""The races of two connections, driven step by step: at each statement of one the other one works.

However they meet, nothing deadlocks, no row is left without what it refers to, and once everything
is valued each market is valued from its final quotes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from django.db import transaction
from django.db.models import F

from betting.models import Event, Market, Provider, Quote
from streaming.core.participants import sport_family
from streaming.core.snapshot import Snapshot
from streaming.ingest import resolve
from streaming.ingest.ingest import IngestPolicy, ingest
from streaming.ingest.locks import lock_family
from streaming.ingest.quarantine import quarantine_unsafe
from streaming.polling.remove_provider import remove
from streaming.retention.delete_events import erase_events
from tests.streaming.coalescing.test_interleavings import (
    POLICY,
    assert_valued_from_the_final_quotes,
    sweep_until_valued,
)
from tests.support.emptying import empty_tables
from tests.support.orphans import orphans
from tests.support.races import Work, racers
from tests.support.snapshots import AWAY, HOME, SPORT, at, event, make_provider, quote, snapshot
from valuation.recompute import recompute

BOOKS = ("ace", "bay", "cap", "dot")
STEPS_AT_LEAST = 3

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Scene:
    """Two providers that relay the same event, whose prices have changed and are not valued yet."""

    north: Provider
    south: Provider

    @classmethod
    def set_up(cls) -> Scene:
        scene = cls(make_provider("north"), make_provider("south"))
        for provider in (scene.north, scene.south):
            ingest(provider.pk, answer(0), IngestPolicy())
        sweep_until_valued()
        ingest(scene.north.pk, answer(1), IngestPolicy())
        return scene

    @property
    def markets(self) -> list[int]:
        return list(Market.objects.order_by("id").values_list("id", flat=True))


def answer(step: int, books: tuple[str, ...] = BOOKS) -> Snapshot:
    """Two markets, whose prices change at every step."""
    kinds: tuple[tuple[str, float | None, tuple[str, str]], ...] = (
        ("h2h", None, (HOME, AWAY)),
        ("totals", 8.5, ("Over", "Under")),
    )
    quotes = [
        quote(book, name, 1.9 + 0.02 * step + 0.01 * number, kind=kind, point=point)
        for kind, point, names in kinds
        for book in books
        for number, name in enumerate(names)
    ]
    return snapshot([event(quotes)], 100 + step)


def of_north(scene: Scene) -> Work:
    return lambda: ingest(scene.north.pk, answer(2), IngestPolicy())


def of_north_later(scene: Scene) -> Work:
    return lambda: ingest(scene.north.pk, answer(3, BOOKS[1:]), IngestPolicy())


def of_south(scene: Scene) -> Work:
    return lambda: ingest(scene.south.pk, answer(4, (*BOOKS, "elm")), IngestPolicy())


def valuation(scene: Scene) -> Work:
    markets = scene.markets
    return lambda: recompute(markets, "sweep", lambda: POLICY)


def quarantine(scene: Scene) -> Work:
    def work() -> None:
        Provider.objects.filter(pk=scene.north.pk).update(generation=F("generation") + 1)
        quarantine_unsafe(at(200), scene.north.pk)

    return work


def removal(scene: Scene) -> Work:
    return lambda: remove(scene.north)


def retention(_scene: Scene) -> Work:
    events = list(Event.objects.values_list("id", flat=True))

    def work() -> None:
        with transaction.atomic():
            lock_family(sport_family(SPORT))  # as retention does, before it looks again
            erase_events(events)

    return work


Make = Callable[[Scene], Work]

PAIRS: list[tuple[Make, Make]] = [
    (of_north, of_north_later),
    (of_north, of_south),
    (of_north, valuation),
    (valuation, valuation),
    (valuation, quarantine),
    (of_south, quarantine),
    (removal, valuation),
    (removal, of_south),
    (retention, of_south),
    (retention, valuation),
]
BOTH_WAYS = [*PAIRS, *((second, first) for first, second in PAIRS if first is not second)]


def each_step(stopped: Make, other: Make) -> Iterator[Scene]:
    """Yield the scene after each of the races, in which one is stopped before each of its steps."""
    with racers() as two:
        for step in count():
            empty_tables()
            resolve.forget()
            scene = Scene.set_up()
            has_stopped = two.race(stopped(scene), other(scene), step)
            sweep_until_valued()
            yield scene
            if not has_stopped:
                assert step >= STEPS_AT_LEAST
                return


@pytest.mark.parametrize(
    ("stopped", "other"), BOTH_WAYS, ids=[f"{a.__name__} x {b.__name__}" for a, b in BOTH_WAYS]
)
def test_at_each_statement_of_one_the_other_may_come_between(stopped: Make, other: Make) -> None:
    for _scene in each_step(stopped, other):
        for market in Market.objects.all():
            assert_valued_from_the_final_quotes(market)
        assert orphans() == {}


@pytest.mark.parametrize(
    ("stopped", "other"), [(of_north, of_north_later), (of_north_later, of_north)]
)
def test_of_two_answers_of_one_feed_the_later_one_stands(stopped: Make, other: Make) -> None:
    for scene in each_step(stopped, other):
        ingest(scene.south.pk, answer(3, BOOKS[1:]), IngestPolicy())
        active = Quote.objects.filter(status="active", outcome__name__in=[HOME, "Over"])
        expected = {(book, kind, 1.96) for book in BOOKS[1:] for kind in ("h2h", "totals")}
        assert set(active.values_list("bookmaker__key", "market__kind", "price")) == expected
