"""The numbers of our advisory locks: no two uses may share one."""

from __future__ import annotations

FAMILIES = 0x48415244
"""The class, spelling HARD, of the locks on what belongs to a family of sports."""

MIGRATIONS = 0x48415244_4D494752
"""Held by whoever migrates; it spells HARDMIGR."""

REPLAYS = 0x5245_504C
"""Held by whoever sends replays of dead letters; it spells REPL."""

LETTERS = 0x4C45_5454
"""Held by whoever stores a dead letter; it spells LETT."""
