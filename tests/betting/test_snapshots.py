"""A row is as an earlier statement found it, or not: by the transaction that wrote it."""

from __future__ import annotations

import pytest
from django.db import connection

from betting.db.snapshots import SNAPSHOT, Snapshot, with_unchanged
from betting.models import Sport
from tests.support import rows

NUMBERS = 2**32


def is_unchanged(snapshot: str) -> bool:
    return with_unchanged(Sport.objects.all(), snapshot).filter(is_unchanged=True).exists()


@pytest.fixture
def writer(db: None) -> int:  # noqa: ARG001 - asks for a fixture
    """The number of the transaction that wrote the only row."""
    rows.make_sport()
    with connection.cursor() as cursor:
        cursor.execute("SELECT xmin::text::bigint FROM betting_sport")
        ((number,),) = cursor.fetchall()
    return int(number)


@pytest.mark.parametrize("epoch", [1, 2, 7])
def test_a_row_is_unchanged_if_its_transaction_had_ended(writer: int, epoch: int) -> None:
    number = writer + epoch * NUMBERS

    assert is_unchanged(f"{number + 1}:{number + 1}:")
    assert is_unchanged(f"{number - 5}:{number + 9}:{number - 5},{number + 3}")
    assert is_unchanged(f"{number + 2**30}:{number + 2**30}:")


@pytest.mark.parametrize("epoch", [1, 2, 7])
def test_a_row_is_changed_if_its_transaction_was_open_or_had_not_begun(
    writer: int, epoch: int
) -> None:
    number = writer + epoch * NUMBERS

    assert not is_unchanged(f"{number}:{number}:")
    assert not is_unchanged(f"{number}:{number + 9}:{number}")
    assert not is_unchanged(f"{number - 5}:{number + 9}:{number - 5},{number},{number + 3}")
    # Among them those before the numbers began again, which are greater than the row's.
    assert not is_unchanged(f"{number - 50}:{number - 50}:")
    assert not is_unchanged(f"{number - 2**30}:{number - 2**30}:")


@pytest.mark.django_db(transaction=True)
def test_the_snapshot_of_a_statement_is_understood() -> None:
    sport = rows.make_sport()
    (seen,) = Sport.objects.values_list(Snapshot(), flat=True)
    assert SNAPSHOT.fullmatch(seen)
    assert is_unchanged(seen)

    Sport.objects.filter(pk=sport.pk).update(title="Another")
    (later,) = Sport.objects.values_list(Snapshot(), flat=True)

    assert not is_unchanged(seen)
    assert is_unchanged(later)
