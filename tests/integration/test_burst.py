"""A burst through real worker processes: few recomputes, no last price lost, no major move late."""

from __future__ import annotations

import math
import time

import pytest
from django.db.models import Sum

from betting.config import get_config
from betting.models import LineChange, Market, Provider
from streaming.core.snapshot import Snapshot
from streaming.ingest.ingest import IngestPolicy, ingest
from streaming.tasks import send_changes
from tests.integration.conftest import all_valued, wait_until
from tests.streaming.coalescing.test_interleavings import assert_valued_from_the_final_quotes
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation.models import FairPrice, RecomputeRun

MARKETS = 200
CHANGES_PER_MARKET = 40
BURST_SECONDS = 2.0
BOOKS = ("ace", "bay", "cap", "dot")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valuers")]


def answer(step: int, *, jump: bool = False) -> Snapshot:
    """Every market with one price a little changed; with a jump, the first market's doubled."""
    return snapshot(
        [
            event(
                [
                    quote(book, name, price(step, book, name) * (2 if jump and not number else 1))
                    for book in BOOKS
                    for name in (HOME, AWAY)
                ],
                f"e{number}",
            )
            for number in range(MARKETS)
        ],
        step,
        is_list=False,
    )


def price(step: int, book: str, name: str) -> float:
    """One price of each market is another at every step."""
    return 1.95 + 0.001 * (step % 7 + 1) if step and (book, name) == ("ace", HOME) else 1.95


def take(provider: Provider, given: Snapshot) -> None:
    send_changes(ingest(provider.pk, given, IngestPolicy()).markets)


def test_a_burst_is_valued_in_few_recomputes_and_every_last_price_counts() -> None:
    provider = make_provider()
    take(provider, answer(0))
    wait_until(all_valued, "the first prices")
    before = RecomputeRun.objects.latest("id").pk
    changes_before = LineChange.objects.count()

    started = time.monotonic()
    for step in range(1, CHANGES_PER_MARKET + 1):
        # Paced by the clock, not slept for synchronisation: a burst takes two seconds.
        time.sleep(max(0.0, started + step * BURST_SECONDS / CHANGES_PER_MARKET - time.monotonic()))
        take(provider, answer(step))
    seconds = time.monotonic() - started
    wait_until(all_valued, "the last prices")

    changes = LineChange.objects.count() - changes_before
    runs = RecomputeRun.objects.filter(pk__gt=before)
    valued = runs.aggregate(total=Sum("valued"))["total"]
    print(
        f"\n{changes} changes in {seconds:.1f} s: {valued} market recomputes"
        f" in {runs.count()} messages, {1 - valued / changes:.1%} fewer than one per change"
    )
    assert changes == MARKETS * CHANGES_PER_MARKET
    # A market is valued with its first change, once for each window, and once for what comes last.
    windows = math.ceil(1000 * seconds / get_config().coalesce.debounce_ms)
    assert valued <= MARKETS * (1 + windows + 1)
    for market in Market.objects.all():
        assert_valued_from_the_final_quotes(market)


def test_a_major_move_in_the_middle_of_a_burst_waits_for_no_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = make_provider()
    take(provider, answer(0))
    wait_until(all_valued, "the first prices")
    batches = RecomputeRun.objects.filter(trigger="batch").count()
    # The minor moves' batch never flushes: only what waits for no window can be valued.
    monkeypatch.setattr("streaming.coalescing.buffer.claim_first", lambda *_: set())
    monkeypatch.setattr("streaming.coalescing.buffer.push", lambda *_: {})
    take(provider, answer(1))
    take(provider, answer(2, jump=True))
    jumped = Market.objects.get(event__aliases__external_id="e0")

    def is_valued() -> bool:
        jumped.refresh_from_db()
        return jumped.valued_version == jumped.version

    wait_until(is_valued, "the major move")

    assert RecomputeRun.objects.filter(trigger="batch").count() == batches
    run = RecomputeRun.objects.filter(trigger="major").latest("id")
    print(f"\nmajor move: {run.latency_ms_max:.1f} ms from commit to committed value")
    assert run.valued == 1
    assert FairPrice.objects.filter(market=jumped, version=jumped.version).count() == 2
