"""The batched contender's worker: celery-batches collects changes, and one flush writes them.

Run as `python -m streaming.benchmark.contenders.batched_worker`, with the options of
`celery worker`, by the Python of `batches_venv`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import groupby
from typing import Any, Protocol

import django

django.setup()

from celery import Celery  # noqa: E402 - the models need Django
from django.utils.timezone import now  # noqa: E402

from betting.db.redis import redis_client  # noqa: E402
from streaming.benchmark.contenders.plain_consensus import fair_prices  # noqa: E402
from streaming.benchmark.contenders.queue_app import (  # noqa: E402
    APPLY_CHANGES,
    RECOMPUTES_KEY,
    make_app,
)
from streaming.benchmark.contenders.tables import (  # noqa: E402
    PlainFairPrice,
    PlainLineChange,
    PlainQuote,
)

FLUSH_EVERY = 50
FLUSH_SECONDS = 0.25


class Request(Protocol):
    """A message, as celery-batches passes it on."""

    args: tuple[int, float]


def batched_app() -> Celery:
    """Return the app, whose task celery-batches calls with many messages at once."""
    app = make_app("batched")
    # As celery-batches advises: a worker has to be allowed to hold more than a batch.
    app.conf.worker_prefetch_multiplier = 0
    base: Any = import_module("celery_batches").Batches  # in the worker's own environment alone
    register: Any = app.task  # its types know no base that is not Celery's
    register(name=APPLY_CHANGES, base=base, flush_every=FLUSH_EVERY, flush_interval=FLUSH_SECONDS)(
        apply_changes
    )
    return app


def apply_changes(requests: Sequence[Request]) -> None:
    """Save prices, value their markets once each, and record the changes last."""
    changes = [request.args for request in requests]
    quotes = PlainQuote.objects.in_bulk([quote_id for quote_id, _ in changes])
    history = []
    for quote_id, price in changes:
        quote = quotes[quote_id]
        history.append(PlainLineChange(quote=quote, old_price=quote.price, new_price=price))
        quote.price = price
    PlainQuote.objects.bulk_update(quotes.values(), ["price"])
    markets = {quote.market for quote in quotes.values()}
    _value(markets)
    redis_client().incrby(RECOMPUTES_KEY, len(markets))
    PlainLineChange.objects.bulk_create(history)


def _value(markets: set[int]) -> None:
    rows = PlainQuote.objects.filter(market__in=markets).order_by("market", "book", "outcome")
    fair = {}
    for market, quotes in groupby(rows, key=lambda quote: quote.market):
        prices = [quote.price for quote in quotes]
        fair[market] = fair_prices(list(zip(prices[::2], prices[1::2], strict=True)))
    valued = list(PlainFairPrice.objects.filter(market__in=markets).order_by("id"))
    for row in valued:
        row.probability, row.valued_at = fair[row.market][row.outcome], now()
    PlainFairPrice.objects.bulk_update(valued, ["probability", "valued_at"])


if __name__ == "__main__":
    batched_app().worker_main(["worker", *sys.argv[1:]])
