"""Recompute: unvalued markets in, fair prices and edges out, whoever else is at work."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from betting.models import Bookmaker, Clock, Event, Feed, FeedBookmaker, Market, Provider, Quote
from streaming.core.snapshot import SnapshotQuote
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support.orphans import orphans
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot
from valuation import starting
from valuation.board import Board, Valued, value
from valuation.models import Edge, FairPrice, RecomputeRun
from valuation.policy import ValuationPolicy
from valuation.recompute import RecomputeResult, recompute, write
from valuation.unvalued import read

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

POLICY = ValuationPolicy()
BOOKS = ("ace", "bay", "cap", "dot", "elm")


@pytest.fixture
def provider() -> Provider:
    return make_provider()


def even(books: Iterable[str] = BOOKS) -> list[SnapshotQuote]:
    """A fair coin at a 5 % margin, at every bookmaker."""
    return [quote(book, name, 1.905) for book in books for name in (HOME, AWAY)]


def take(provider: Provider, quotes: list[SnapshotQuote], seconds: float = 0) -> list[int]:
    result = ingest(provider.pk, snapshot([event(quotes)], seconds), IngestPolicy())
    return [change.market_id for change in result.markets]


def revalue(market_ids: list[int]) -> RecomputeResult:
    return recompute(market_ids, "batch", lambda: POLICY)


def test_a_market_is_valued_at_its_version(provider: Provider) -> None:
    result = revalue(take(provider, even()))

    market = Market.objects.get()
    fair = FairPrice.objects.all()
    assert list(result.valued) == [market.pk]
    assert market.valued_version == market.version == 1
    assert market.dirty_at is None
    assert [price.probability for price in fair] == pytest.approx([0.5, 0.5])
    assert {(price.state, price.books, price.method, price.version) for price in fair} == {
        ("ok", 5, "power", 1)
    }
    assert all(latency > 0 for latency in result.latencies_ms)


def test_a_market_at_its_version_is_skipped_and_counted(provider: Provider) -> None:
    markets = take(provider, even())
    revalue(markets)
    assert revalue(markets) == RecomputeResult()
    latest = RecomputeRun.objects.latest("id")
    assert (latest.markets, latest.valued) == (1, 0)


def test_too_few_books_leave_no_fair_value_and_say_why(provider: Provider) -> None:
    revalue(take(provider, even(BOOKS[:2])))
    for price in FairPrice.objects.all():
        assert (price.state, price.probability) == ("none", None)
        assert price.reason == "too few bookmakers quote this line"


def test_a_fair_price_is_never_repeated_once_the_rules_are_not_met(provider: Provider) -> None:
    revalue(take(provider, even()))
    revalue(take(provider, even(BOOKS[:2]), 60))
    assert {price.state for price in FairPrice.objects.all()} == {"none"}
    revalue(take(provider, [], 120))
    assert {price.reason for price in FairPrice.objects.all()} == {"no active quotes"}


def test_a_generous_quote_opens_an_edge_measured_by_the_others(provider: Provider) -> None:
    generous = [*even(BOOKS[:4]), quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)]
    result = revalue(take(provider, generous))

    edge = Edge.objects.get()
    assert len(result.edges_opened) == 1
    assert edge.quote.bookmaker.key == "elm"
    assert edge.probability == pytest.approx(0.5)
    assert edge.ev == pytest.approx(0.05)
    assert edge.kelly == pytest.approx(0.05 / 1.1)
    assert edge.advised == pytest.approx(min(0.02, 0.25 * 0.05 / 1.1))
    assert edge.books == 4
    assert edge.closed_at is None


def test_an_edge_stays_the_same_row_while_it_lasts_and_keeps_its_peak(provider: Provider) -> None:
    for seconds, price in enumerate((2.10, 2.16, 2.06)):
        quotes = [*even(BOOKS[:4]), quote("elm", HOME, price), quote("elm", AWAY, 1.75)]
        revalue(take(provider, quotes, seconds))

    edge = Edge.objects.get()
    assert (edge.opened_price, edge.price) == (2.10, 2.06)
    assert edge.peak_ev == pytest.approx(0.08)
    assert edge.ev == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        ([quote("elm", HOME, 1.9), quote("elm", AWAY, 1.9)], "gone"),
        ([], "suspended"),
    ],
)
def test_an_edge_closes_with_its_reason(
    provider: Provider, later: list[SnapshotQuote], reason: str
) -> None:
    generous = [quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)]
    revalue(take(provider, [*even(BOOKS[:4]), *generous]))
    result = revalue(take(provider, [*even(BOOKS[:4]), *later], 60))
    edge = Edge.objects.get()
    assert len(result.edges_closed) == 1
    assert edge.closed_at is not None
    assert edge.close_reason == reason


def test_an_edge_closes_when_the_others_are_too_few(provider: Provider) -> None:
    generous = [quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)]
    revalue(take(provider, [*even(BOOKS[:4]), *generous]))
    revalue(take(provider, [*even(BOOKS[:1]), *generous], 60))
    assert Edge.objects.get().close_reason == "no_fair_value"


def test_an_edge_closes_when_its_event_ends(provider: Provider) -> None:
    quotes = [*even(BOOKS[:4]), quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)]
    result = ingest(provider.pk, snapshot([event(quotes, starts=30)]), IngestPolicy())
    revalue([change.market_id for change in result.markets])
    result = ingest(provider.pk, snapshot([], 60), IngestPolicy())
    revalue([change.market_id for change in result.markets])
    assert Edge.objects.get().close_reason == "event_ended"


def test_an_edge_can_open_again(provider: Provider) -> None:
    for seconds, price in enumerate((2.10, 1.90, 2.10)):
        quotes = [*even(BOOKS[:4]), quote("elm", HOME, price), quote("elm", AWAY, 1.75)]
        revalue(take(provider, quotes, seconds))
    assert Edge.objects.count() == 2
    assert Edge.objects.filter(closed_at=None).count() == 1


def test_an_older_computation_never_overwrites_a_newer_one(provider: Provider) -> None:
    markets = take(provider, even())
    old = read(markets)
    quotes = [*even(BOOKS[:4]), quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)]
    revalue(take(provider, quotes, 60))

    with transaction.atomic():
        late = write(old, value(old.board, POLICY), POLICY)

    assert (list(late.valued), *late.edges_opened, *late.edges_closed) == ([],)
    assert {price.version for price in FairPrice.objects.all()} == {2}
    assert Edge.objects.filter(closed_at=None).count() == 1


def test_a_change_between_reading_and_writing_leaves_the_market_stale(
    provider: Provider,
) -> None:
    markets = take(provider, even())
    seen = read(markets)
    take(provider, [*even(BOOKS[:4]), quote("elm", HOME, 1.95), quote("elm", AWAY, 1.9)], 60)

    with transaction.atomic():
        write(seen, value(seen.board, POLICY), POLICY)

    market = Market.objects.get()
    assert (market.valued_version, market.version) == (1, 2)
    assert market.dirty_at is not None
    assert list(revalue(markets).valued) == markets


def test_a_quote_that_goes_between_reading_and_writing_opens_no_edge(provider: Provider) -> None:
    markets = take(provider, [*even(BOOKS[:4]), quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)])
    seen = read(markets)
    Quote.objects.filter(bookmaker__key="elm").delete()
    Market.objects.update(version=F("version") + 1)  # as whoever deletes them does

    with transaction.atomic():
        late = write(seen, value(seen.board, POLICY), POLICY)

    assert (late.valued, late.edges_opened) == (markets, [])
    assert orphans() == {}


@pytest.mark.django_db(transaction=True)
def test_edges_are_written_by_a_transaction_and_never_by_a_savepoint(provider: Provider) -> None:
    """Pages of edges rely on it: `betting/db/snapshots.py`, ADR 40."""
    markets = take(provider, [*even(BOOKS[:4]), quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)])

    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        revalue(markets)
    assert not Edge.objects.exists()
    with CaptureQueriesContext(connection) as captured:
        revalue(markets)

    assert Edge.objects.exists()
    assert not any("SAVEPOINT" in query["sql"] for query in captured)


def test_a_bookmaker_without_weight_is_not_heard_but_has_edges(provider: Provider) -> None:
    quotes = [*even(BOOKS[:4]), quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)]
    markets = take(provider, quotes)
    Bookmaker.objects.filter(key="elm").update(weight=0)
    revalue(markets)
    assert {price.books for price in FairPrice.objects.all()} == {4}
    assert Edge.objects.get().quote.bookmaker.key == "elm"


def test_quotes_price_nothing_from_the_moment_their_providers_circuit_opens(
    provider: Provider,
) -> None:
    revalue(take(provider, [*even(BOOKS[:4]), quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)]))
    assert Edge.objects.filter(closed_at=None).exists()

    # Committed with the circuit; the quarantine that follows has not run yet.
    Provider.objects.update(generation=1)
    Market.objects.update(version=F("version") + 1)
    revalue(list(Market.objects.values_list("pk", flat=True)))

    assert {price.reason for price in FairPrice.objects.all()} == {"no active quotes"}
    assert {edge.close_reason for edge in Edge.objects.all()} == {"quarantined"}


def test_a_recording_however_old_is_valued_as_it_was_at_the_time(provider: Provider) -> None:
    revalue(take(provider, even()))
    assert Feed.objects.get().observed_at < timezone.now() - timedelta(days=1)
    assert {price.state for price in FairPrice.objects.all()} == {"ok"}


def in_an_hour(markets: list[int]) -> None:
    """The event begins in an hour, by the clock."""
    Event.objects.update(commence_time=timezone.now() + timedelta(hours=1), status="scheduled")
    Market.objects.filter(pk__in=markets).update(changed_at=timezone.now())


def elm(home: float) -> list[SnapshotQuote]:
    return [quote("elm", HOME, home), quote("elm", AWAY, 1.7)]


def confirm_before(seconds: float, limit_seconds: float) -> None:
    """All bookmakers were confirmed some time ago, and are trusted for longer."""
    Provider.objects.update(clock=Clock.WALL, stale_after_seconds=limit_seconds)
    confirmed_at = timezone.now() - timedelta(seconds=seconds)
    FeedBookmaker.objects.update(
        confirmed_at=confirmed_at, expires_at=confirmed_at + timedelta(seconds=limit_seconds)
    )


def test_edges_carry_their_warnings(provider: Provider) -> None:
    Provider.objects.update(clock=Clock.WALL, stale_after_seconds=50)
    quotes = [*even(BOOKS[:3]), quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)]
    markets = take(provider, quotes)
    confirm_before(45, limit_seconds=50)
    Event.objects.update(status="live")
    revalue(markets)
    edge = Edge.objects.get()
    assert set(edge.warnings) == {"in_play", "near_stale", "few_books"}
    assert edge.advised == 0


@pytest.mark.parametrize(
    ("home", "away", "is_suspicious"), [(2.15, 1.75, False), (2.60, 1.55, True)]
)
def test_an_edge_too_good_to_be_true_is_marked_and_nothing_advised(
    provider: Provider, home: float, away: float, is_suspicious: bool
) -> None:
    Provider.objects.update(clock=Clock.WALL, stale_after_seconds=1000)
    quotes = [*even(BOOKS[:4]), quote("elm", HOME, home), quote("elm", AWAY, away)]
    markets = take(provider, quotes)
    in_an_hour(markets)
    confirm_before(1, limit_seconds=1000)
    revalue(markets)
    edge = Edge.objects.get()
    assert ("suspicious" in edge.warnings) == is_suspicious
    assert (edge.advised == 0) == is_suspicious


def test_the_price_of_an_outlier_is_marked_and_nothing_advised(provider: Provider) -> None:
    revalue(take(provider, [*even(BOOKS[:4]), quote("elm", HOME, 1.3), quote("elm", AWAY, 3.5)]))
    edge = Edge.objects.get()
    assert {"outlier", "suspicious"} <= set(edge.warnings)
    assert edge.advised == 0
    with pytest.raises(IntegrityError):
        Edge.objects.update(advised=0.01)


def test_a_quote_in_play_is_no_edge_when_it_was_confirmed_too_long_ago(provider: Provider) -> None:
    Provider.objects.update(clock=Clock.WALL, stale_after_seconds=1000)
    quotes = [*even(BOOKS[:4]), quote("elm", HOME, 2.10), quote("elm", AWAY, 1.75)]
    markets = take(provider, quotes)
    in_an_hour(markets)
    revalue(markets)
    assert Edge.objects.filter(closed_at=None).exists()
    confirm_before(100, limit_seconds=1000)
    Event.objects.update(status="live")
    Market.objects.update(version=F("version") + 1)
    revalue(markets)
    assert Edge.objects.get().close_reason == "stale"


def test_an_event_that_starts_marks_its_edges_though_no_quote_changes(provider: Provider) -> None:
    Provider.objects.update(clock=Clock.WALL, stale_after_seconds=1000)
    markets = take(provider, [*even(BOOKS[:4]), *elm(2.10)])
    in_an_hour(markets)
    confirm_before(1, limit_seconds=1000)
    revalue(markets)
    assert Edge.objects.get(closed_at=None).warnings == []
    assert starting.mark() == []

    Event.objects.update(commence_time=timezone.now() + timedelta(seconds=-1))
    assert starting.mark() == markets
    revalue(markets)
    edge = Edge.objects.get(closed_at=None)
    assert (edge.warnings, edge.advised) == (["in_play"], 0)
    assert starting.mark() == []

    Event.objects.update(commence_time=timezone.now() + timedelta(hours=2))  # postponed
    assert starting.mark() == markets
    revalue(markets)
    assert Edge.objects.get(closed_at=None).warnings == []


def test_unknown_markets_are_ignored() -> None:
    assert revalue([987_654_321]) == RecomputeResult()
    assert revalue([]) == RecomputeResult()


def test_every_ok_line_sums_to_one(provider: Provider) -> None:
    quotes = [
        quote(book, name, price + step * 0.01, kind="totals", point=point)
        for step, book in enumerate(BOOKS)
        for point in (7.5, 8.5, 9.5)
        for name, price in (("Over", 1.6 + point / 20), ("Under", 2.1 - point / 40))
    ]
    revalue(take(provider, quotes))
    totals: dict[float | None, float] = {}
    for price in FairPrice.objects.select_related("outcome"):
        assert price.probability is not None
        line = price.outcome.line
        totals[line] = totals.get(line, 0.0) + price.probability
    assert list(totals.values()) == pytest.approx([1.0, 1.0, 1.0], abs=1e-9)
    assert Quote.objects.count() == 30


def test_a_market_whose_value_is_refused_does_not_keep_the_others_from_theirs(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [event(even(), f"e{number}") for number in range(7)]
    result = ingest(provider.pk, snapshot(events), IngestPolicy())
    markets = [change.market_id for change in result.markets]

    def corrupted(board: Board, policy: ValuationPolicy) -> Valued:
        valued = value(board, policy)
        valued.fair.probability[valued.fair.market_id == markets[2]] = 1.0
        return valued

    monkeypatch.setattr("valuation.recompute.value", corrupted)
    told: list[RecomputeResult] = []
    with pytest.raises(IntegrityError, match="fair_price_probability_in_range"):
        recompute(markets, "batch", lambda: POLICY, told.append)

    # Whoever listens hears of all that was written, though the batch as a whole has failed.
    assert {pk for result in told for pk in result.valued} == {*markets} - {markets[2]}
    stale = Market.objects.exclude(version=F("valued_version"))
    assert [market.pk for market in stale] == [markets[2]]


def spread(
    home_point: float, home: float, away: float, books: Iterable[str]
) -> list[SnapshotQuote]:
    return [
        quote(book, name, price, kind="spreads", point=point)
        for book in books
        for name, price, point in ((HOME, home, home_point), (AWAY, away, -home_point))
    ]


def home_chance(point: float) -> float:
    price = FairPrice.objects.get(outcome__name=HOME, outcome__point=point)
    assert price.probability is not None
    return price.probability


def test_the_chance_of_a_push_is_counted_where_the_half_points_tell_it(provider: Provider) -> None:
    """At −3 it is even; −2.5 and −3.5 say that 12 % of matches end with a margin of 3."""
    offers = [*spread(-3, 1.905, 1.905, BOOKS[:4]), *spread(-3, 2.10, 1.75, BOOKS[4:])]
    revalue(take(provider, offers))
    alone = Edge.objects.get()
    assert "push_unknown" in alone.warnings
    assert alone.ev == pytest.approx(0.5 * 2.10 - 1)

    halves = [*spread(-2.5, 1.70, 2.15, BOOKS[:4]), *spread(-3.5, 2.15, 1.70, BOOKS[:4])]
    revalue(take(provider, [*offers, *halves], seconds=1))
    push = home_chance(-2.5) - home_chance(-3.5)
    counted = Edge.objects.get(closed_at=None)
    assert counted.ev == pytest.approx((1 - push) * (0.5 * 2.10 - 1))
    assert counted.kelly == pytest.approx(alone.kelly)
    assert "push_unknown" not in counted.warnings
