from __future__ import annotations

from tests.logs import lines

__all__ = ["lines"]
