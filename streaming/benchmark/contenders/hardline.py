"""Hardline itself: answers are decoded, ingested and sent on as a poll does it, by one feeder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
from django.db import connection
from django.db.models import F, Sum

from betting.config import Config
from betting.db.sql import fetch_all
from betting.models import Clock, LineChange, Market, Provider
from betting.runtime.supervisor import Program
from streaming.benchmark.contenders import answers
from streaming.benchmark.contenders.base import Contender, Counts, Outcome
from streaming.benchmark.waiting import wait_until
from streaming.benchmark.workload import Burst
from streaming.core.snapshot import Snapshot
from streaming.ingest import resolve
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.providers.registry import adapter
from streaming.runner.processes import nodes, value_workers
from streaming.runner.run_loop import workers_answer
from streaming.tasks import send_result
from valuation.arrays import FloatArray
from valuation.models import RecomputeRun

_TABLES = (
    "betting_provider", "betting_sport", "betting_event", "betting_bookmaker", "betting_linechange",
    "valuation_recomputerun", "streaming_pollrun",
)  # fmt: skip
"""What everything that the benchmark writes belongs to."""


class Hardline(Contender):
    """The pipeline as it is, except that no request is made over HTTP.

    Args:
        config: the configuration.
    """

    name = "hardline"
    rest_seconds = 0.6  # longer than batch and debounce together

    def __init__(self, config: Config) -> None:
        self._config = config
        self._policy = IngestPolicy(config.movement, config.staleness, config.matching)

    def programs(self) -> Sequence[Program]:
        """Return the workers that value."""
        return value_workers(self._config)

    def is_ready(self) -> bool:
        """Return True if both workers answer."""
        return workers_answer(nodes(self._config))

    def lay(self, opening: FloatArray) -> None:
        """Ingest the opening prices, and wait until they are valued."""
        self.empty()
        self.open(opening)
        wait_until(self.is_done, "the opening prices")
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
        self._last_run = RecomputeRun.objects.latest("pk").pk
        self._last_change = LineChange.objects.latest("pk").pk

    def open(self, opening: FloatArray) -> None:
        """Ingest the opening prices into empty tables."""
        self._starts_at = datetime.now(UTC) + answers.STARTS_IN
        # The prices of a benchmark do not grow old, however long it takes.
        self._provider = Provider.objects.create(
            key="benchmark",
            adapter=answers.ADAPTER,
            base_url="http://127.0.0.1:9",
            clock=Clock.RECORDED,
        ).pk
        self._shape = opening.shape
        self._decoders = [
            (answers.request_of(sport), adapter(answers.ADAPTER).decoder())
            for sport in range(answers.sport_of(len(opening) - 1) + 1)
        ]
        for sport in range(len(self._decoders)):
            self.take(sport, self.body(sport, opening))

    def empty(self) -> None:
        """Empty the tables, and forget the ids that were in them."""
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(_TABLES)} CASCADE")
        resolve.forget()

    def body(self, sport: int, prices: FloatArray) -> bytes:
        """Return an answer with the prices of a sport."""
        return answers.body_of(sport, prices, self._starts_at, datetime.now(UTC))

    def take(self, sport: int, body: bytes) -> IngestResult:
        """Decode, ingest and send on an answer, as a poll does."""
        result = self.ingest(self.decode(sport, body))
        send_result(result)
        return result

    def decode(self, sport: int, body: bytes) -> Snapshot:
        """Decode an answer."""
        request, decoder = self._decoders[sport]
        return decoder.decode(request, answers.answer(body))

    def ingest(self, snapshot: Snapshot) -> IngestResult:
        """Ingest a decoded answer, and send nothing on."""
        return ingest(self._provider, snapshot, self._policy)

    def prepare(self, burst: Burst, now: FloatArray) -> Callable[[], None]:
        """Return what takes the answers of all sports that change."""
        after = burst.applied_to(now)
        sports = sorted({answers.sport_of(market) for market in burst.markets.tolist()})
        bodies = [(sport, self.body(sport, after)) for sport in sports]

        def feed() -> None:
            for sport, body in bodies:
                self.take(sport, body)

        return feed

    def is_done(self) -> bool:
        """Return True if no market is stale."""
        return not Market.objects.exclude(version=F("valued_version")).exists()

    def outcome(self) -> Outcome:
        """Read the tables."""
        rows = fetch_all(_PRICES, {})
        prices = np.full(self._shape, np.nan)
        probabilities = np.full((self._shape[0], self._shape[2]), np.nan)
        valued_at = np.full(self._shape[0], np.nan)
        for external_id, name, book, price, probability, valued in rows:
            market = int(external_id.removeprefix("event-"))
            outcome = int(name != answers.home_of(market))
            prices[market, int(book.removeprefix("book")), outcome] = price
            probabilities[market, outcome] = np.nan if probability is None else probability
            valued_at[market] = valued
        return Outcome(prices, probabilities, valued_at)

    def valued_at(self, sport: int) -> list[float]:
        """Return when the markets of a sport were last valued, seconds by the database's clock."""
        return [at for (at,) in fetch_all(_VALUED_AT, {"sport": answers.sport_key(sport)})]

    def valued_by_market(self, sport: int) -> dict[int, float]:
        """Return market → when it was last valued, of a sport, seconds by the database's clock."""
        rows = fetch_all(_VALUED_BY_MARKET, {"sport": answers.sport_key(sport)})
        return {int(external_id.removeprefix("event-")): at for external_id, at in rows}

    def counts(self) -> Counts:
        """Count the markets asked for, and the rows."""
        runs = RecomputeRun.objects.filter(pk__gt=self._last_run)
        return Counts(
            recomputes=runs.aggregate(markets=Sum("markets", default=0))["markets"],
            history=LineChange.objects.filter(pk__gt=self._last_change).count(),
        )


_VALUED_AT = """
SELECT extract(epoch FROM m.valued_at)::float8
FROM betting_market m
JOIN betting_event e ON e.id = m.event_id
JOIN betting_sport s ON s.id = e.sport_id
WHERE s.key = %(sport)s AND m.valued_at IS NOT NULL
"""

_VALUED_BY_MARKET = """
SELECT a.external_id, extract(epoch FROM m.valued_at)::float8
FROM betting_market m
JOIN betting_eventalias a ON a.event_id = m.event_id
JOIN betting_event e ON e.id = m.event_id
JOIN betting_sport s ON s.id = e.sport_id
WHERE s.key = %(sport)s AND m.valued_at IS NOT NULL
"""

_PRICES = """
SELECT a.external_id, o.name, b.key, q.price, p.probability,
       extract(epoch FROM m.valued_at)::float8
FROM betting_quote q
JOIN betting_bookmaker b ON b.id = q.bookmaker_id
JOIN betting_outcome o ON o.id = q.outcome_id
JOIN betting_market m ON m.id = q.market_id
JOIN betting_eventalias a ON a.event_id = m.event_id
LEFT JOIN valuation_fairprice p ON p.outcome_id = o.id
"""
