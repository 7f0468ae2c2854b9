"""The numbers of our advisory locks: no two uses may share one."""

from __future__ import annotations

FAMILIES = 0x48415244
"""The class of the locks on a family of sports' rows; it spells HARD."""

MIGRATIONS = 0x48415244_4D494752
"""Held while migrations run; it spells HARDMIGR."""

REPLAYS = 0x5245_504C
"""Held while replays of dead letters are sent; it spells REPL."""

LIVE_SETTINGS = 0x4C49_5645
"""Held while a live setting is changed; it spells LIVE."""

LETTERS = 0x4C45_5454
"""Held while a dead letter is stored; it spells LETT."""
