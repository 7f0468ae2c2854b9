"""Examples of a property that leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


@contextmanager
def undone() -> Iterator[None]:
    """Roll back what the block writes, which may itself need to be a transaction of its own."""
    block = transaction.atomic()
    # As Django's TestCase marks its own: durable blocks may run within.
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)
