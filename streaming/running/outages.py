"""What is raised while PostgreSQL or Redis is away."""

from __future__ import annotations

import django.db
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

OUTAGES = (django.db.OperationalError, django.db.InterfaceError, OperationalError, RedisError)
