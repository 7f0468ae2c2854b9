"""The betfair_stream adapter, on recordings of the service itself."""

from __future__ import annotations

import pytest

from streaming.core.snapshot import Snapshot
from streaming.providers.base import Request, Response
from streaming.providers.betfair.book import moment
from streaming.providers.recording.adapter import read
from streaming.providers.registry import ADAPTERS
from tests.contract.validity import assert_valid
from tests.support.betfair_recordings import (
    MATCH,
    RACE,
    Best,
    Reading,
    answers,
    messages,
    recording,
)

#: Messages, answers, and complete answers among them.
FIGURES = {MATCH: (11_357, 5_017, 1), RACE: (18_793, 5_336, 7)}

names = pytest.mark.parametrize("name", [MATCH, RACE])


def kept(before: Best, snapshot: Snapshot) -> Best:
    """The quotes of whoever keeps what snapshots say."""
    now = {} if snapshot.is_complete else dict(before)
    for event in snapshot.events:
        for quote in event.quotes:
            if quote.price is None:
                del now[quote.name, quote.side]
            else:
                now[quote.name, quote.side] = quote.price
    return now


@names
def test_every_message_is_understood_and_the_best_prices_are_those_of_an_independent_reading(
    name: str,
) -> None:
    path = recording(name)
    request = Request("betfair_stream", path.as_uri(), f"/markets/{name.replace('-', '.')}")
    decoder, reading, quotes, count = ADAPTERS["betfair_stream"].decoder(), Reading(), Best(), 0
    for count, line in enumerate(messages(path), 1):
        response = Response(200, {}, line, moment(reading.take(line)), 0.0, len(line))
        snapshot = decoder.decode(request, response)
        assert_valid(snapshot, request, response)
        quotes = kept(quotes, snapshot)
        if count % 50 == 0 or snapshot.is_complete:
            assert quotes == reading.best, f"after message {count}"
    assert quotes == reading.best == {}, "closed"
    assert count == FIGURES[name][0]


@names
def test_conflated_answers_say_the_same_at_the_end_of_each(name: str) -> None:
    path = recording(name)
    decoder, quotes, seen, complete = ADAPTERS["recording"].decoder(), Best(), 0, 0
    for record, best in zip(read(path), answers(path), strict=True):
        snapshot = decoder.decode(record.request, record.response)
        quotes = kept(quotes, snapshot)
        assert quotes == best
        seen, complete = seen + 1, complete + snapshot.is_complete
    assert (seen, complete) == FIGURES[name][1:]
