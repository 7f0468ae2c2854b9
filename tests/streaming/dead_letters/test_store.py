"""Letters in PostgreSQL: one row for equal ones, a bounded number of rows, whoever writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from streaming.core.letters import Kind, Letter, redacted
from streaming.dead_letters.store import POLL_PROVIDER, store
from streaming.models import (
    ActionKind,
    ActionOutcome,
    DeadLetter,
    DeadLetterAction,
    DeadLetterEviction,
    DeadLetterOccurrence,
    LetterKind,
    LetterStatus,
)
from tests.support.rows import make_provider

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = 1_000


def letter(number: int = 0, **fields: Any) -> Letter:
    given = {"kind": Kind.EXCEPTION, "task": "a.b", "args": [number], "exception": "E", **fields}
    return redacted(Letter(**given), NOON + timedelta(seconds=number), uuid4().hex)


def test_the_database_knows_every_kind() -> None:
    assert set(LetterKind.values) == {kind.value for kind in Kind}


@pytest.mark.django_db
def test_equal_letters_are_one_row_that_keeps_the_first_and_the_last_time() -> None:
    for seconds in (5, 0, 9):
        store(letter(at=NOON + timedelta(seconds=seconds), worker=f"w{seconds}"), ROWS)
    row = DeadLetter.objects.get()
    assert (row.count, row.first_seen, row.last_seen) == (3, NOON, NOON + timedelta(seconds=9))
    assert (row.args, row.status, row.worker) == ([0], LetterStatus.NEW, "w9")


@pytest.mark.django_db
def test_the_same_end_told_twice_is_counted_once_even_as_another_kind() -> None:
    assert store(letter(task_id="t"), ROWS)
    assert not store(letter(task_id="t", kind=Kind.HOOK, exception="F"), ROWS)
    assert store(letter(task_id="t", retries=1), ROWS)
    assert list(DeadLetter.objects.values_list("kind", "count")) == [("exception", 2)]
    assert DeadLetterOccurrence.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    "status", [LetterStatus.REPLAYED, LetterStatus.HEALED, LetterStatus.DISCARDED]
)
def test_what_was_done_with_and_fails_again_is_new_again(status: LetterStatus) -> None:
    store(letter(), ROWS)
    reason = "known" if status == LetterStatus.DISCARDED else ""
    DeadLetter.objects.update(status=status, discard_reason=reason)
    store(letter(), ROWS)
    row = DeadLetter.objects.get()
    assert (row.status, row.discard_reason, row.count) == (LetterStatus.NEW, "", 2)


@pytest.mark.django_db
def test_a_replay_that_fails_raises_its_own_letter_whatever_it_fails_of() -> None:
    store(letter(), ROWS)
    DeadLetter.objects.update(status=LetterStatus.REPLAYING)
    action = DeadLetterAction.objects.create(
        letter=DeadLetter.objects.get(),
        action=ActionKind.REPLAY,
        outcome=ActionOutcome.SENT,
        requested_by="ana",
    )
    store(letter(args=["edited"], kind=Kind.TIME_LIMIT, exception="F", replay=action.pk), ROWS)
    row = DeadLetter.objects.get()
    action.refresh_from_db()
    assert (row.count, row.status, row.exception, row.args) == (2, LetterStatus.NEW, "F", [0])
    assert action.outcome == ActionOutcome.FAILED


@pytest.mark.django_db
def test_a_replay_whose_letter_was_evicted_leaves_a_letter_of_its_own() -> None:
    store(letter(replay=4711), ROWS)
    assert DeadLetter.objects.get().status == LetterStatus.NEW


@pytest.mark.django_db
def test_the_least_recently_seen_goes_first_and_is_counted() -> None:
    for number in (3, 1, 2):
        store(letter(number), 2)
    assert list(DeadLetter.objects.values_list("args", flat=True)) == [[3], [2]]
    assert DeadLetterEviction.objects.get().letters == 1
    store(letter(0), 2)  # one that had waited elsewhere, older than all that are kept
    assert list(DeadLetter.objects.values_list("args", flat=True)) == [[3], [2]]
    assert DeadLetterEviction.objects.get().letters == 2


@pytest.mark.django_db
def test_a_letter_of_a_poll_waits_for_its_provider() -> None:
    provider = make_provider()
    for arguments in ({"args": [provider.pk]}, {"args": [], "kwargs": {"provider_id": 4711}}):
        store(letter(task=POLL_PROVIDER, **arguments), ROWS)
    keys = DeadLetter.objects.order_by("id").values_list("provider", flat=True)
    assert list(keys) == [provider.key, ""]


@pytest.mark.django_db
def test_one_dead_subscriber_pushes_out_nothing_else() -> None:
    for number in range(4):
        store(letter(number), 8)
    for number in range(10, 30):
        store(letter(number, kind=Kind.DELIVERY), 8)
    kept = sorted(args[0] for args in DeadLetter.objects.values_list("args", flat=True))
    assert kept == [0, 1, 2, 3, 26, 27, 28, 29]
    for number in (4, 5):  # older than every delivery
        store(letter(number), 8)
    kept = sorted(args[0] for args in DeadLetter.objects.values_list("args", flat=True))
    assert kept == [2, 3, 4, 5, 26, 27, 28, 29]


@pytest.mark.django_db
def test_what_is_done_with_goes_first_and_what_is_being_replayed_last() -> None:
    for number, status in enumerate(("replaying", "new", "replayed", "new")):
        store(letter(number), 4)
        DeadLetter.objects.filter(args=[number]).update(status=status)
    for number in (4, 5):
        store(letter(number), 4)
    kept = sorted(args[0] for args in DeadLetter.objects.values_list("args", flat=True))
    assert kept == [0, 3, 4, 5]


@pytest.mark.django_db
@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=str)
def test_a_row_tells_of_the_newest_letter_whichever_is_stored_last(order: tuple[int, int]) -> None:
    for number in order:
        store(letter(number, subject="a feed", body=f"body {number}", task_id=f"t{number}"), ROWS)
    row = DeadLetter.objects.get()
    assert (row.args, row.body, row.task_id, row.count) == ([2], "body 2", "t2", 2)


@pytest.mark.django_db(transaction=True)
def test_within_a_transaction_that_may_roll_back_nothing_is_stored() -> None:
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        store(letter(), ROWS)


@pytest.mark.django_db(transaction=True)
def test_four_writers_at_once_leave_exactly_the_most_recently_seen() -> None:
    writers, each, bound = 4, 250, 200

    def write(writer: int) -> None:
        for number in range(each):
            store(letter(writers * number + writer), bound)
        connection.close()

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))

    total = writers * each
    kept = {args[0] for args in DeadLetter.objects.values_list("args", flat=True)}
    assert kept == set(range(total - bound, total))
    assert DeadLetterEviction.objects.aggregate(all=Sum("letters"))["all"] == total - bound
