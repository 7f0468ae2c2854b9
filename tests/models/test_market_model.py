"""The model of a market is true in every state, and does what the code does.

Explored without a server; then each step's own code runs on PostgreSQL and Redis from one state of
each kind that the model reaches, and has to lead to a state that the model allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache

import numpy as np
import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from betting.config import SweepConfig, get_config
from betting.db.clock import database_now
from betting.db.market_versions import raising
from betting.db.redis import redis_client
from betting.models import Market
from streaming import tasks
from streaming.coalescing import buffer
from streaming.coalescing.sweep import unvalued_markets
from streaming.ingest.ingest import IngestPolicy, MarketChange, ingest
from tests.models.market import FAULTS, GUARDS, MOST, MarketModel, MarketState, is_sound
from tests.streaming.coalescing.test_interleavings import POLICY, Broker
from tests.support.explorer import Explored, explore, representatives
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation import recompute as recomputing
from valuation import tasks as valuation_tasks
from valuation.board import value
from valuation.models import FairPrice
from valuation.unvalued import UnvaluedMarkets, read

BOUND = 50_000
LAST = 10
"""The real market's versions are the model's and this: those before are of its making."""

SWEEP = SweepConfig(dirty_after_ms=60_000)
BOOKS = ("ace", "bay", "cap", "dot")
LASTING = replace(get_config().coalesce, batch_ms=10_000, debounce_ms=10_000, marker_ttl_ms=60_000)
"""Nothing expires while a step runs: that is a step of its own."""


@cache
def explored(changes: int, faults: int, *removed: str) -> Explored[MarketState]:
    """All states of a model, in which some guards are missing."""
    model = MarketModel(GUARDS - set(removed), changes)
    return explore(MarketState(faults=faults), model.steps(), is_sound, BOUND)


def has_change_to_come(state: MarketState) -> bool:
    return state.version < 2


# --- What holds in every state ---


@pytest.mark.parametrize(("changes", "faults", "states"), [(3, 1, 24_984), (2, 2, 10_370)])
def test_no_value_of_an_older_version_ever_replaces_one_of_a_newer(
    changes: int, faults: int, states: int
) -> None:
    everything = explored(changes, faults)
    assert everything.counterexample is None
    assert len(everything.states) == states


@pytest.mark.parametrize(("changes", "faults"), [(3, 1), (2, 2)])
def test_from_every_state_the_last_price_comes_to_be_valued_once_the_faults_are_over(
    changes: int, faults: int
) -> None:
    everything = explored(changes, faults)
    without = FAULTS | {"prices_change"}
    assert everything.never_reaching(lambda state: state.is_valued, without) == []


def rest_is_valued(model: MarketModel) -> Callable[[MarketState], bool]:
    return lambda state: state.is_valued or not model.is_at_rest(state)


def test_without_faults_the_last_price_is_valued_without_the_sweep() -> None:
    model = MarketModel(GUARDS - {"sweep"}, changes=3, most=3)
    everything = explore(MarketState(), model.steps(), rest_is_valued(model), BOUND)
    assert everything.counterexample is None
    assert any(state.version == 3 and model.is_at_rest(state) for state in everything.states)


def test_a_lost_hint_does_not_leave_later_changes_to_the_sweep() -> None:
    without = FAULTS | {"sweep_passes", "publisher_sends"}
    stuck = explored(2, 2).never_reaching(lambda state: state.is_valued, without)
    assert not any(map(has_change_to_come, stuck))


# --- What each guard is for ---


@pytest.mark.parametrize("guard", ["version", "read_version", "dirty"])
def test_without_a_guard_of_the_row_a_trace_shows_what_goes_wrong(guard: str) -> None:
    trace = explored(2, 0, guard).counterexample
    assert trace is not None
    assert [name for name, _ in trace][-1] == "worker_writes"
    assert not is_sound(trace[-1][1])


@pytest.mark.parametrize("guard", ["sweep", "claim_ends"])
def test_without_the_sweep_a_fault_leaves_a_price_unvalued(guard: str) -> None:
    without = FAULTS | {"prices_change"}
    stuck = explored(2, 1, guard).never_reaching(lambda state: state.is_valued, without)
    assert stuck


def test_a_marker_that_is_cleared_after_the_reading_loses_the_last_price() -> None:
    model = MarketModel(GUARDS - {"sweep", "clear_first"}, changes=3, most=3)
    trace = explore(MarketState(), model.steps(), rest_is_valued(model), BOUND).counterexample
    assert trace is not None
    names = [name for name, _ in trace]
    assert names.index("recompute_begins") < names.index("worker_reads")
    assert trace[-1][1].version == 2


def test_hints_that_never_expire_leave_later_changes_to_the_sweep() -> None:
    without = FAULTS | {"sweep_passes", "publisher_sends"}
    stuck = explored(2, 1, "expiry").never_reaching(lambda state: state.is_valued, without)
    assert any(map(has_change_to_come, stuck))


# --- The model does what the code does ---


class _StopHereError(Exception):
    """Ends a recompute between two of its steps."""


@dataclass
class RealMarket:
    """A market in PostgreSQL and Redis that can be put into any state of the model."""

    provider_id: int
    market_id: int
    unvalued: UnvaluedMarkets
    broker: Broker = field(default_factory=Broker)
    workers: list[int | None] = field(default_factory=list)
    unsent: int = 0
    prices: int = 0

    @classmethod
    def make(cls) -> RealMarket:
        provider = make_provider()
        real = cls(provider.pk, 0, read([]))
        real.change_prices()
        market = Market.objects.get()
        real.market_id, real.unvalued = market.pk, read([market.pk])
        with transaction.atomic():
            recomputing.write(real.unvalued, value(real.unvalued.board, POLICY), POLICY)
        return real

    @property
    def shard(self) -> int:
        return self.market_id % LASTING.shards

    def put(self, state: MarketState) -> None:
        """Bring the rows, the keys, the messages and the workers into a state."""
        hour_ago = Now() - timedelta(hours=1)
        Market.objects.update(
            version=LAST + state.version,
            valued_version=LAST + state.valued,
            dirty_at=hour_ago if state.is_dirty else None,
            swept_at=Now() if state.is_claimed else hour_ago,
        )
        FairPrice.objects.update(version=LAST + state.shown)
        redis_client().flushdb()
        if not state.is_quiet:
            buffer.claim_first({self.market_id: 1}, LASTING)
        if state.is_marked:
            buffer.push({self.market_id: 1}, LASTING)
            buffer.drain(self.shard, LASTING)
        if state.is_buffered:
            buffer.push({self.market_id: 1}, LASTING)
        self.broker.messages = [("coalesce", (self.shard,))] * state.flushes
        self.broker.messages += [("recompute", ([self.market_id], "batch"))] * state.recomputes
        self.workers, self.unsent = list(state.workers), state.unsent

    def state(self, before: MarketState) -> MarketState:
        """Return the state that it is in now."""
        row = Market.objects.get()
        minute_ago = database_now() - timedelta(minutes=1)
        (shown,) = set(FairPrice.objects.values_list("version", flat=True))
        keys = redis_client()
        sent = [name for name, _ in self.broker.messages]
        return MarketState(
            version=row.version - LAST,
            valued=row.valued_version - LAST,
            shown=shown - LAST,
            newest=max(before.newest, shown - LAST),
            is_dirty=row.dirty_at is not None,
            is_claimed=row.swept_at is not None and row.swept_at > minute_ago,
            unsent=self.unsent,
            is_quiet=not keys.exists(f"hardline:first:{self.market_id}"),
            is_buffered=bool(keys.hexists(f"hardline:buffer:{self.shard}", str(self.market_id))),
            is_marked=bool(keys.exists(f"hardline:scheduled:{self.market_id}")),
            flushes=min(sent.count("coalesce"), MOST),
            recomputes=min(sent.count("recompute"), MOST),
            workers=tuple(sorted(self.workers, key=lambda each: -1 if each is None else each)),
            faults=before.faults,
        )

    # The steps, each by the code that it stands for.

    def change_prices(self) -> None:
        self.prices += 1
        price = 1.5 + 0.01 * (self.prices % 50)
        quotes = [quote(book, name, price) for book in BOOKS for name in (HOME, AWAY)]
        ingest(self.provider_id, snapshot([event(quotes)], self.prices), IngestPolicy())
        self.unsent += 1

    def raise_version(self) -> None:
        """As quarantine, ageing and revaluation do."""
        with connection.cursor() as cursor:
            cursor.execute(
                raising("WITH touched AS (SELECT %s::bigint AS market_id)"), [self.market_id]
            )
        self.unsent += 1

    def send(self, *, is_major: bool, changes: int) -> None:
        self.unsent -= 1
        change = MarketChange(self.market_id, 1, self.provider_id, changes, is_major)
        with self.broker.receives():
            tasks.send_changes([change])

    def flush(self) -> None:
        self.broker.messages.remove(("coalesce", (self.shard,)))
        with self.broker.receives():
            tasks.coalesce_line_changes(self.shard)

    def drain(self) -> None:
        """Flush until the messages would be sent."""
        self.broker.messages.remove(("coalesce", (self.shard,)))
        buffer.drain(self.shard, LASTING)

    def begin(self) -> None:
        """Recompute until the quotes would be read."""
        self._take()
        self._recompute_until("read")
        self.workers.append(None)

    def read(self) -> None:
        """Recompute from the reading on, until its value would be written."""
        self.workers.remove(None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recomputing, "clear_scheduled", lambda _: None)  # it has been
            unvalued = self._recompute_until("write")
        if unvalued is not None:
            self.workers.append(int(unvalued.versions[0]) - LAST)

    def write(self, version: int) -> None:
        """Write what was read at a version."""
        self.workers.remove(version)
        old = replace(self.unvalued, versions=np.array([LAST + version]))
        with transaction.atomic():
            recomputing.write(old, value(old.board, POLICY), POLICY)

    def sweep(self) -> None:
        with self.broker.receives():
            valuation_tasks.send_recomputes(unvalued_markets(SWEEP), "sweep")

    def _take(self) -> None:
        names = [name for name, _ in self.broker.messages]
        del self.broker.messages[names.index("recompute")]

    def _recompute_until(self, step: str) -> UnvaluedMarkets | None:
        """Recompute until one of its steps, and return what that was called with first."""
        given: list[UnvaluedMarkets] = []

        def stop(first: UnvaluedMarkets, *_: object, **_options: object) -> None:
            given.append(first)
            raise _StopHereError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recomputing, step, stop)
            try:
                recomputing._recompute([self.market_id], "batch", lambda: POLICY, by_event=True)
            except _StopHereError:
                return given[0]
        return None


@dataclass(frozen=True)
class Binding:
    """A step of the model and the code that it stands for.

    Attributes:
        step: the step's name.
        run: the code, given the state that it starts from.
        looks_at: the fields that the step looks at.
        is_fault: whether the step takes one of the faults that may still come.
        where: the states in which the code takes this step.
        may_find_nothing: whether the code runs as well where the step is not possible.
    """

    step: str
    run: Callable[[RealMarket, MarketState], None]
    looks_at: tuple[str, ...]
    is_fault: bool = False
    where: Callable[[MarketState], bool] = lambda _: True
    may_find_nothing: bool = False


_ROW = ("version", "valued", "shown", "newest", "is_dirty")
_HINTS = ("unsent", "is_quiet", "is_buffered", "is_marked", "flushes", "recomputes")


def write_each(real: RealMarket, state: MarketState) -> None:
    real.write(next(read for read in reversed(state.workers) if read is not None))


BINDINGS = {
    "an ingest": Binding("prices_change", lambda real, _: real.change_prices(), (*_ROW, "unsent")),
    "a quarantine": Binding(
        "prices_change", lambda real, _: real.raise_version(), (*_ROW, "unsent")
    ),
    "a major move": Binding(
        "publisher_sends", lambda real, _: real.send(is_major=True, changes=1), _HINTS
    ),
    "a first change": Binding(
        "publisher_sends",
        lambda real, _: real.send(is_major=False, changes=1),
        _HINTS,
        where=lambda state: state.is_quiet,
    ),
    "a later change": Binding(
        "publisher_buffers",
        lambda real, _: real.send(is_major=False, changes=1),
        _HINTS,
        where=lambda state: not state.is_quiet,
    ),
    "a change that fills its batch": Binding(
        "publisher_buffers",
        lambda real, _: real.send(is_major=False, changes=LASTING.batch_changes),
        _HINTS,
        where=lambda state: not state.is_quiet,
    ),
    "a flush": Binding("shard_is_flushed", lambda real, _: real.flush(), _HINTS),
    "a flush that dies": Binding(
        "flusher_dies_after_its_drain",
        lambda real, _: real.drain(),
        ("is_buffered", "is_marked", "flushes", "faults"),
        is_fault=True,
    ),
    "a recompute's begin": Binding(
        "recompute_begins",
        lambda real, _: real.begin(),
        ("is_marked", "recomputes", "workers"),
    ),
    "a recompute's reading": Binding(
        "worker_reads",
        lambda real, _: real.read(),
        ("version", "valued", "is_dirty", "is_marked", "workers"),
    ),
    "a recompute's writing": Binding("worker_writes", write_each, (*_ROW, "is_claimed", "workers")),
    "a sweep": Binding(
        "sweep_passes",
        lambda real, _: real.sweep(),
        ("version", "valued", "is_dirty", "is_claimed", "recomputes"),
        may_find_nothing=True,
    ),
}


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> RealMarket:
    config = replace(get_config(), coalesce=LASTING)
    monkeypatch.setattr(tasks, "get_config", lambda: config)
    return RealMarket.make()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("name", BINDINGS)
def test_each_step_leads_where_the_code_leads(real: RealMarket, name: str) -> None:
    binding = BINDINGS[name]
    step = MarketModel().steps()[binding.step]
    has_run = False
    for state in representatives(explored(2, 1).states, step, binding.looks_at):
        allowed = set(step(state))
        if not binding.where(state) or not (allowed or binding.may_find_nothing):
            continue
        real.put(state)
        assert real.state(state) == state
        binding.run(real, state)
        after = replace(real.state(state), faults=state.faults - binding.is_fault)
        assert after in (allowed or {state}), state
        has_run = True
    assert has_run


@pytest.mark.usefixtures("redis")
def test_every_hint_expires() -> None:
    buffer.claim_first({1: 1}, LASTING)
    buffer.push({1: 1}, LASTING, ("trace",))
    buffer.drain(1 % LASTING.shards, LASTING)
    buffer.push({1: 1}, LASTING, ("trace",))
    keys = redis_client().keys("hardline:*")
    assert len(keys) == 7
    assert all(redis_client().pttl(key) > 0 for key in keys)
