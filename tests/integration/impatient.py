"""Limits that a fault reaches within seconds, and that are no settings of Hardline's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from betting.config import Config, load


def impatient(environ: Mapping[str, str]) -> Config:
    """The configuration of this environment, with less patience."""
    config = load(environ)
    health = replace(
        config.health,
        interval_seconds=1.0,
        # The stack is up before the first test looks, and what it values counts at once.
        starting_seconds=0.0,
        # With an objective of 0.8 as many late ones as by default, 6 % and 14.4 %, but judged on 5
        # valuations, not on 100.
        burn_rate=(0.3, 0.72),
        # Waits that a person would think short, and a busy machine does not reach.
        tick_seconds=(2.0, 3.0),
        silence_intervals=(4.0, 6.0),
        min_changes=10,
        dead_letters_per_hour=(3.0, 100.0),
    )
    # What recovers by itself does so soon.
    suppression = replace(config.suppression, first_seconds=0.2, max_seconds=1.0)
    return replace(config, health=health, suppression=suppression)
