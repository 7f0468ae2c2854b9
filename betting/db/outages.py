"""What is raised while PostgreSQL, Redis or the broker is away."""

from __future__ import annotations

import django.db
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

BROKER_OUTAGES = (OperationalError, RedisError)
"""While the broker or Redis is away."""

OUTAGES = (django.db.OperationalError, django.db.InterfaceError, *BROKER_OUTAGES)
"""While any of the servers is away."""
