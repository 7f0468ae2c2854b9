"""The floor: the work that no pipeline can leave out. It stores the history and values all markets.

It has no worker, message, current price or version: a pipeline does more, and takes longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from django.db import connection

from betting.config import Config
from betting.db.clock import database_now
from betting.runtime.supervisor import Program
from streaming.benchmark.contenders.base import Contender, Counts, Outcome
from streaming.benchmark.contenders.tables import changes_written, lay_tables, quote_id
from streaming.benchmark.contenders.values import value_boards
from streaming.benchmark.workload import Burst
from valuation.arrays import FloatArray


class Floor(Contender):
    """COPY of the rows of history, and one NumPy valuation.

    Args:
        config: the configuration.
    """

    name = "floor"

    def __init__(self, config: Config) -> None:
        self._policy = config.valuation
        self._recomputes = 0

    def programs(self) -> Sequence[Program]:
        """Return no worker."""
        return ()

    def is_ready(self) -> bool:
        """Return True: nothing has to start."""
        return True

    def lay(self, opening: FloatArray) -> None:
        """Write the markets."""
        self._prices = opening.copy()
        self._probabilities = value_boards(opening, self._policy)
        self._valued_at = np.zeros(len(opening))
        self._recomputes = 0
        lay_tables(opening, self._probabilities)

    def prepare(self, burst: Burst, now: FloatArray) -> Callable[[], None]:
        """Return what copies the history and values the markets."""
        shape = self._prices.shape
        old = now[burst.market, burst.book, burst.outcome]
        places = zip(burst.market, burst.book, burst.outcome, strict=True)
        quotes = [quote_id(*place, shape) for place in places]
        rows = list(zip(quotes, old.tolist(), burst.price.tolist(), strict=True))
        markets = burst.markets

        def write() -> None:
            statement = "COPY benchmark_plainlinechange (quote_id, old_price, new_price) FROM STDIN"
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
            self._prices = burst.applied_to(self._prices)
            self._probabilities[markets] = value_boards(self._prices[markets], self._policy)
            self._valued_at[markets] = database_now().timestamp()
            self._recomputes += len(markets)

        return write

    def is_done(self) -> bool:
        """Return True: handing over does it all."""
        return True

    def outcome(self) -> Outcome:
        """Return what was computed."""
        return Outcome(self._prices, self._probabilities, self._valued_at)

    def counts(self) -> Counts:
        """Count the markets valued, and the rows."""
        return Counts(self._recomputes, changes_written())
