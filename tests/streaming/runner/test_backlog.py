from __future__ import annotations

import pytest
from celery import current_app

from betting.config import Config
from streaming.coalescing import buffer
from streaming.runner.backlog import Backlog, backlog
from streaming.tasks import coalesce_line_changes
from tests.support import rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def test_without_anything_left_to_do_all_is_idle(servers: Config) -> None:
    rows.make_market(version=3, valued_version=3)
    assert backlog(servers.coalesce).is_empty


def test_a_market_valued_too_long_ago_is_left_to_do(servers: Config) -> None:
    rows.make_market(version=3, valued_version=2)
    left = backlog(servers.coalesce)
    assert left == Backlog(1, 0, 0, 0)
    assert not left.is_empty


def test_a_market_waiting_for_its_batch_is_left_to_do(servers: Config) -> None:
    buffer.push({1: 1, 2: 5}, servers.coalesce)
    assert backlog(servers.coalesce) == Backlog(0, 2, 0, 0)


def test_a_message_is_left_to_do_from_its_sending_to_its_acknowledgement(servers: Config) -> None:
    coalesce_line_changes.apply_async((0,))
    assert backlog(servers.coalesce) == Backlog(0, 0, 1, 0)
    with current_app.connection_for_read() as connection:
        message = connection.SimpleQueue("coalesce").get(timeout=5)
        assert backlog(servers.coalesce) == Backlog(0, 0, 0, 1)
        message.ack()
        assert backlog(servers.coalesce).is_empty
