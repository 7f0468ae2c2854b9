"""An edge says that another provider has another price of its bookmaker's."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from msgspec.structs import replace

from betting.models import Bookmaker, Feed, Market, Provider
from streaming.core.snapshot import Side, SnapshotQuote
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support import rows
from tests.support.snapshots import AWAY, HOME, at, event, make_provider, quote, snapshot
from valuation.models import Edge
from valuation.policy import ValuationPolicy
from valuation.recompute import recompute
from valuation.vouching import LISTED, edges

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

BOOKS = ("ace", "bay", "cap", "dot", "fir")
EVEN = [quote(book, name, 1.905) for book in BOOKS for name in (HOME, AWAY)]


@pytest.fixture
def owner() -> Provider:
    """The provider of a fair coin at five bookmakers, and of one that pays too much for it."""
    return make_provider("owner")


@pytest.fixture
def guest() -> Provider:
    return make_provider("guest")


def elm(home: float) -> list[SnapshotQuote]:
    return [quote("elm", HOME, home), quote("elm", AWAY, 1.75)]


def take(provider: Provider, quotes: list[SnapshotQuote], seconds: float) -> None:
    """Ingest what a provider says, looked at just now, and value what that changes."""
    looked_at = [replace(each, source_at=at(seconds)) for each in quotes]
    said = snapshot([event(looked_at, f"{provider.key}-1")], seconds)
    result = ingest(provider.pk, said, IngestPolicy())
    markets = [*(change.market_id for change in result.markets), *result.aged]
    recompute(markets, "major", ValuationPolicy)


def warnings() -> set[str]:
    return set(Edge.objects.get(closed_at=None).warnings)


def test_an_edge_that_is_none_at_the_other_price_is_doubtful_and_nothing_advised(
    owner: Provider, guest: Provider
) -> None:
    take(owner, [*EVEN, *elm(2.10)], 0)
    assert warnings() == set()

    take(guest, elm(1.91), 1)

    edge = edges().get()
    assert warnings() == {"disputed", "contradicted"}
    assert (edge.advised, edge.is_doubtful, edge.closed_at) == (0, True, None)
    assert not edges().filter(LISTED).exists()
    with pytest.raises(IntegrityError), transaction.atomic():
        Edge.objects.update(advised=0.01)


@pytest.mark.parametrize("other", [2.08, 2.12])
def test_an_edge_at_either_price_is_disputed_and_listed(
    owner: Provider, guest: Provider, other: float
) -> None:
    take(owner, [*EVEN, *elm(2.10)], 0)
    take(guest, elm(other), 1)
    assert warnings() == {"disputed"}
    assert edges().filter(LISTED).get().advised > 0


@pytest.mark.parametrize(
    ("side", "held", "others", "is_contradicted"),
    [
        ("back", 2.10, (2.08, 2.12), False),
        ("back", 2.10, (2.08, 1.95), True),
        ("lay", 1.90, (1.88, 1.92), False),
        ("lay", 1.90, (1.88, 2.05), True),
    ],
)
def test_the_worst_of_several_other_prices_decides(
    owner: Provider, side: Side, held: float, others: tuple[float, float], is_contradicted: bool
) -> None:
    backs = [] if side == "back" else [quote("elm", HOME, 1.85)]
    take(owner, [*EVEN, *backs, quote("elm", HOME, held, side=side), quote("elm", AWAY, 1.75)], 0)
    for number, price in enumerate(others):
        guest = make_provider(f"guest-{number}")
        take(guest, [quote("elm", HOME, price, side=side)], number + 1)
    assert warnings() == {"disputed", *(["contradicted"] if is_contradicted else [])}
    assert Edge.objects.get().quote.side == side


def test_the_marks_go_with_the_dispute(owner: Provider, guest: Provider) -> None:
    take(owner, [*EVEN, *elm(2.10)], 0)
    take(guest, elm(1.91), 1)
    take(guest, elm(2.10), 2)
    assert warnings() == set()
    assert Edge.objects.get().advised > 0


def test_a_look_before_the_price_changed_disputes_it_and_contradicts_nothing(
    owner: Provider, guest: Provider
) -> None:
    take(owner, [*EVEN, *elm(1.91)], 0)
    take(guest, elm(1.92), 1)
    take(owner, [*EVEN, *elm(2.10)], 10)
    assert warnings() == {"disputed"}

    take(guest, elm(1.92), 11)
    assert warnings() == {"disputed", "contradicted"}


def test_a_dispute_within_a_recording_counts_while_its_own_time_is_within_the_limit(
    owner: Provider, guest: Provider
) -> None:
    take(owner, [*EVEN, *elm(2.10)], 0)
    take(guest, elm(1.91), 1)
    take(owner, [*EVEN, *elm(2.11)], 60)
    assert "disputed" in warnings()
    take(owner, [*EVEN, *elm(2.12)], 200)
    assert warnings() == set()


def test_a_dispute_that_was_admitted_before_a_circuit_opened_does_not_count(
    owner: Provider, guest: Provider
) -> None:
    take(owner, [*EVEN, *elm(2.10)], 0)
    take(guest, elm(1.91), 1)
    Provider.objects.filter(pk=guest.pk).update(generation=1)
    take(owner, [*EVEN, *elm(2.11)], 10)
    assert warnings() == set()


def test_a_dispute_in_a_market_that_is_declared_stale_does_not_count(
    owner: Provider, guest: Provider
) -> None:
    take(owner, [*EVEN, *elm(2.10)], 0)
    take(guest, elm(1.91), 1)
    rows.make_feed_bookmaker(
        Feed.objects.get(provider=guest),
        bookmaker=Bookmaker.objects.get(key="elm"),
        stale_markets=list(Market.objects.values_list("pk", flat=True)),
    )
    take(owner, [*EVEN, *elm(2.11)], 10)
    assert warnings() == set()
