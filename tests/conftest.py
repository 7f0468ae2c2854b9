"""Real servers for the tests: a PostgreSQL and a Redis of their own, started when first needed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase, override_settings
from hypothesis import settings
from pytest_django import DjangoDbBlocker
from redis import Redis
from whitenoise.middleware import WhiteNoiseMiddleware

from betting.config import Config, get_config
from betting.config.live import Changes, bring_into_force
from betting.db.redis import redis_client
from betting.db.statistics import Growth
from betting.garbage import collect_from_here, stop_collecting
from betting.runtime.embedded import ensure_running, remove_state
from betting.runtime.embedded.postgres import DATABASE
from streaming.health import starting
from streaming.health.deadline import end_idle_threads
from streaming.ingest import ingest, resolve
from streaming.notifications import bus
from streaming.providers.the_odds_api import repeated
from streaming.runner.background import end_helpers
from tests.support.cluster import lay, made_cluster
from tests.support.emptying import empty_tables

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

#: As many new objects that outnumber the freed ones have garbage searched for.
COLLECTED_OBJECTS = 10_000

#: They take longest and wait for most of it: last, they would keep one process busy, and none else.
BEGIN_FIRST = ("tests/integration/test_documents.py", "tests/integration/test_run_command.py")


def pytest_collection() -> None:
    """Search for no garbage among the modules and tests that are now made, and that all stay."""
    stop_collecting()


def pytest_collection_finish() -> None:
    """Search again, but only among what tests make, and for larger heaps of it than usual.

    A test makes many objects and little garbage: by Python's own limit of 700 the searches took a
    twentieth of the time.
    """
    collect_from_here()
    gc.set_threshold(COLLECTED_OBJECTS)


@pytest.hookimpl(trylast=True)  # after pytest-django has sorted them by what they need
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin the longest files first; the others keep their order."""
    items.sort(key=lambda item: not item.nodeid.startswith(BEGIN_FIRST))


@pytest.fixture(scope="session")
def cluster(django_db_blocker: DjangoDbBlocker) -> Path:
    """A data directory with all tables, to `lay` into homes."""
    with django_db_blocker.unblock():
        return made_cluster(get_config())


@pytest.fixture(scope="session")
def servers(cluster: Path) -> Iterator[Config]:
    """The configuration of running servers, which end with the session."""
    config = get_config()
    lay(cluster, config)
    ensure_running(config)
    yield config
    remove_state(config)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: Config) -> None:  # noqa: ARG001 - asks for a fixture
    """Start the servers before pytest-django makes its database, a copy of the one with tables."""
    connection.settings_dict["TEST"]["TEMPLATE"] = DATABASE


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """A password costs a real login a third of a second, which here proves nothing."""
    hasher = "django.contrib.auth.hashers.MD5PasswordHasher"
    with override_settings(PASSWORD_HASHERS=[hasher]):
        yield


@pytest.fixture(scope="session", autouse=True)
def _static_files_found_once() -> Iterator[None]:
    """Each client of a test has middleware of its own, which would look for every static file."""
    find, found = WhiteNoiseMiddleware.add_files_from_finders, dict[str, object]()

    def add_found(middleware: Any) -> None:
        if not found:
            find(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", add_found)
        yield


@pytest.fixture(scope="session", autouse=True)
def _cheap_flush() -> Iterator[None]:
    """A test whose rows are committed empties the tables, of which most have none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: empty_tables())
        yield


@pytest.fixture
def redis(servers: Config) -> Iterator[Redis]:  # noqa: ARG001 - asks for a fixture
    """An empty Redis."""
    client = redis_client()
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture(autouse=True)
def _long_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds a start excused because the process of the tests is young."""
    monkeypatch.setattr(starting, "running_seconds", lambda: 86_400.0)


@pytest.fixture(autouse=True)
def _nothing_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test renews statistics because of what other tests have inserted."""
    monkeypatch.setattr(ingest, "_quotes", Growth(*ingest._quotes.tables))


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """No test sees ids, subscribers or live settings that another test's rows had.

    Nor does a connection to its database outlive it.
    """
    yield
    end_idle_threads()
    end_helpers()
    resolve.forget()
    repeated.forget()
    bus.forget_routes()
    bring_into_force(Changes())
