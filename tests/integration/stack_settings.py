"""The usual settings, of a program that runs under the limits of `impatient`.

Django imports its settings before the programs' own modules, so nothing has read them yet.
"""

from betting import timing
from betting.config import schema
from tests.integration.impatient import impatient

schema.load = impatient
schema.environment_config.cache_clear()
timing.TICK_SECONDS = 0.5

from betting.settings import *  # noqa: E402, F403 - settings are what they are built on
