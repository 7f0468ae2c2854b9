"""The usual settings, of a worker that can be killed at the points of `hooks`."""

from betting.settings import *  # noqa: F403 - settings are what they are built on
from betting.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "streaming.chaos.hooks.HooksConfig"]
