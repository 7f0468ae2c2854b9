from __future__ import annotations

import pytest

from betting.config import Config
from tests.streaming.runner.betfair_replay import assert_replay_ends_as_its_reading
from tests.support.betfair_recordings import MATCH


# Thousands of answers. Each commits, as in a replay: one transaction would keep every version of
# every row, and take five times as long.
@pytest.mark.timeout(600)
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
def test_a_recorded_match_ends_in_the_database_as_an_independent_reading_has_it(
    servers: Config,
) -> None:
    assert_replay_ends_as_its_reading(servers, MATCH)
