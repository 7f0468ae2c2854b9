"""Whatever happens between a change and its value, the last price is the one that is valued.

A broker of our own stands in for Celery's queues, because it can do on demand what a real one
does when it is least wanted: lose a message, deliver it twice, late or out of order, and let a
worker die between any two steps. Everything else is real.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from betting.config import SweepConfig, get_config
from betting.db.redis import redis_client
from betting.models import Market, Quote
from streaming import tasks
from streaming.coalescing import buffer
from streaming.coalescing.sweep import unvalued_markets
from streaming.core.snapshot import Snapshot, SnapshotQuote
from streaming.ingest import resolve
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation import tasks as valuation_tasks
from valuation.board import Board, Valued, value
from valuation.covering import Role
from valuation.models import Edge, FairPrice
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute, write
from valuation.unvalued import UnvaluedMarkets, read

POLICY = ValuationPolicy()
INGEST = IngestPolicy()
BOOKS = ("ace", "bay", "cap", "dot", "elm")
KINDS = (("h2h", None), ("totals", 8.5))
SWEEP_NOW = SweepConfig(dirty_after_ms=0)

_names = count()

picks = st.integers(0, 999)
"""Which of the things there are. What is drawn never depends on how many those are, which ids and
clocks have a say in."""


@dataclass
class Broker:
    """The messages sent and not yet forgotten, as (task name, arguments)."""

    messages: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    @contextmanager
    def receives(self) -> Iterator[None]:
        """Everything that the tasks enqueue in the meantime comes here."""
        with pytest.MonkeyPatch.context() as patch:
            for name, task in (
                ("coalesce", tasks.coalesce_line_changes),
                ("recompute", valuation_tasks.recompute_markets),
            ):
                patch.setattr(task, "apply_async", self._sender(name))
            yield

    def _sender(self, name: str) -> object:
        def apply_async(args: tuple[Any, ...], **_: object) -> None:
            self.messages.append((name, args))

        return apply_async


def expected_board(market: Market) -> tuple[Board, list[int]]:
    """The market's active quotes, read by a way of its own."""
    columns = (
        "pk", "outcome", "outcome__name", "outcome__line", "bookmaker", "side", "price",
        "bookmaker__weight", "bookmaker__commission", "bookmaker__is_venue",
    )  # fmt: skip
    quotes = Quote.objects.filter(market=market, status="active").order_by("id")
    rows = list(quotes.values_list(*columns, named=True))
    roles = {
        "Over": Role.OVER, "Under": Role.UNDER,
        market.event.home: Role.HOME, market.event.away: Role.AWAY,
    }  # fmt: skip
    board = Board(
        market_id=np.full(len(rows), market.pk, dtype=np.int64),
        outcome_id=np.array([row.outcome for row in rows], dtype=np.int64),
        line=np.array(
            [np.nan if row.outcome__line is None else row.outcome__line for row in rows],
            dtype=np.float64,
        ),
        bookmaker_id=np.array([row.bookmaker for row in rows], dtype=np.int64),
        is_lay=np.array([row.side == "lay" for row in rows], dtype=np.bool_),
        price=np.array([row.price for row in rows], dtype=np.float64),
        weight=np.array([row.bookmaker__weight for row in rows], dtype=np.float64),
        # A bookmaker that is no venue has no edges.
        commission=np.array(
            [row.bookmaker__commission if row.bookmaker__is_venue else np.nan for row in rows],
            dtype=np.float64,
        ),
        is_stale=np.zeros(len(rows), dtype=np.bool_),
        role=np.array([roles.get(row.outcome__name, Role.NONE) for row in rows], dtype=np.int64),
    )
    return board, [row.pk for row in rows]


