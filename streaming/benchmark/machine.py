"""The description of the machine that a benchmark runs on."""

from __future__ import annotations

import platform
import re
import subprocess
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import psutil

from betting.config import CHECKOUT
from betting.db.redis import redis_client
from betting.db.sql import fetch_all
from streaming.benchmark.results.document import Machine

_LIBRARIES = ("Django", "celery", "psycopg", "numpy", "msgspec")
_SETTINGS = ("fsync", "synchronous_commit", "shared_buffers", "max_connections")

_GIT_SECONDS = 10.0


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


def this_commit() -> str:
    """Return the checkout's commit, with a plus if files differ from it; empty without git."""
    if not (CHECKOUT / ".git").exists():
        return ""  # git would answer for a repository around it
    words = ("git", "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty=+")
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(  # noqa: S603 - our own command
            words, cwd=CHECKOUT, capture_output=True, check=True, text=True, timeout=_GIT_SECONDS
        ).stdout.strip()
    return ""


def _processor() -> str:
    with suppress(OSError):
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()
