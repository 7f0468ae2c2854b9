"""A worker's connection to the database lasts for many tasks, and is made anew once it is lost."""

from __future__ import annotations

import pytest

from betting.db.sql import fetch_all
from betting.models import Provider
from streaming.ingest.ingest import IngestPolicy, ingest
from streaming.models import DeadLetter
from streaming.tasks import send_changes
from tests.integration.conftest import all_valued, wait_until
from tests.support.snapshots import AWAY, HOME, event, make_provider, quote, snapshot

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valuers")]

#: Processes that value, each of one worker.
WORKERS = 2

_OTHERS = """
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def backends() -> set[int]:
    """PostgreSQL's processes that serve anybody but this test."""
    return {pid for (pid,) in fetch_all(f"SELECT pid {_OTHERS}", {})}


def jump(provider: Provider, step: int) -> None:
    """A major move, which one task values."""
    given = snapshot([event([quote("ace", HOME, 2.0 + step), quote("ace", AWAY, 1.9)])], step)
    send_changes(ingest(provider.pk, given, IngestPolicy()).markets)
    wait_until(all_valued, "the valuation")


def test_tasks_of_one_worker_share_a_connection_and_survive_its_loss() -> None:
    provider = make_provider()
    for step in (0, 1):  # one for each of the workers
        jump(provider, step)
    # Now and then a worker's thread reads the live settings, on a connection of its own.
    wait_until(lambda: len(backends()) == WORKERS, "one connection for each worker")
    kept = backends()
    for step in (2, 3, 4):
        jump(provider, step)
    wait_until(lambda: backends() == kept, "the same connections")

    fetch_all(f"SELECT pg_terminate_backend(pid) {_OTHERS}", {})
    wait_until(lambda: not backends(), "the end of the connections")
    jump(provider, 5)
    assert backends() & kept == set()
    assert backends() != set()
    assert not DeadLetter.objects.exists()
