from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from redis import Redis

from betting.db.redis import kept_client

THREADS = 4


def test_threads_that_ask_at_once_get_one_client() -> None:
    all_ask = Barrier(THREADS, timeout=10)

    @kept_client
    def client(database: int) -> Redis:
        all_ask.wait()  # each of them makes one before any is kept
        return Redis(db=database)

    with ThreadPoolExecutor(THREADS) as pool:
        given = list(pool.map(client, [3] * THREADS))

    assert len({id(each) for each in given}) == 1
    assert client(3) is given[0]


def test_other_arguments_get_another_client() -> None:
    client = kept_client(lambda database: Redis(db=database))

    assert client(1) is client(1)
    assert client(1) is not client(2)
