"""The health check of one container: `python healthcheck.py [ROLE]` exits with 0 or 1.

Without a role it checks the one that `manage.py role` noted in the state directory. It uses the
standard library only, as it is started every few seconds: it takes 50 ms and loads no project.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

LOOPBACK = "127.0.0.1"
TIMEOUT_SECONDS = 4.0
MAX_AGE_SECONDS = 30.0
"""Workers touch their files every 2 s, and beat at least every 5 s, while they can work."""

ROLE_FILE = "role"
SERVERS = {
    "web": ("HARDLINE_WEB_PORT", 8000),
    "flower": ("HARDLINE_WEB_FLOWER_PORT", 5555),
    "simulator": ("HARDLINE_WEB_SIMULATOR_PORT", 8099),
}
"""Role → the variable of its port, and the default."""


def problem(role: str, environ: Mapping[str, str], now: float) -> str:
    """Return what is wrong with the process of a role; empty if nothing is.

    Args:
        role: the process.
        environ: its environment.
        now: seconds since 1970.
    """
    if role == "migrate":
        return ""
    if role not in SERVERS:
        return _age_problem(Path(environ["HARDLINE_HOME"], "alive", role), now)
    variable, default = SERVERS[role]
    port = int(environ.get(variable, "").strip() or default)
    try:
        return _web_problem(port, environ) if role == "web" else _port_problem(port)
    except (OSError, http.client.HTTPException) as error:
        return f"{role} does not answer on port {port}: {error}"


def _age_problem(file: Path, now: float) -> str:
    try:
        seconds = now - file.stat().st_mtime
    except FileNotFoundError:
        return f"{file.name} has not begun to work"
    if seconds <= MAX_AGE_SECONDS:
        return ""
    return f"{file.name} has shown no sign of life for {seconds:.0f} s"


def _web_problem(port: int, environ: Mapping[str, str]) -> str:
    hosts = environ.get("HARDLINE_WEB_ALLOWED_HOSTS", "").split(",")
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_SECONDS)
    # The first host that is allowed; one that begins with a dot stands for its subdomains.
    connection.request("GET", "/health/ready", headers={"Host": hosts[0].strip(" .*") or LOOPBACK})
    answer = connection.getresponse()
    text = answer.read(2_000).decode(errors="replace")
    return "" if answer.status == http.client.OK else f"not ready: {answer.status} {text}"


def _port_problem(port: int) -> str:
    with socket.create_connection((LOOPBACK, port), timeout=TIMEOUT_SECONDS):
        return ""


def main(arguments: list[str]) -> int:
    """Check one role; print what is wrong."""
    role = arguments[0] if arguments else Path(os.environ["HARDLINE_HOME"], ROLE_FILE).read_text()
    found = problem(role.strip(), os.environ, time.time())
    if found:
        sys.stdout.write(f"{found}\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
