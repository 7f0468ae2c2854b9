"""The closing prices and quotes that an installation exports, as two replays can be compared."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.integration.installation import Installation, Row

#: When and at which version a close was taken, and ids, which follow the order of insertion.
_OF_THE_RUN = ("taken_at", "version", "event_id", "quote_id")
#: Computed: their last bits depend on what is valued beside them.
_COMPUTED = ("probability", "fair_odds")


@dataclass(frozen=True)
class ClosingRows:
    """All closes of a database.

    Attributes:
        said: every row without what is computed, in the order of its text.
        computed: what is computed, in the same order.
    """

    said: list[str]
    computed: list[float]

    def assert_are_those_of(self, other: ClosingRows) -> None:
        """Compare row by row; a failure names the rows that one of the two lacks."""
        mine, others = set(self.said), set(other.said)
        assert (mine - others, others - mine) == (set(), set())
        assert self.said == other.said
        assert self.computed == pytest.approx(other.computed, rel=1e-12)


def closing_rows(installation: Installation) -> ClosingRows:
    """Return what both tables of closes say of the market, whenever and by whom it was taken."""
    rows = [
        _split(row)
        for table in ("closing_prices", "closing_quotes")
        for row in installation.export(table)
    ]
    rows.sort(key=lambda row: row[0])
    assert len({said for said, _ in rows}) == len(rows)
    return ClosingRows(
        [said for said, _ in rows], [value for _, computed in rows for value in computed]
    )


def _split(row: Row) -> tuple[str, list[float]]:
    computed = [row[name] for name in _COMPUTED if row.get(name) is not None]
    said = {name: row[name] for name in row if name not in {*_OF_THE_RUN, *_COMPUTED}}
    # Whether there is a price at all is not a matter of bits.
    said["computed"] = len(computed)
    return json.dumps(said, sort_keys=True), computed
