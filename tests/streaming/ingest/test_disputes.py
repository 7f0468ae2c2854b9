"""What a second provider says otherwise of a quote is kept beside it, for as long as it counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from betting.db.freshness import disputes
from betting.models import (
    Clock,
    Event,
    Feed,
    FeedBookmaker,
    Market,
    Provider,
    Quote,
    QuoteStatus,
    RivalQuote,
)
from streaming.core.snapshot import Snapshot, SnapshotQuote
from streaming.ingest import resolve
from streaming.ingest.ageing import age
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.ingest.quarantine import quarantine_unsafe
from streaming.polling.remove_provider import remove
from streaming.retention import prune
from streaming.retention.delete_events import erase_events
from tests.support.orphans import orphans
from tests.support.snapshots import (
    AWAY,
    HOME,
    NEXT_CENTURY,
    at,
    event,
    make_provider,
    quote,
    snapshot,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Provider:
    return make_provider("owner")


@pytest.fixture
def guest() -> Provider:
    return make_provider("guest")


def looked(
    price: float | None, seconds: float, *, name: str = HOME, book: str = "ace"
) -> SnapshotQuote:
    """A bookmaker's price, with the stamp of the provider's look at it."""
    return replace(quote(book, name, price), source_at=at(seconds))


def answer(
    provider: Provider,
    *quotes: SnapshotQuote,
    seconds: float,
    is_complete: bool = True,
    feed: str = "/odds",
) -> Snapshot:
    listed = [event(quotes, f"{provider.key}-1", NEXT_CENTURY)]
    given = snapshot(listed, seconds, is_complete=is_complete, is_list=False, feed=feed)
    return replace(given, stamps_confirm=True)


def take(provider: Provider, price: float, seconds: float, received: float = 0) -> IngestResult:
    """Ingest the provider's price, looked at some seconds after the beginning of time."""
    said = answer(provider, looked(price, seconds), seconds=max(received, seconds))
    return ingest(provider.pk, said, IngestPolicy())


def disputed() -> list[tuple[str, float]]:
    """What counts now: who says otherwise, and what."""
    return list(disputes().order_by("id").values_list("feed__provider__key", "price"))


def version() -> int:
    return Market.objects.get().version


def make_live() -> None:
    """All was heard just now, by providers whose time is the clock's."""
    now = timezone.now()
    Provider.objects.update(clock=Clock.WALL)
    Feed.objects.update(observed_at=now)
    FeedBookmaker.objects.update(confirmed_at=now, expires_at=now + timedelta(minutes=2))


def test_a_price_that_does_not_win_is_kept_beside_the_quote_and_the_market_valued_again(
    owner: Provider, guest: Provider
) -> None:
    take(owner, 2.30, 0)
    result = take(guest, 1.91, 1)

    assert disputed() == [("guest", 1.91)]
    assert (result.markets, result.aged, version()) == ((), (Market.objects.get().pk,), 2)
    assert Quote.objects.get().price == 2.30


