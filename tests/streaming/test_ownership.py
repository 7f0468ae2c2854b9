"""One provider says what a shared event is: the one that has known it the longest."""

from __future__ import annotations

from collections import Counter

import pytest

from betting.models import ChangeKind, Event, EventStatus, LineChange, Provider, Quote, QuoteStatus
from streaming.core.snapshot import Snapshot
from streaming.ingest import IngestPolicy, IngestResult, ingest
from streaming.removal import remove
from tests.snapshots import AWAY, HOME, at, event, make_provider, quote, snapshot

pytestmark = pytest.mark.django_db

OTHER_WORDS = "The Harbour Gulls"


@pytest.fixture
def owner() -> Provider:
    return make_provider("owner")


@pytest.fixture
def guest() -> Provider:
    return make_provider("guest")


def take(provider: Provider, given: Snapshot) -> IngestResult:
    return ingest(provider.pk, given, IngestPolicy())


def list_of(bookmaker: str, seconds: float, *, home: str = HOME, starts: float = 30) -> Snapshot:
    """The event under the bookmaker's id, with a price of the bookmaker's for the home side."""
    return snapshot(
        [event([quote(bookmaker, home, 1.8)], f"{bookmaker}-1", starts, home=home)], seconds
    )


def both_list_it(owner: Provider, guest: Provider) -> Event:
    take(owner, list_of("ace", 0))
    take(guest, list_of("bay", 1, home=OTHER_WORDS, starts=90))
    return Event.objects.get()


def active_books() -> set[str]:
    active = Quote.objects.filter(status=QuoteStatus.ACTIVE)
    return set(active.values_list("bookmaker__key", flat=True))


def test_names_start_and_status_follow_the_owner_alone(owner: Provider, guest: Provider) -> None:
    shared = both_list_it(owner, guest)

    for seconds in (31, 40, 100):
        take(guest, list_of("bay", seconds, home=OTHER_WORDS, starts=90))
        shared.refresh_from_db()
        assert (shared.home, shared.commence_time) == (HOME, at(30))
        assert shared.status == EventStatus.SCHEDULED

    take(owner, list_of("ace", 101, home=f"{HOME} FC", starts=45))
    shared.refresh_from_db()
    assert (shared.home, shared.commence_time) == (f"{HOME} FC", at(45))
    assert shared.status == EventStatus.LIVE


def test_the_owners_list_ends_everyones_quotes(owner: Provider, guest: Provider) -> None:
    shared = both_list_it(owner, guest)
    take(owner, snapshot([event([], "ace-1", 30, home=HOME)], 31))

    result = take(owner, snapshot([], 60))

    shared.refresh_from_db()
    assert shared.status == EventStatus.ENDED
    assert result.counts == Counter({ChangeKind.ENDED: 1})
    assert not result.markets[0].is_major
    assert LineChange.objects.latest("id").quote.bookmaker.key == "bay"
    assert active_books() == set()


def test_a_quote_that_arrived_after_the_owners_list_was_sent_ends_too(
    owner: Provider, guest: Provider
) -> None:
    both_list_it(owner, guest)
    later = snapshot([event([quote("bay", HOME, 1.9)], "bay-1", 30)], 65)
    take(guest, later)

    take(owner, snapshot([], 60))

    assert active_books() == set()
    assert Quote.objects.get(bookmaker__key="bay").changed_at == at(65)


def test_a_guests_list_neither_ends_nor_brings_back_an_event(
    owner: Provider, guest: Provider
) -> None:
    shared = both_list_it(owner, guest)

    left_out = take(guest, snapshot([], 60))
    shared.refresh_from_db()
    assert left_out.counts == Counter({ChangeKind.SUSPENDED: 1})
    assert shared.status == EventStatus.SCHEDULED

    take(owner, snapshot([], 61))
    listed_again = take(guest, list_of("bay", 62, home=OTHER_WORDS))
    shared.refresh_from_db()
    assert listed_again == IngestResult()
    assert shared.status == EventStatus.ENDED


def test_the_owners_list_brings_it_back_for_all(owner: Provider, guest: Provider) -> None:
    shared = both_list_it(owner, guest)
    take(owner, snapshot([], 60))

    take(owner, list_of("ace", 70))
    take(guest, list_of("bay", 71, home=OTHER_WORDS))

    shared.refresh_from_db()
    assert shared.status == EventStatus.LIVE
    assert active_books() == {"ace", "bay"}


def test_a_guest_that_never_lists_an_owned_event_says_nothing_about_it(
    owner: Provider, guest: Provider
) -> None:
    take(owner, list_of("ace", 0))
    take(guest, snapshot([], 60))
    assert Event.objects.get().status == EventStatus.SCHEDULED


def test_when_the_owner_is_removed_the_next_one_owns(owner: Provider, guest: Provider) -> None:
    shared = both_list_it(owner, guest)

    remove(owner)
    take(guest, list_of("bay", 100, home=OTHER_WORDS, starts=90))

    shared.refresh_from_db()
    assert (shared.home, shared.commence_time) == (OTHER_WORDS, at(90))
    assert shared.status == EventStatus.LIVE
    take(guest, snapshot([], 120))
    shared.refresh_from_db()
    assert shared.status == EventStatus.ENDED


def test_an_inherited_event_belongs_to_the_sport_that_its_owner_lists_it_under(
    owner: Provider, guest: Provider
) -> None:
    take(owner, list_of("ace", 0))
    listed = [event([quote("bay", HOME, 1.9)], "bay-1", 30)]
    take(guest, snapshot(listed, 1, sport_key="harbour"))
    remove(owner)
    take(guest, snapshot(listed, 31, sport_key="harbour"))

    take(guest, snapshot([], 60, sport_key="harbour"))

    ended = Event.objects.get()
    assert (ended.sport.key, ended.status) == ("harbour", EventStatus.ENDED)
    assert ended.away == AWAY


def relayed(price: float, seconds: float, external_id: str) -> Snapshot:
    """One bookmaker's price, as whoever relays it has it."""
    return snapshot([event([quote("ace", HOME, price)], external_id)], seconds)


def test_a_quote_that_two_providers_relay_is_the_ones_until_that_one_drops_it(
    owner: Provider, guest: Provider
) -> None:
    take(owner, relayed(1.8, 0, "o1"))
    disagreeing = take(guest, relayed(1.9, 1, "g1"))
    assert (disagreeing.counts, Quote.objects.get().price) == (Counter(), 1.8)

    take(owner, snapshot([event([], "o1")], 2))
    taken_over = take(guest, relayed(1.9, 3, "g1"))

    assert taken_over.counts == Counter({ChangeKind.RESUMED: 1})
    held = Quote.objects.get()
    assert (held.price, held.feed.provider) == (1.9, guest)
    assert take(owner, relayed(1.8, 4, "o1")).counts == Counter()
