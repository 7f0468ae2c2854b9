"""A provider's clock that jumps: its stamps say when it looked, not in which order it answered."""

from __future__ import annotations

import pytest
from msgspec import structs

from betting.models import Clock, FeedBookmaker, Quote, QuoteStatus
from streaming.ingest.ingest import IngestPolicy, ingest
from tests.support.snapshots import AWAY, HOME, at, event, make_provider, quote, snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]

MINUTE = 60.0


@pytest.mark.parametrize("jump", [MINUTE, -MINUTE])
def test_every_price_is_taken_while_it_is_off_and_after_it_is_right_again(jump: float) -> None:
    provider = make_provider(clock=Clock.WALL, stale_after_seconds=120.0)
    off_by = {0: 0.0, 10: jump, 20: jump, 30: 0.0, 40: 0.0}
    for number, (seconds, off) in enumerate(off_by.items()):
        price = 1.90 + number / 100
        both = (quote("ace", name, each) for name, each in ((HOME, price), (AWAY, 1.92)))
        stamped = [structs.replace(each, source_at=at(seconds + off)) for each in both]
        answer = structs.replace(snapshot([event(stamped)], seconds), stamps_confirm=True)

        ingest(provider.pk, answer, IngestPolicy())

        home = Quote.objects.get(outcome__name=HOME)
        assert (home.price, home.status) == (price, QuoteStatus.ACTIVE)
        confirmed_at = FeedBookmaker.objects.get().confirmed_at
        assert confirmed_at <= at(seconds), "nobody has looked later than the answer came"
        assert confirmed_at >= at(seconds - MINUTE - 10)
