"""Nobody reads an event of which some markets are valued by one answer and others by another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.db import DataError, IntegrityError, transaction
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from betting.models import Event, Market, Provider
from streaming.core.snapshot import SnapshotEvent, SnapshotQuote
from streaming.ingest import resolve
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation.board import Board, Valued, value
from valuation.models import RecomputeRun
from valuation.policy import ValuationPolicy
from valuation.recompute import RecomputeResult, recompute, write
from valuation.unvalued import UnvaluedMarkets, read

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

POLICY = ValuationPolicy()
BOOKS = ("ace", "bay", "cap", "dot")
KINDS = ("h2h", "h2h_3_way", "draw_no_bet")


def prices(steps: Sequence[int]) -> list[SnapshotQuote]:
    """The quotes of three markets; a market's step says at which of its prices it is."""
    return [
        quote(book, name, 1.9 + 0.01 * step, kind=kind)
        for kind, step in zip(KINDS, steps, strict=True)
        for book in BOOKS
        for name in (HOME, AWAY)
    ]


def take(provider: Provider, events: list[SnapshotEvent], seconds: float = 0) -> list[int]:
    result = ingest(provider.pk, snapshot(events, seconds), IngestPolicy())
    return [change.market_id for change in result.markets]


def revalue(market_ids: list[int], trigger: str = "batch") -> RecomputeResult:
    return recompute(market_ids, trigger, lambda: POLICY)


def unvalued() -> set[int]:
    return set(Market.objects.exclude(version=F("valued_version")).values_list("pk", flat=True))


def test_a_recompute_of_one_market_values_all_of_its_event_and_no_other() -> None:
    provider = make_provider()
    take(provider, [event(prices((0, 0, 0))), event(prices((0, 0, 0)), "e2")])
    own = list(
        Market.objects.filter(event=Event.objects.earliest("pk")).values_list("pk", flat=True)
    )
    others = unvalued() - set(own)

    result = revalue(own[:1])

    assert set(result.valued) == set(own)
    assert unvalued() == others
    run = RecomputeRun.objects.get()
    assert (run.markets, run.valued) == (1, 3)


def test_a_change_that_a_major_move_takes_along_has_no_part_in_its_latencies() -> None:
    markets = take(make_provider(), [event(prices((0, 0, 0)))])
    assert len(revalue(markets[:1], "major").latencies_ms) == 1
    assert sum(RecomputeRun.objects.get().latency_counts) == 1


def test_whichever_recompute_takes_a_change_along_tells_how_long_it_waited() -> None:
    markets = take(make_provider(), [event(prices((0, 0, 0)))])
    assert len(revalue(markets[:1]).latencies_ms) == 3


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_a_refused_value_keeps_no_other_market_of_its_event_from_its_own(
    monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    markets = take(make_provider(), [event(prices((0, 0, 0)))])

    def corrupted(board: Board, policy: ValuationPolicy) -> Valued:
        valued = value(board, policy)
        valued.fair.probability[valued.fair.market_id == markets[refused]] = 1.0
        return valued

    monkeypatch.setattr("valuation.recompute.value", corrupted)
    for market in markets:
        if market == markets[refused]:
            with pytest.raises((DataError, IntegrityError)):
                revalue([market])
        else:
            assert list(revalue([market]).valued) == [market]
    assert unvalued() == {markets[refused]}


#: A change of some markets, or the next step of one of three workers for a market.
steps = st.lists(
    st.one_of(
        st.sets(st.integers(0, 2), min_size=1), st.tuples(st.integers(0, 2), st.integers(0, 2))
    ),
    min_size=2,
    max_size=16,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps)
def test_whatever_workers_do_at_once_an_event_is_shown_as_it_once_was(
    drawn: list[set[int] | tuple[int, int]],
) -> None:
    """A worker reads in one step and writes in the next; answers come in between."""
    resolve.forget()
    with transaction.atomic():
        provider, at = make_provider("whole"), [0, 0, 0]
        markets = take(provider, [event(prices(at))])
        revalue_within(markets)
        was = [versions()]
        working: dict[int, UnvaluedMarkets] = {}
        for second, step in enumerate(drawn, start=1):
            if isinstance(step, set):
                at = [price + (place in step) for place, price in enumerate(at)]
                take(provider, [event(prices(at))], second)
                was.append(versions())
                continue
            worker, place = step
            if worker in working:
                seen = working.pop(worker)
                write(seen, value(seen.board, POLICY), POLICY)
            else:
                working[worker] = read([markets[place]], by_event=True)
            assert shown() in was
        transaction.set_rollback(True)


def revalue_within(markets: list[int]) -> None:
    """Value markets in the test's own transaction."""
    seen = read(markets, by_event=True)
    write(seen, value(seen.board, POLICY), POLICY)


def versions() -> dict[int, int]:
    return dict(Market.objects.values_list("pk", "version"))


def shown() -> dict[int, int]:
    return dict(Market.objects.values_list("pk", "valued_version"))


def test_many_events_are_valued_a_few_at_a_time_and_each_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a message of 500 markets could take along more than a transaction has time for."""
    monkeypatch.setattr("valuation.unvalued.MOST_AT_ONCE", 6)
    take(make_provider(), [event(prices((0, 0, 0)), f"e{number}") for number in range(11)])
    asked = list(Market.objects.filter(kind=KINDS[0]).values_list("pk", flat=True))
    committed: list[RecomputeResult] = []

    recompute(asked, "sweep", lambda: POLICY, committed.append)

    assert unvalued() == set()
    assert [len(each.valued) for each in committed] == [6, 6, 6, 6, 6, 3]
    runs = RecomputeRun.objects.order_by("pk").values_list("markets", "valued")
    assert list(runs) == [(2, 6)] * 5 + [(1, 3)]


def test_an_event_with_more_markets_than_a_part_is_valued_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("valuation.unvalued.MOST_AT_ONCE", 2)
    monkeypatch.setattr("valuation.unvalued.FEW", 1)
    markets = take(make_provider(), [event(prices((0, 0, 0)), f"e{number}") for number in range(2)])
    revalue(markets)
    assert list(RecomputeRun.objects.values_list("valued", flat=True)) == [3, 3]


def test_a_refused_value_keeps_no_part_of_a_message_from_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("valuation.unvalued.MOST_AT_ONCE", 3)
    monkeypatch.setattr("valuation.unvalued.FEW", 1)
    markets = take(make_provider(), [event(prices((0, 0, 0)), f"e{number}") for number in range(3)])

    def corrupted(board: Board, policy: ValuationPolicy) -> Valued:
        valued = value(board, policy)
        valued.fair.probability[valued.fair.market_id == markets[0]] = 1.0
        return valued

    monkeypatch.setattr("valuation.recompute.value", corrupted)
    with pytest.raises((DataError, IntegrityError)):
        revalue(markets)
    assert unvalued() == {markets[0]}
