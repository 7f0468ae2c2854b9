"""One provider says what a shared event is: the one that has known it the longest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from betting.models import (
    ChangeKind,
    Clock,
    Event,
    EventStatus,
    LineChange,
    Provider,
    Quote,
    QuoteStatus,
)
from streaming.core.snapshot import Snapshot
from streaming.core.staleness import StalenessPolicy, lead_seconds, with_gap
from streaming.ingest import resolve
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.polling.remove_provider import remove
from tests.support.snapshots import AWAY, HOME, at, event, make_provider, quote, snapshot

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


def looked_at(price: float, looked: float, received: float, external_id: str) -> Snapshot:
    """One bookmaker's price, with the stamp of the provider's look at it."""
    quotes = [replace(quote("ace", HOME, price), source_at=at(looked))]
    return replace(snapshot([event(quotes, external_id)], received), stamps_confirm=True)


def test_a_price_seen_now_wins_over_that_of_an_owner_who_looked_long_ago(
    owner: Provider, guest: Provider
) -> None:
    take(owner, looked_at(2.30, 0, 200, "o1"))
    corrected = take(guest, looked_at(1.91, 201, 201, "g1"))
    assert corrected.counts == Counter({ChangeKind.PRICE: 1})
    assert Quote.objects.get().feed.provider == guest

    late = take(owner, looked_at(2.30, 10, 210, "o1"))
    assert (late.counts, Quote.objects.get().price) == (Counter(), 1.91)


def test_an_owner_whose_market_lags_is_judged_by_that_market(
    owner: Provider, guest: Provider
) -> None:
    old = replace(quote("ace", HOME, 2.30), source_at=at(0))
    new = replace(quote("ace", "Over", 1.9, kind="totals", point=200.5), source_at=at(200))
    answer = snapshot([event([old, new], "o1")], 200)
    take(owner, replace(answer, stamps_confirm=True))
    take(guest, looked_at(1.91, 201, 201, "g1"))
    assert Quote.objects.get(outcome__market__kind="h2h").price == 1.91


def test_a_recording_never_wins_by_its_time_over_what_is_live(
    owner: Provider, guest: Provider
) -> None:
    take(owner, looked_at(2.30, 0, 0, "o1"))
    Provider.objects.filter(pk=owner.pk).update(clock=Clock.WALL)
    assert take(guest, looked_at(1.91, 500, 500, "g1")).counts == Counter()


def test_a_price_that_was_taken_off_does_not_come_back_from_an_earlier_look(
    owner: Provider, guest: Provider
) -> None:
    take(guest, looked_at(1.91, 91, 91, "g1"))
    take(guest, snapshot([event([], "g1")], 121))

    late = take(owner, looked_at(2.30, 35, 125, "o1"))
    assert (late.counts, Quote.objects.get().status) == (Counter(), QuoteStatus.SUSPENDED)

    offered = take(owner, looked_at(2.30, 122, 212, "o1"))
    assert offered.counts == Counter({ChangeKind.RESUMED: 1})


def test_a_provider_may_bring_back_what_it_took_off_whenever_it_looked(owner: Provider) -> None:
    take(owner, looked_at(1.91, 10, 91, "o1"))
    take(owner, snapshot([event([], "o1")], 121))
    assert take(owner, looked_at(1.95, 40, 151, "o1")).counts == Counter({ChangeKind.RESUMED: 1})


@pytest.mark.parametrize(
    ("interval", "polled", "looks", "takeovers"),
    [
        (62, 62, 62, 0),
        (120, 120, 120, 0),
        # Nothing is known of the second one's looks until it has looked twice.
        (30, 30, 120, 1),
        (30, 120, 120, 1),
    ],
    ids=["minute", "two minutes", "looks more seldom than polls", "polls late"],
)
def test_two_providers_about_as_fresh_that_disagree_for_long_keep_what_they_have(
    interval: int, polled: int, looks: int, takeovers: int
) -> None:
    """The second one looks half of the time between looks after the first."""
    first, second = (make_provider(key, interval_seconds=interval) for key in ("p0", "p1"))
    moves: Counter[str] = Counter()
    for seconds in range(0, 1_200, polled):
        looked = seconds // looks * looks
        moves += take(first, looked_at(2.30, looked, seconds, "e0")).counts
        moves += take(second, looked_at(1.91, looked + looks / 2, seconds + looks / 2, "e1")).counts
    assert (moves.pop(ChangeKind.OPENED), moves[ChangeKind.PRICE]) == (1, takeovers)
    assert moves.total() == takeovers


def test_a_direct_feed_takes_over_from_an_owner_that_a_quota_slows_down() -> None:
    owner = make_provider("owner", paced_interval_seconds=600.0, stale_after_seconds=1_200.0)
    direct = make_provider("direct", interval_seconds=5)
    take(owner, looked_at(2.30, 0, 0, "o1"))
    for seconds in (*range(5, 60, 5), 595):
        take(direct, looked_at(1.91, seconds, seconds, "g1"))
        assert Quote.objects.get().price == (2.30 if seconds <= 30 else 1.91)

    take(owner, looked_at(2.30, 600, 600, "o1"))
    assert Quote.objects.get().price == 1.91


@dataclass(frozen=True, slots=True)
class Relayed:
    """A bookmaker that two providers relay.

    Attributes:
        delays: how many seconds late each of the two tells its prices.
        moves: when its price rises, in seconds.
        error: how much too high the second provider's prices are.
    """

    delays: tuple[int, int]
    moves: list[int]
    error: float

    def price(self, which: int, looked: int) -> float:
        """What a provider saw when it looked."""
        return 1.5 + 0.1 * sum(move <= looked for move in self.moves) + which * self.error


@given(
    intervals=st.tuples(st.integers(15, 120), st.integers(15, 120)),
    relayed=st.lists(
        st.builds(
            Relayed,
            delays=st.tuples(st.integers(0, 300), st.integers(0, 300)),
            moves=st.lists(st.integers(0, 600), max_size=4, unique=True),
            error=st.sampled_from([0.55, 0.0]),
        ),
        min_size=3,
        max_size=6,
    ),
    field=st.sampled_from(["interval_seconds", "paced_interval_seconds"]),
)
@settings(max_examples=4, deadline=None)
def test_of_two_delays_the_fresher_is_shown_and_prices_change_hands_once(
    intervals: tuple[int, int], relayed: list[Relayed], field: str
) -> None:
    """Several bookmakers in each answer: what is one's delay costs no more answers."""
    with transaction.atomic():
        resolve.forget()
        providers = [
            make_provider(f"p{number}", **{"interval_seconds": 15.0, field: seconds})
            for number, seconds in enumerate(intervals)
        ]
        leads = [
            max(1.5 * seconds, lead_seconds(with_gap([], seconds), StalenessPolicy()))
            for seconds in intervals
        ]
        polls = sorted(
            (second, which) for which in (0, 1) for second in range(0, 600, intervals[which])
        )
        hands: list[list[int]] = [[] for _ in relayed]
        asked = [0, 0]
        for second, which in polls:
            asked[which] = second
            looks = [second - each.delays[which] for each in relayed]
            prices = [each.price(which, look) for each, look in zip(relayed, looks, strict=True)]
            quotes = [
                replace(quote(f"book{number}", HOME, price), source_at=at(look))
                for number, (price, look) in enumerate(zip(prices, looks, strict=True))
            ]
            answer = snapshot([event(quotes, f"e{which}")], second)
            take(providers[which], replace(answer, stamps_confirm=True))
            shown = Quote.objects.order_by("bookmaker__key").values_list(
                "feed__provider__key", "price"
            )
            for number, (key, price) in enumerate(shown):
                holder = int(key[1:])
                hands[number].append(holder)
                # What is passed over was not seen much later than what is shown.
                seen = asked[holder] - relayed[number].delays[holder]
                assert price == prices[number] or looks[number] - seen <= leads[which]
        for held in hands:
            assert len(held) == len(polls)
            assert sum(before != after for before, after in pairwise(held)) <= 1
        transaction.set_rollback(True)
    resolve.forget()
