"""Database sessions beside the test's own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def in_another_session(work: Callable[[], T]) -> T:
    """Do something in a thread, whose session ends with it."""

    def do() -> T:
        with closing(connection):
            return work()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(do).result()
