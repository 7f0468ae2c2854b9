"""The settings of a stack whose beat has nobody look at its health: the tests do."""

from tests.integration.stack_settings import *  # noqa: F403 - settings are what they are built on
from tests.integration.stack_settings import CELERY_BEAT_SCHEDULE as USUAL_SCHEDULE

CELERY_BEAT_SCHEDULE = {
    name: entry for name, entry in USUAL_SCHEDULE.items() if name != "check-health"
}
