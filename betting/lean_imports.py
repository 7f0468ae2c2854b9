"""Import libraries without what they would import themselves for features that nothing here uses.

structlog looks for rich, to print tracebacks that reach its console renderer, and redis-py for the
SDK of OpenTelemetry, to measure itself: both import all of it, each time that a process starts.
They do without what is not installed, so for the moment of their import it seems not to be.
In milliseconds of a processor, of about 600 in which a worker starts: rich 30, OpenTelemetry 20.
"""

from __future__ import annotations

import sys
from importlib import import_module

#: The library, and what its import would find.
_UNUSED = {"structlog": "rich", "redis": "opentelemetry"}


def import_lean() -> None:
    """Import these libraries: an entry point calls this before its other imports."""
    for library, unused in _UNUSED.items():
        if unused in sys.modules:  # its import costs nothing any more
            continue
        # To Python, None means that the search for it has failed.
        sys.modules[unused] = None  # type: ignore[assignment]
        try:
            import_module(library)
        finally:
            del sys.modules[unused]
