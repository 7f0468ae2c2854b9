"""A pytest plugin, loaded before Django's settings: the tests' own, empty environment.

Variables of the shell that would lead the tests to other servers are dropped: a test flushes the
Redis that it uses.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile

for name in list(os.environ):
    # A server's address may be in a file, which DATABASE_URL_FILE names.
    if name.startswith(("HARDLINE_", "DATABASE_", "REDIS_", "BROKER_", "OTEL_")):
        del os.environ[name]
os.environ["HARDLINE_HOME"] = tempfile.mkdtemp(prefix="hardline-test-")
IS_FIRST = "PYTEST_XDIST_WORKER" not in os.environ
if IS_FIRST:
    # What the processes of one run share; they inherit the name.
    os.environ["TEST_RUN_DIRECTORY"] = tempfile.mkdtemp(prefix="hardline-run-")
os.environ["HARDLINE_LOG_LEVEL"] = "WARNING"
# A machine that is busy with other tests answers later than a server that is well.
os.environ["HARDLINE_HEALTH_PROBE_SECONDS"] = "3"
# The tests' providers are on this machine.
os.environ["HARDLINE_POLL_ALLOW_PRIVATE_NETWORKS"] = "true"
# Many processes are started, and each would compile all of Hardline anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ["HARDLINE_HOME"], ignore_errors=True)
    if IS_FIRST:
        shutil.rmtree(os.environ["TEST_RUN_DIRECTORY"], ignore_errors=True)
