"""The tables of the naive and the batched contender, as a Django project would begin with them.

They exist in the benchmark's own database alone: no migration knows of them.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from django.db import connection, models
from django.db.models.functions import Now

from betting.db.sql import fetch_all
from streaming.benchmark.contenders.base import Outcome
from valuation.arrays import FloatArray

APP = "benchmark"
"""Not installed: no command, page or migration sees these models."""


class PlainQuote(models.Model):
    """A bookmaker's price for one outcome."""

    market = models.IntegerField()
    book = models.SmallIntegerField()
    outcome = models.SmallIntegerField()
    price = models.FloatField()

    objects: ClassVar[models.Manager[PlainQuote]] = models.Manager()

    class Meta:
        app_label = APP
        constraints = (
            # all of a market's quotes; also one quote
            models.UniqueConstraint(
                name="plain_quote_unique", fields=["market", "book", "outcome"]
            ),
        )

    def __str__(self) -> str:
        return f"{self.price:g}"


class PlainFairPrice(models.Model):
    """The consensus of one outcome."""

    market = models.IntegerField()
    outcome = models.SmallIntegerField()
    probability = models.FloatField()
    valued_at = models.DateTimeField()

    objects: ClassVar[models.Manager[PlainFairPrice]] = models.Manager()

    class Meta:
        app_label = APP
        constraints = (
            # both of a market
            models.UniqueConstraint(name="plain_fair_price_unique", fields=["market", "outcome"]),
        )

    def __str__(self) -> str:
        return f"{self.probability:.4f}"


class PlainLineChange(models.Model):
    """One change of one quote."""

    quote = models.ForeignKey(PlainQuote, on_delete=models.CASCADE, related_name="+")
    old_price = models.FloatField()
    new_price = models.FloatField()
    recorded_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[models.Manager[PlainLineChange]] = models.Manager()

    class Meta:
        app_label = APP

    def __str__(self) -> str:
        return f"{self.old_price:g} → {self.new_price:g}"


MODELS = (PlainQuote, PlainFairPrice, PlainLineChange)


def create_tables() -> None:
    """Create the tables, which the benchmark's database does not have yet."""
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)


def lay_tables(opening: FloatArray, probabilities: FloatArray) -> None:
    """Empty the tables and write markets; a quote's id is its place in `opening`, from 1."""
    markets, books, outcomes = opening.shape
    with connection.cursor() as cursor:
        names = "benchmark_plainquote, benchmark_plainfairprice, benchmark_plainlinechange"
        cursor.execute(f"TRUNCATE {names} RESTART IDENTITY")
        quotes = "COPY benchmark_plainquote (market, book, outcome, price) FROM STDIN"
        with cursor.copy(quotes) as copy:
            for market, book, outcome in np.ndindex(markets, books, outcomes):
                copy.write_row((market, book, outcome, float(opening[market, book, outcome])))
        fair = "COPY benchmark_plainfairprice (market, outcome, probability, valued_at) FROM STDIN"
        with cursor.copy(fair) as copy:
            for market, outcome in np.ndindex(markets, outcomes):
                copy.write_row((market, outcome, float(probabilities[market, outcome]), "now"))
        cursor.execute(f"ANALYZE {names}")


def quote_id(market: int, book: int, outcome: int, shape: tuple[int, ...]) -> int:
    """Return a quote's id, where `opening` has that shape.

    >>> quote_id(0, 0, 0, (5, 10, 2)), quote_id(4, 9, 1, (5, 10, 2))
    (1, 100)
    """
    return int(np.ravel_multi_index((market, book, outcome), shape)) + 1


def changes_written() -> int:
    """Count the rows of history."""
    ((count,),) = fetch_all("SELECT count(*) FROM benchmark_plainlinechange", {})
    return int(count)


def read_tables(shape: tuple[int, ...]) -> Outcome:
    """Read what is in the tables, where `opening` has that shape."""
    prices = fetch_all("SELECT price FROM benchmark_plainquote ORDER BY market, book, outcome", {})
    fair = fetch_all(
        "SELECT probability, extract(epoch FROM valued_at)::float8 FROM benchmark_plainfairprice"
        " ORDER BY market, outcome",
        {},
    )
    columns = np.array(fair, dtype=np.float64).reshape(shape[0], shape[2], 2)
    return Outcome(
        prices=np.array(prices, dtype=np.float64).reshape(shape),
        probabilities=columns[:, :, 0],
        valued_at=columns[:, :, 1].max(axis=1),
    )
