"""The text of a page."""

from __future__ import annotations

import re


def words(html: str) -> str:
    """Return a page as one reads it, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
