"""The web application for a WSGI server."""

from __future__ import annotations

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from betting.garbage import stop_collecting
from betting.lean_imports import import_lean

stop_collecting()
import_lean()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betting.settings")

application = get_wsgi_application()
# Import the pages now: the first request would otherwise wait for that.
import_module(settings.ROOT_URLCONF)
