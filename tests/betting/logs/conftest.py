from __future__ import annotations

from tests.support.logs import lines

__all__ = ["lines"]
