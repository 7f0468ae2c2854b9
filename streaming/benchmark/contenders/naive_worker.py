"""The naive contender's worker: one message a change, one row at a time.

Run as `python -m streaming.benchmark.contenders.naive_worker`, with the options of `celery worker`.
"""

from __future__ import annotations

import sys

import django

django.setup()

from django.utils.timezone import now  # noqa: E402 - the models need Django

from streaming.benchmark.contenders.plain_consensus import fair_prices  # noqa: E402
from streaming.benchmark.contenders.queue_app import APPLY_CHANGE, make_app  # noqa: E402
from streaming.benchmark.contenders.tables import (  # noqa: E402
    PlainFairPrice,
    PlainLineChange,
    PlainQuote,
)

app = make_app("naive")


@app.task(name=APPLY_CHANGE)
def apply_change(quote_id: int, price: float) -> None:
    """Save a price, value its market, and record the change last: the row says that all is done."""
    quote = PlainQuote.objects.get(pk=quote_id)
    old_price, quote.price = quote.price, price
    quote.save(update_fields=["price"])
    quotes = PlainQuote.objects.filter(market=quote.market).order_by("book", "outcome")
    prices = [each.price for each in quotes]
    fair = fair_prices(list(zip(prices[::2], prices[1::2], strict=True)))
    for row in PlainFairPrice.objects.filter(market=quote.market):
        row.probability, row.valued_at = fair[row.outcome], now()
        row.save(update_fields=["probability", "valued_at"])
    PlainLineChange.objects.create(quote=quote, old_price=old_price, new_price=price)


if __name__ == "__main__":
    app.worker_main(["worker", *sys.argv[1:]])
