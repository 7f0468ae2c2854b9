"""Who is due: each provider is claimed once, however many ticks there are."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from betting.models import Provider
from streaming.polling.poll import Claim, claim_due_providers
from tests.support.rows import make_provider

JITTER = 0.2

pytestmark = pytest.mark.django_db


def test_a_provider_is_due_when_it_was_never_polled_or_its_time_has_come() -> None:
    now = datetime.now(UTC)
    never = make_provider()
    due = make_provider(next_poll_at=now - timedelta(seconds=1))
    make_provider(next_poll_at=now + timedelta(minutes=1))
    make_provider(enabled=False)

    assert {claim.provider_id for claim in claim_due_providers(jitter=JITTER)} == {never.pk, due.pk}
    assert claim_due_providers(jitter=JITTER) == []


def test_an_order_to_poll_is_worth_something_until_the_next_one() -> None:
    often = make_provider(interval_seconds=0.5)
    seldom = make_provider(interval_seconds=90.0)
    claims = sorted(claim_due_providers(jitter=JITTER), key=lambda claim: claim.provider_id)
    assert claims == [Claim(often.pk, 0.0, 1.0), Claim(seldom.pk, 0.0, 90.0)]


def test_the_next_poll_comes_after_the_interval_give_or_take_the_jitter() -> None:
    for _ in range(60):
        make_provider(interval_seconds=100.0)
    before = datetime.now(UTC)
    claim_due_providers(jitter=JITTER)
    after = datetime.now(UTC)

    times = sorted(at for provider in Provider.objects.all() if (at := provider.next_poll_at))
    assert len(times) == 60
    assert before + timedelta(seconds=80) <= times[0]
    assert times[-1] <= after + timedelta(seconds=120)
    # That sixty draws all fall into some half of the range: a chance below 1 in 10^16.
    assert times[-1] - times[0] > timedelta(seconds=20)


def test_without_jitter_the_interval_is_kept() -> None:
    make_provider(interval_seconds=100.0)
    before = datetime.now(UTC)
    claim_due_providers(jitter=0.0)
    after = datetime.now(UTC)
    next_poll_at = Provider.objects.get().next_poll_at
    assert next_poll_at is not None
    assert before <= next_poll_at - timedelta(seconds=100) <= after


@pytest.mark.django_db(transaction=True)
def test_ticks_at_the_same_moment_claim_each_provider_once() -> None:
    ids = [make_provider().pk for _ in range(40)]
    barrier = threading.Barrier(6)

    def tick() -> list[Claim]:
        with closing(connection):
            connection.ensure_connection()
            barrier.wait()
            return claim_due_providers(jitter=JITTER)

    with ThreadPoolExecutor() as pool:
        ticks = [pool.submit(tick) for _ in range(6)]

    claimed = Counter(claim.provider_id for each in ticks for claim in each.result())
    assert claimed == Counter(ids)


@pytest.mark.django_db(transaction=True)
def test_a_tick_skips_what_another_is_claiming_instead_of_waiting() -> None:
    make_provider()
    is_claimed, may_commit = threading.Event(), threading.Event()

    def slow_tick() -> list[Claim]:
        with closing(connection), transaction.atomic():
            claims = claim_due_providers(jitter=JITTER)
            is_claimed.set()
            assert may_commit.wait(10)
            return claims

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(slow_tick)
        assert is_claimed.wait(10)
        during = claim_due_providers(jitter=JITTER)
        may_commit.set()
        assert len(slow.result()) == 1
    assert during == []
    assert claim_due_providers(jitter=JITTER) == []
