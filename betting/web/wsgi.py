"""The web application for a WSGI server."""

from __future__ import annotations

import os
from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "betting.settings")

application = get_wsgi_application()
# Before the first request, which would otherwise wait for the import.
import_module(settings.ROOT_URLCONF)