def test_a_dispute_that_goes_on_is_written_once(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    for seconds in (10, 20, 30):
        assert take(owner, 2.30, seconds) == IngestResult()
        assert take(guest, 1.91, seconds + 1) == IngestResult()
    assert (RivalQuote.objects.get().looked_at, version()) == (at(1), 2)


def test_each_price_that_the_other_provider_goes_to_is_valued(
    owner: Provider, guest: Provider
) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    assert take(guest, 1.95, 2).aged == (Market.objects.get().pk,)
    assert disputed() == [("guest", 1.95)]


def test_providers_that_agree_again_dispute_nothing(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)

    result = take(guest, 2.30, 2)

    assert not RivalQuote.objects.exists()
    assert (result.aged, version()) == ((Market.objects.get().pk,), 3)


def test_an_owner_that_comes_round_leaves_no_dispute(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)

    take(owner, 1.91, 2)
    assert disputed() == []

    assert take(guest, 1.91, 3).aged == (Market.objects.get().pk,)
    assert not RivalQuote.objects.exists()


def test_a_look_at_the_price_since_it_changed_is_written(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    take(owner, 2.40, 10)
    assert RivalQuote.objects.get().looked_at == at(1)

    assert take(guest, 1.91, 5, received=11) == IngestResult()
    assert take(guest, 1.91, 12).aged == (Market.objects.get().pk,)
    assert RivalQuote.objects.get().looked_at == at(12)
    assert take(guest, 1.91, 13) == IngestResult()


def test_a_quote_that_changes_hands_is_disputed_by_the_one_that_lost_it(
    owner: Provider, guest: Provider
) -> None:
    take(owner, 2.30, 0)
    for seconds in range(1, 60, 10):
        take(guest, 1.91, seconds)
    assert Quote.objects.get().feed.provider == guest
    assert disputed() == []

    take(owner, 2.30, 20, received=61)
    assert disputed() == [("owner", 2.30)]


def test_a_quote_that_the_guests_other_feed_takes_is_not_disputed_by_itself(
    owner: Provider, guest: Provider
) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    other = answer(guest, looked(1.95, 60), seconds=60, feed="/event")
    ingest(guest.pk, other, IngestPolicy())
    assert (Quote.objects.get().price, disputed()) == (1.95, [])


def test_a_quote_that_is_withdrawn_is_disputed_by_nobody(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    ingest(owner.pk, answer(owner, seconds=2), IngestPolicy())
    assert Quote.objects.get().status == QuoteStatus.SUSPENDED
    assert disputed() == []


def test_what_the_other_provider_no_longer_lists_disputes_nothing(
    owner: Provider, guest: Provider
) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    result = ingest(guest.pk, answer(guest, seconds=2), IngestPolicy())
    assert not RivalQuote.objects.exists()
    assert result.aged == (Market.objects.get().pk,)


def test_an_incremental_answer_settles_what_it_is_about_alone(
    owner: Provider, guest: Provider
) -> None:
    sides = [(HOME, 2.30), (AWAY, 1.80)]
    first = [looked(price, 0, name=name) for name, price in sides]
    ingest(owner.pk, answer(owner, *first, seconds=0), IngestPolicy())
    other = [looked(price - 0.1, 1, name=name) for name, price in sides]
    ingest(guest.pk, answer(guest, *other, seconds=1), IngestPolicy())
    assert len(disputed()) == 2

    for settled in (looked(2.30, 2), looked(None, 3, name=AWAY)):
        seconds = settled.source_at
        assert seconds is not None
        one = answer(guest, settled, seconds=(seconds - at(0)).seconds, is_complete=False)
        before = RivalQuote.objects.count()
        ingest(guest.pk, one, IngestPolicy())
        assert RivalQuote.objects.count() == before - 1


def test_an_answer_that_arrives_late_changes_nothing(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 5)
    assert take(guest, 2.30, 3).skipped_reason == "superseded"
    assert take(guest, 2.10, 4).skipped_reason == "superseded"
    assert disputed() == [("guest", 1.91)]


def test_a_recording_disputes_nothing_that_is_live(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    Provider.objects.filter(pk=owner.pk).update(clock=Clock.WALL)
    take(guest, 1.91, 1)
    assert not RivalQuote.objects.exists()


def test_a_provider_does_not_dispute_its_own_quote(owner: Provider) -> None:
    take(owner, 2.30, 5)
    late = answer(owner, looked(1.91, 1), seconds=1, feed="/event")
    ingest(owner.pk, late, IngestPolicy())
    assert Quote.objects.get().price == 2.30
    assert not RivalQuote.objects.exists()


def test_a_dispute_that_nobody_has_looked_at_within_its_limit_does_not_count(
    owner: Provider, guest: Provider
) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    make_live()
    assert disputed() == [("guest", 1.91)]

    books = FeedBookmaker.objects.filter(feed__provider=guest)
    books.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert disputed() == []


def test_a_dispute_goes_when_its_bookmaker_falls_silent_and_the_market_is_valued(
    owner: Provider, guest: Provider
) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    make_live()
    books = FeedBookmaker.objects.filter(feed__provider=guest)
    books.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert quarantine_unsafe(timezone.now()) == [Market.objects.get().pk]
    assert not RivalQuote.objects.exists()
    assert (Quote.objects.get().status, version()) == (QuoteStatus.ACTIVE, 3)
    assert quarantine_unsafe(timezone.now()) == []


def test_a_dispute_goes_when_its_providers_circuit_opens(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    Provider.objects.filter(pk=guest.pk).update(generation=F("generation") + 1)
    assert disputed() == []

    assert quarantine_unsafe(at(2), guest.pk) == [Market.objects.get().pk]
    assert not RivalQuote.objects.exists()


def test_a_market_whose_dispute_becomes_too_old_is_valued(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    make_live()
    now, market = timezone.now(), Market.objects.get().pk
    FeedBookmaker.objects.filter(feed__provider=guest).update(
        lagging_markets=[market],
        lagging_ats=[now - timedelta(minutes=5)],
        next_stale_at=now - timedelta(minutes=3),
    )
    assert age(now) == [market]
    assert disputed() == []


def test_what_a_removed_provider_said_goes_and_the_market_is_valued(
    owner: Provider, guest: Provider
) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    remove(guest)
    assert (RivalQuote.objects.exists(), version(), orphans()) == (False, 3, {})


def test_what_was_said_of_a_removed_providers_quotes_goes(owner: Provider, guest: Provider) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    remove(owner)
    assert (RivalQuote.objects.exists(), orphans()) == (False, {})


def test_disputes_are_erased_with_their_event_and_keep_their_feed_until_then(
    owner: Provider, guest: Provider
) -> None:
    take(owner, 2.30, 0)
    take(guest, 1.91, 1)
    assert prune._delete_unheard_feeds(1) == 0

    erase_events([Event.objects.get().pk])
    assert (RivalQuote.objects.exists(), orphans()) == (False, {})
    assert prune._delete_unheard_feeds(1) == 2


@given(
    words=st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from([1.91, 2.10, 2.30]), st.integers(0, 60)),
        max_size=12,
    )
)
@settings(max_examples=8, deadline=None)
def test_what_disputes_a_quote_is_the_last_word_of_the_provider_that_does_not_hold_it(
    words: list[tuple[int, float, int]],
) -> None:
    """Two providers say prices in turn, each having looked some seconds before its answer."""
    with transaction.atomic():
        resolve.forget()
        providers = [make_provider(f"p{number}") for number in (0, 1)]
        last: dict[str, float] = {}
        for number, (which, price, delay) in enumerate(words):
            speaker, seconds = providers[which], 10 * number
            take(speaker, price, seconds - delay, received=seconds)
            last[speaker.key] = price
            held = Quote.objects.get()
            found = disputed()
            assert set(found) <= {item for item in last.items() if item[1] != held.price}
            assert held.feed.provider.key not in dict(found)
            if held.feed.provider != speaker:
                assert (speaker.key in dict(found)) == (price != held.price)
        transaction.set_rollback(True)
    resolve.forget()
