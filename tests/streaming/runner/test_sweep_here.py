"""The sweeps of a replay, which has no beat."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from streaming.runner.replay_run import sweep_here


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
def test_an_outage_is_the_runs_to_wait_for_and_no_message_to_drop() -> None:
    settings_of = connection.settings_dict
    host, settings_of["HOST"] = settings_of["HOST"], "/nowhere"
    connection.close()
    try:
        with pytest.raises(OperationalError, match="nowhere"):
            sweep_here()
    finally:
        settings_of["HOST"] = host
        connection.close()
    sweep_here()
