"""Dead letters: work that failed for good, kept until a person deals with it.

`bury` stores a letter whichever servers are away. docs/dead-letters.md is for operators.
"""

from __future__ import annotations

from streaming.core.letters import Kind, Letter
from streaming.dead_letters.capture import bury, store_spooled
from streaming.dead_letters.exception_info import Description, describe

__all__ = ["Description", "Kind", "Letter", "bury", "describe", "store_spooled"]
