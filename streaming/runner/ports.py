"""Checks of ports: whether one is free, and whether one is served."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace

from betting.config import WebConfig

LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 0.5


class PortError(Exception):
    """A port cannot be used; the message says what to do."""


def moved(web: WebConfig, port: int) -> WebConfig:
    """Put the web server on another port, Flower and the simulator on the two after it.

    >>> moved(WebConfig(), 9000).simulator_port
    9002
    """
    return replace(web, port=port, flower_port=port + 1, simulator_port=port + 2)


def require_free(host: str, port: int) -> None:
    """Verify that a port can be listened on.

    Raises:
        PortError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: connections of an earlier run that are being closed are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise PortError(_advice(host, port, error)) from error


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def is_listening(host: str, port: int) -> bool:
    """Return True if something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _advice(host: str, port: int, error: OSError | OverflowError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use by another program: stop it, or choose three others"
            " with --port N (N, N+1 and N+2 are used)."
        )
    return f"Port {port} of {host} cannot be used: {error}."
