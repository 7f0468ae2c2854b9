"""Examples of a property that leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction


@contextmanager
def undone() -> Iterator[None]:
    """Roll back what the block writes, which may itself need to be a transaction of its own."""
    # As Django's TestCase marks its own, which its stubs leave out: durable blocks may run within.
    block: Any = transaction.atomic()
    block._from_testcase = True
    with block:
        yield
        transaction.set_rollback(True)
