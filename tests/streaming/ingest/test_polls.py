"""How many polls have seen a price: the one that brought it, and those that looked again."""

from __future__ import annotations

from datetime import datetime

import pytest
from msgspec import structs

from betting.db.freshness import polls
from betting.models import MAX_POLLS, Clock, FeedBookmaker, Market, Provider, Quote
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support.snapshots import AWAY, HOME, at, event, make_provider, quote, snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def provider() -> Provider:
    return make_provider(clock=Clock.WALL, stale_after_seconds=3_600.0)


def poll(
    provider: Provider,
    seconds: float,
    price: float = 1.9,
    looked: float | None = None,
    *,
    is_complete: bool = True,
) -> None:
    """An answer that quotes a price, which the provider looked at just now or some time before."""
    at_look: datetime = at(seconds if looked is None else looked)
    both = [
        structs.replace(quote("ace", name, each), source_at=at_look)
        for name, each in ((HOME, price), (AWAY, 2.0))
    ]
    answer = snapshot([event(both)], seconds)
    ingest(
        provider.pk,
        structs.replace(answer, stamps_confirm=True, is_complete=is_complete),
        IngestPolicy(),
    )


def seen_by() -> dict[float, int]:
    """Price → the polls that have seen it."""
    found = Quote.objects.annotate(polls=polls()).values_list("price", "polls")
    return dict(found)


def test_each_answer_in_which_the_provider_looked_again_has_seen_the_price(
    provider: Provider,
) -> None:
    for number in range(4):
        poll(provider, number * 30)
        assert set(seen_by().values()) == {number + 1}


def test_a_price_that_moves_begins_anew(provider: Provider) -> None:
    for seconds in (0, 30, 60):
        poll(provider, seconds)
    poll(provider, 90, price=1.8)
    assert seen_by() == {1.8: 1, 2.0: 4}
    poll(provider, 120, price=1.8)
    assert seen_by() == {1.8: 2, 2.0: 5}


def test_an_answer_that_repeats_an_earlier_look_has_seen_nothing(provider: Provider) -> None:
    poll(provider, 0)
    for seconds in (30, 60, 90):
        poll(provider, seconds, looked=0)
    assert set(seen_by().values()) == {1}


def test_an_answer_that_lists_changes_alone_is_not_counted(provider: Provider) -> None:
    poll(provider, 0)
    for seconds in (30, 60, 90):
        poll(provider, seconds, is_complete=False)
    assert set(seen_by().values()) == {2}, "confirmed later, but nobody knows how often"


def test_of_a_market_that_lags_behind_no_more_is_known_than_that_it_was_seen(
    provider: Provider,
) -> None:
    for seconds in (0, 30, 60):
        poll(provider, seconds)
    FeedBookmaker.objects.update(
        lagging_markets=list(Market.objects.values_list("pk", flat=True)), lagging_ats=[at(30)]
    )
    assert set(seen_by().values()) == {2}


def test_polls_are_told_up_to_a_bound(provider: Provider) -> None:
    for number in range(MAX_POLLS + 3):
        poll(provider, number * 30)
    assert set(seen_by().values()) == {MAX_POLLS}
    (times,) = FeedBookmaker.objects.values_list("polled_ats", flat=True)
    newest = range(MAX_POLLS + 2, 3, -1)
    assert times == [at(number * 30) for number in newest]
