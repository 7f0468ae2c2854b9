"""A letter finds a place in whatever state the servers are, and its way from there into its row."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from betting.config import Config, get_config
from betting.db.advisory_locks import SPOOL, session_lock
from betting.models import Provider
from streaming.core.letters import Kind, Letter
from streaming.dead_letters import capture, spool
from streaming.dead_letters.capture import record_letter, store_spooled
from streaming.models import DeadLetter
from tests.support.rows import make_provider
from tests.support.sessions import in_another_session

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A configuration whose file spool is the test's own."""
    config = replace(get_config(), home=tmp_path / "home")
    monkeypatch.setattr(capture, "get_config", lambda: config)
    return config


class Away:
    """Servers that a test can take away while letters are recorded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def _refuse(self, error: Exception) -> Any:
        def refuse(*_: Any, **__: Any) -> None:
            raise error

        return refuse

    def postgres(self) -> None:
        self._monkeypatch.setattr(capture, "store", self._refuse(OperationalError("away")))

    def redis(self) -> None:
        self._monkeypatch.setattr(spool, "redis_client", self._refuse(RedisConnectionError("away")))

    def nothing(self) -> None:
        self._monkeypatch.undo()


@pytest.fixture
def away() -> Iterator[Away]:
    with pytest.MonkeyPatch.context() as patch:
        yield Away(patch)


def letter(number: int = 0, **fields: Any) -> Letter:
    return Letter(**{"kind": Kind.EXCEPTION, "task": "a.b", "args": [number], **fields})


def at_once(act: Callable[[Any], object], arguments: Iterable[object]) -> None:
    """In threads, whose connections end with them."""

    def act_and_close(argument: object) -> None:
        try:
            act(argument)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(act_and_close, arguments):
            pass


def rows() -> list[Any]:
    letters = DeadLetter.objects.exclude(kind=Kind.HOOK)
    return sorted(args[0] for args in letters.values_list("args", flat=True))


@pytest.mark.usefixtures("config")
def test_a_letter_goes_into_its_row() -> None:
    record_letter(letter(7))
    assert rows() == [7]


@pytest.mark.usefixtures("config")
def test_within_a_transaction_that_rolls_back_the_letter_survives(config: Config) -> None:
    with transaction.atomic():
        record_letter(letter(7))
        transaction.set_rollback(True)
    assert rows() == []
    assert store_spooled(config) == 1
    assert rows() == [7]


def test_a_transaction_in_which_a_letter_is_recorded_goes_on(config: Config) -> None:
    with transaction.atomic():
        provider = make_provider()
        record_letter(letter(7))
    assert Provider.objects.get() == provider
    assert store_spooled(config) == 1


def test_letters_wait_in_redis_while_postgresql_is_away(config: Config, away: Away) -> None:
    away.postgres()
    for number in range(150):
        record_letter(letter(number))
    away.nothing()
    assert (rows(), spool.waiting_in_redis()) == ([], 150)
    assert store_spooled(config) == 150
    assert (rows(), spool.waiting_in_redis()) == (list(range(150)), 0)


def test_letters_wait_in_a_file_while_both_are_away(config: Config, away: Away) -> None:
    away.postgres()
    away.redis()
    at_once(record_letter, map(letter, range(150)))
    away.nothing()
    assert store_spooled(config) == 150
    assert rows() == list(range(150))
    assert store_spooled(config) == 0
    assert [path.name for path in config.home.iterdir()] == ["hardline-state"]


def test_a_drain_that_dies_between_its_steps_stores_each_letter_once(
    config: Config, away: Away
) -> None:
    away.postgres()
    record_letter(letter(1))
    away.redis()
    for number in (2, 3):
        record_letter(letter(number))
    away.nothing()
    seen: list[bytes] = []

    def die_at_the_second(line: bytes) -> None:
        seen.append(line)
        if len(seen) == 2:
            raise ZeroDivisionError
        capture._store_line(line, 10)

    with pytest.raises(ZeroDivisionError):
        spool.take_from_file(die_at_the_second, config.home)
    record_letter(letter(4))
    assert store_spooled(config) == 3
    assert rows() == [1, 2, 3, 4]
    assert set(DeadLetter.objects.values_list("count", flat=True)) == {1}


def test_a_drain_that_fails_again_and_again_sets_no_second_file_aside(
    config: Config, away: Away
) -> None:
    def fail(_line: bytes) -> None:
        raise OperationalError("away")

    away.postgres()
    away.redis()
    for number in range(3):
        record_letter(letter(number))
        with pytest.raises(OperationalError):
            spool.take_from_file(fail, config.home)
    away.nothing()
    assert len(list(config.home.glob("dead-letters.*"))) == 2  # one aside, and the one that grows
    assert store_spooled(config) == 3
    assert rows() == [0, 1, 2]


def test_a_file_that_cannot_be_read_keeps_no_letter_in_redis(config: Config, away: Away) -> None:
    away.postgres()
    record_letter(letter(1))
    away.nothing()
    (config.home / "dead-letters.aside").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        store_spooled(config)
    assert (rows(), spool.waiting_in_redis()) == ([1], 0)


def test_one_drains_at_a_time_and_the_next_takes_what_it_left(config: Config, away: Away) -> None:
    away.postgres()
    record_letter(letter(1))
    away.nothing()
    with session_lock(SPOOL, 0, idle_seconds=60.0):
        assert in_another_session(lambda: store_spooled(config)) == 0
    assert store_spooled(config) == 1
    assert store_spooled(config) == 0


def test_many_drains_at_once_store_each_letter_once(config: Config, away: Away) -> None:
    away.postgres()
    for number in range(50):
        record_letter(letter(number))
    away.redis()
    for number in range(50, 100):
        record_letter(letter(number))
    away.nothing()
    at_once(store_spooled, [config] * 4)
    assert (rows(), spool.waiting_in_redis()) == (list(range(100)), 0)
    assert set(DeadLetter.objects.values_list("count", flat=True)) == {1}


def test_a_writer_that_died_in_its_line_spoils_no_other_and_is_a_letter_itself(
    config: Config, away: Away
) -> None:
    away.postgres()
    away.redis()
    record_letter(letter(1))
    with (config.home / spool.FILE).open("ab") as file:
        file.write(b'{"kind":"exce')
    record_letter(letter(2))
    away.nothing()
    store_spooled(config)
    torn = DeadLetter.objects.get(kind=Kind.HOOK)
    assert torn.body == '{"kind":"exce'
    assert not torn.is_complete
    assert rows() == [1, 2]


@pytest.mark.usefixtures("config")
def test_what_finds_no_place_at_all_is_a_critical_line(
    away: Away, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spool, "MAX_LETTERS", 0)
    monkeypatch.setattr(spool, "MAX_BYTES", 0)
    away.postgres()
    record_letter(letter(1, kwargs={"note": "words of the letter"}))
    assert [record.levelno for record in caplog.records][-1] == logging.CRITICAL
    assert "words of the letter" not in caplog.text


@pytest.mark.usefixtures("config")
def test_a_full_redis_spool_passes_on_to_the_file(
    config: Config, away: Away, monkeypatch: pytest.MonkeyPatch, redis: Redis
) -> None:
    monkeypatch.setattr(spool, "MAX_LETTERS", 1)
    away.postgres()
    record_letter(letter(1))
    record_letter(letter(2))
    assert redis.llen(spool.KEY) == 1
    away.nothing()
    assert store_spooled(config) == 2


@pytest.mark.usefixtures("config")
def test_switched_off_nothing_is_kept(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "get_config", lambda: replace(config, dead_letters_enabled=False))
    record_letter(letter())
    assert rows() == []