def assert_valued_from_the_final_quotes(market: Market) -> None:
    assert market.valued_version == market.version
    board, quote_ids = expected_board(market)
    valued = value(board, POLICY)
    fair = {
        outcome: None if np.isnan(probability) else probability
        for outcome, probability in zip(
            valued.fair.outcome_id.tolist(), valued.fair.probability.tolist(), strict=True
        )
    }
    stored = dict(FairPrice.objects.filter(market=market).values_list("outcome", "probability"))
    assert stored == {outcome: fair.get(outcome) for outcome in stored}
    assert fair.keys() <= stored.keys()
    edges = {
        quote_ids[row]: ev
        for row, ev in zip(valued.edges.row.tolist(), valued.edges.ev.tolist(), strict=True)
    }
    open_edges = Edge.objects.filter(market=market, closed_at=None)
    assert dict(open_edges.values_list("quote", "ev")) == edges


def sweep_until_valued() -> None:
    """What the sweeper does, without Redis, until nothing is stale."""
    while swept := unvalued_markets(SWEEP_NOW):
        recompute(swept, "sweep", lambda: POLICY)


class Pipeline(RuleBasedStateMachine):
    """Random changes, and everything that can go wrong on their way."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker()
        self.in_flight: list[tuple[UnvaluedMarkets, Valued]] = []
        self.seconds = 0
        self.has_written = False
        self.provider = make_provider(f"p{next(_names)}")
        self.prices = {
            (book, kind, side): 1.9 for book in BOOKS for kind, _ in KINDS for side in (0, 1)
        }
        self.absent: set[str] = set()
        redis_client().flushdb()
        self._ingest(is_sent=True)

    def _quotes(self) -> Iterator[SnapshotQuote]:
        for (book, kind, side), price in self.prices.items():
            if book not in self.absent:
                point = dict(KINDS)[kind]
                name = ("Over", "Under")[side] if point else (HOME, AWAY)[side]
                yield quote(book, name, price, kind=kind, point=point)

    def _ingest(self, *, is_sent: bool) -> None:
        self.seconds += 1
        self.has_written = True
        answer = snapshot([event(self._quotes())], self.seconds)
        result = ingest(self.provider.pk, answer, INGEST)
        if is_sent:
            with self.broker.receives():
                tasks.send_changes(result.markets)

    @rule(
        book=st.sampled_from(BOOKS),
        market=st.sampled_from([kind for kind, _ in KINDS]),
        side=st.sampled_from([0, 1]),
        price=st.sampled_from([1.5, 1.88, 1.9, 1.92, 1.97, 2.2]),
        is_sent=st.booleans(),
    )
    def price_moves(
        self, book: str, market: str, side: int, price: float, *, is_sent: bool
    ) -> None:
        """A price moves; a crash after the commit may keep anybody from hearing of it."""
        self.prices[book, market, side] = price
        self._ingest(is_sent=is_sent)

    @rule(book=st.sampled_from(BOOKS), is_sent=st.booleans())
    def book_leaves_or_returns(self, book: str, *, is_sent: bool) -> None:
        """A bookmaker takes its quotes down, or puts them up again."""
        self.absent ^= {book}
        self._ingest(is_sent=is_sent)

    @rule(pick=picks, is_kept=st.booleans(), is_lost=st.booleans())
    def a_message_is_delivered(self, pick: int, *, is_kept: bool, is_lost: bool) -> None:
        """In any order; kept for a second delivery, or lost before its effect."""
        if not self.broker.messages:
            return
        index = pick % len(self.broker.messages)
        name, arguments = self.broker.messages[index]
        if not is_kept:
            del self.broker.messages[index]
        if is_lost:
            return
        with self.broker.receives():
            if name == "coalesce":
                tasks.coalesce_line_changes(*arguments)
            else:
                self.has_written = True
                valuation_tasks.recompute_markets(*arguments)

    @rule(shard=st.integers(0, get_config().coalesce.shards - 1))
    def a_coalescer_dies_after_its_drain(self, shard: int) -> None:
        """The shard is empty, its markets are marked, and no recompute was sent."""
        buffer.drain(shard, get_config().coalesce)

    @rule(pick=picks)
    def a_recompute_begins(self, pick: int) -> None:
        """A worker reads and values, and has not written yet. It may never do so."""
        sent = [arguments[0] for name, arguments in self.broker.messages if name == "recompute"]
        if sent:
            ids = sent[pick % len(sent)]
            buffer.clear_scheduled(ids)
            stale = read(ids)
            self.in_flight.append((stale, value(stale.board, POLICY)))

    @rule(pick=picks, has_crashed=st.booleans())
    def a_recompute_ends(self, pick: int, *, has_crashed: bool) -> None:
        """However long after, and whatever others have written since; or not at all."""
        if self.in_flight:
            stale, valued = self.in_flight.pop(pick % len(self.in_flight))
            if stale.ids.size and not has_crashed:
                self.has_written = True
                with transaction.atomic():
                    write(stale, valued, POLICY)

    @rule()
    def redis_is_flushed(self) -> None:
        """Buffers and markers are gone."""
        redis_client().flushdb()

    @rule()
    def the_sweeper_passes(self) -> None:
        """It sends what is stale; the messages may fare like any other."""
        with self.broker.receives():
            valuation_tasks.send_recomputes(unvalued_markets(SWEEP_NOW), "sweep")

    @invariant()
    def no_value_is_ahead_of_its_quotes(self) -> None:
        """A market valued at its version is valued from the quotes it has.

        Looked at after the steps that write quotes or values; the others leave both as they were.
        """
        if not self.has_written:
            return
        self.has_written = False
        for market in Market.objects.filter(event__aliases__provider=self.provider):
            if market.valued_version == market.version:
                assert_valued_from_the_final_quotes(market)

    def teardown(self) -> None:
        """In the end the sweeper makes everything whole."""
        sweep_until_valued()
        for market in Market.objects.filter(event__aliases__provider=self.provider):
            assert_valued_from_the_final_quotes(market)
        resolve.forget()


@pytest.mark.django_db
@pytest.mark.usefixtures("redis")
def test_the_final_fair_price_is_the_one_of_the_final_quotes_whatever_happens() -> None:
    run_state_machine_as_test(
        Pipeline, settings=settings(max_examples=40, stateful_step_count=25, deadline=None)
    )


def random_answer(dice: random.Random, seconds: int) -> Snapshot:
    """Twelve events at random prices; now and then a bookmaker is missing."""

    def quotes() -> Iterator[SnapshotQuote]:
        for book in BOOKS:
            if dice.random() > 0.1:
                for name in (HOME, AWAY):
                    yield quote(book, name, round(dice.uniform(1.7, 2.2), 2))

    return snapshot([event(quotes(), f"e{number}") for number in range(12)], seconds)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
def test_concurrent_ingests_recomputes_and_sweeps_end_with_every_last_price_valued() -> None:
    providers = [make_provider(f"p{number}").pk for number in range(2)]
    is_over = threading.Event()

    def keep_ingesting(provider_id: int) -> None:
        dice = random.Random(provider_id)
        with closing(connection):
            for seconds in range(40):
                ingest(provider_id, random_answer(dice, seconds), INGEST)

    def keep_valuing(seed: int) -> None:
        dice = random.Random(seed)
        with closing(connection):
            while not is_over.is_set():
                ids = list(Market.objects.values_list("pk", flat=True))
                recompute(dice.sample(ids, min(len(ids), 8)), "batch", lambda: POLICY)

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(keep_ingesting, provider) for provider in providers]
        valuers = [pool.submit(keep_valuing, seed) for seed in range(3)]
        wait(writers)
        is_over.set()
    for worker in (*writers, *valuers):
        worker.result()
    sweep_until_valued()

    assert Market.objects.count() == 24
    for market in Market.objects.all():
        assert_valued_from_the_final_quotes(market)
    assert not Market.objects.filter(dirty_at__isnull=False).exists()
