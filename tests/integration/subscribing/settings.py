"""The usual settings, with this app installed."""

from betting.settings import *  # noqa: F403 - settings are what they are built on
from betting.settings import INSTALLED_APPS as USUAL_APPS

INSTALLED_APPS = [*USUAL_APPS, "tests.integration.subscribing"]
