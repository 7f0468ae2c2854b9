"""The description of the machine that a benchmark runs on."""

from __future__ import annotations

import platform
import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import psutil

from betting.db.redis import redis_client
from betting.db.sql import fetch_all
from streaming.benchmark.results.document import Machine

_LIBRARIES = ("Django", "celery", "psycopg", "numpy", "msgspec")
_SETTINGS = ("fsync", "synchronous_commit", "shared_buffers", "max_connections")


def this_machine() -> Machine:
    """Describe this machine, and the servers that this process uses."""
    ((postgres,),) = fetch_all("SHOW server_version", {})
    redis = redis_client().info("server")
    return Machine(
        processor=_processor(),
        cores=psutil.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()}",
        versions={
            "Python": platform.python_version(),
            "PostgreSQL": str(postgres),
            "Redis": str(redis.get("valkey_version") or redis.get("redis_version")),
            **{name: version(name) for name in _LIBRARIES},
        },
        settings={name: str(fetch_all(f"SHOW {name}", {})[0][0]) for name in _SETTINGS},
        load=psutil.getloadavg()[0],
    )


def _processor() -> str:
    with suppress(OSError):
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()
