"""Dead letters: work that failed for good, kept until a person has seen to it.

`bury` takes a letter in whatever state the servers are. docs/dead-letters.md is for operators.
"""

from __future__ import annotations

from streaming.core.letters import Kind, Letter
from streaming.dead_letters.burial import bury, store_spooled
from streaming.dead_letters.described import Description, describe

__all__ = ["Description", "Kind", "Letter", "bury", "describe", "store_spooled"]
