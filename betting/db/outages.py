"""The exceptions that are raised while PostgreSQL, Redis or the broker is away."""

from __future__ import annotations

import django.db
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

BROKER_OUTAGES = (OperationalError, RedisError)
"""The exceptions while the broker or Redis is away."""

OUTAGES = (django.db.OperationalError, django.db.InterfaceError, *BROKER_OUTAGES)
"""The exceptions while any of the servers is away."""
