"""The comparison of an answer with its feed: it leaves out only what PostgreSQL would not write.

What is remembered of the last answer changes nothing either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from django.db import connection, transaction
from django.db.models import F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from betting.models import Clock, Provider
from streaming.core.snapshot import Snapshot, SnapshotQuote, StampedQuotes
from streaming.ingest import ingest as module
from streaming.ingest import resolve
from streaming.ingest.columns import QuoteColumns
from streaming.ingest.comparison import Difference, Offered, compare
from streaming.ingest.ingest import IngestPolicy, IngestResult, ingest
from streaming.ingest.quarantine import quarantine_unsafe
from tests.support.snapshots import AWAY, HOME, at, event, make_provider, quote, snapshot

_Key = tuple[int, int, bool]
"""Outcome, bookmaker, whether it is a lay price."""

LARGE = 2**40
KEYS = st.tuples(
    st.integers(1, 4) | st.just(LARGE), st.integers(1, 3) | st.just(LARGE), st.booleans()
)
PRICES = st.sampled_from([1.5, 2.0])


def market_of(outcome_id: int) -> int:
    return outcome_id % 3


def columns(listed: dict[_Key, float]) -> QuoteColumns:
    return QuoteColumns(
        outcome_ids=np.array([key[0] for key in listed], np.int64),
        market_ids=np.array([market_of(key[0]) for key in listed], np.int64),
        bookmaker_ids=np.array([key[1] for key in listed], np.int64),
        lays=np.array([key[2] for key in listed], np.bool_),
        prices=np.array(list(listed.values()), np.float64),
        source_seconds=np.full(len(listed), np.nan),
    )


def offered(known: dict[_Key, tuple[float, bool]], closed: set[int]) -> Offered:
    return Offered(
        quote_ids=np.arange(len(known)) + 100,
        outcome_ids=np.array([key[0] for key in known], np.int64),
        bookmaker_ids=np.array([key[1] for key in known], np.int64),
        lays=np.array([key[2] for key in known], np.bool_),
        prices=np.array([price for price, _ in known.values()], np.float64),
        are_active=np.array([is_active for _, is_active in known.values()], np.bool_),
        closed_markets=np.array(sorted(closed), np.int64),
    )


@given(
    st.dictionaries(KEYS, PRICES),
    st.dictionaries(KEYS, st.tuples(PRICES, st.booleans())),
    st.sets(st.integers(0, 2)),
)
@example({}, {}, set())
def test_a_quote_is_left_out_only_if_its_feed_has_it_on_the_board_at_that_price(
    listed: dict[_Key, float], known: dict[_Key, tuple[float, bool]], closed: set[int]
) -> None:
    difference = compare(offered(known, closed), columns(listed))

    open_keys = [key for key in listed if market_of(key[0]) not in closed]
    keys = list(listed)
    assert [keys[row] for row in difference.rows] == [
        key for key in open_keys if known.get(key) != (listed[key], True)
    ]
    assert difference.unlisted.tolist() == [
        number for number, key in enumerate(known, 100) if key not in open_keys
    ]


def nothing_left_out(known: Offered, given_columns: QuoteColumns) -> Difference:
    """The same with a loop, and with all quotes as if they differed: PostgreSQL compares them."""
    listed = {
        (outcome, bookmaker, is_lay)
        for market, outcome, bookmaker, is_lay in _zipped(
            given_columns.market_ids,
            given_columns.outcome_ids,
            given_columns.bookmaker_ids,
            given_columns.lays,
        )
        if market not in known.closed_markets.tolist()
    }
    kept = _zipped(known.outcome_ids, known.bookmaker_ids, known.lays)
    is_unlisted = np.array([key not in listed for key in kept], np.bool_)
    return Difference(np.arange(given_columns.prices.size), known.quote_ids[is_unlisted])


def _zipped(*given_columns: npt.NDArray[Any]) -> list[tuple[Any, ...]]:
    return list(zip(*(column.tolist() for column in given_columns), strict=True))


class Step(NamedTuple):
    """An answer, or an opened circuit before it."""

    provider: int
    repeats: bool
    event_feed: bool
    quotes: tuple[tuple[str, SnapshotQuote], ...]
    is_complete: bool
    seconds: int
    opens_circuit: bool


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    made = []
    for _ in range(draw(st.integers(2, 6))):
        is_complete = draw(st.sampled_from([True, True, True, False]))
        prices = st.sampled_from([1.8, 1.9, 2.6] if is_complete else [1.8, 1.9, 2.6, None])
        given_quotes = {}
        for _ in range(draw(st.integers(0, 6))):
            external_id = draw(st.sampled_from(["e1", "e2"]))
            kind, point = draw(st.sampled_from([("h2h", None), ("totals", 2.5), ("totals", 3.5)]))
            one = quote(
                draw(st.sampled_from(["ace", "bay"])),
                draw(st.sampled_from([HOME, AWAY])),
                draw(prices),
                kind=kind,
                point=point,
                side=draw(st.sampled_from(["back", "back", "lay"])),
            )
            one = replace(one, source_at=at(draw(st.integers(-90, 300))))
            key = (external_id, one.bookmaker, one.name, one.point, one.side)
            given_quotes[key] = (external_id, one)
        made.append(
            Step(
                provider=draw(st.integers(0, 1)),
                repeats=draw(st.booleans()),
                event_feed=draw(st.booleans()),
                quotes=tuple(given_quotes.values()),
                is_complete=is_complete,
                seconds=draw(st.sampled_from([0, 5, 60, 600])),
                opens_circuit=draw(st.sampled_from([False, False, False, True])),
            )
        )
    return made


def with_repetitions(taken: list[Step]) -> list[Step]:
    """The steps, of which some list what the feed last listed, under the stamps of their time."""
    last: dict[tuple[int, bool], Step] = {}
    made = []
    for step in taken:
        feed = (step.provider, step.event_feed)
        before = last.get(feed)
        if step.repeats and before is not None and before.is_complete == step.is_complete:
            stamp = at(step.seconds)
            quotes = tuple((key, replace(one, source_at=stamp)) for key, one in before.quotes)
            step = step._replace(quotes=quotes)  # noqa: PLW2901 - the step as it is taken
        last[feed] = step
        made.append(step)
    return made


def stamped_apart(event_quotes: Sequence[SnapshotQuote]) -> StampedQuotes:
    """The same quotes in the form in which what they list is compared with what was listed."""
    return StampedQuotes(
        [(replace(one, source_at=None),) for one in event_quotes],
        [one.source_at for one in event_quotes],
    )


def answer(step: Step, seconds: float) -> Snapshot:
    wanted = ["e1"] if step.event_feed else ["e1", "e2"]
    by_event = {
        external_id: [one for key, one in step.quotes if key == external_id]
        for external_id in wanted
    }
    # The second event starts soon: a list that leaves it out says that it is over.
    events = [
        event(quotes, external_id, 86_400.0 if external_id == "e1" else 30.0, home=HOME, away=AWAY)
        for external_id, quotes in by_event.items()
        if quotes
    ]
    given_answer = snapshot(
        events,
        seconds,
        feed="/event/e1" if step.event_feed else "/odds",
        is_list=not step.event_feed,
        is_complete=step.is_complete,
    )
    return replace(given_answer, stamps_confirm=True)


def play(
    taken: list[Step],
    clock: Clock,
    form: Callable[[Sequence[SnapshotQuote]], Sequence[SnapshotQuote]] = list,
) -> list[object]:
    """Take the answers in a database of their own, and return all that they have led to.

    Args:
        taken: the answers.
        clock: of both providers.
        form: brings the quotes of each event into a form.
    """
    resolve.forget()
    results: list[object] = []
    with transaction.atomic():
        providers = [make_provider(f"p{number}", clock=clock) for number in range(2)]
        seconds = 0.0
        for step in taken:
            seconds += step.seconds
            provider = providers[step.provider]
            if step.opens_circuit:
                Provider.objects.filter(pk=provider.pk).update(generation=F("generation") + 1)
                results.append(len(quarantine_unsafe(at(seconds))))
            given_answer = answer(step, seconds)
            events = [replace(each, quotes=form(each.quotes)) for each in given_answer.events]
            given_answer = replace(given_answer, events=events)
            results.append(_told(ingest(provider.pk, given_answer, IngestPolicy())))
        results += state()
        transaction.set_rollback(True)
    return results


def _told(result: IngestResult) -> tuple[object, ...]:
    markets = sorted(
        (one.version, one.changes, one.is_major, one.price_change or 0.0) for one in result.markets
    )
    return result.skipped_reason, sorted(result.counts.items()), markets, len(result.aged)


def state() -> list[tuple[Any, ...]]:
    """All rows that an ingest writes, without the ids and times that the database gives."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE)
        return list(cursor.fetchall())


_STATE = """
WITH named AS (
    SELECT q.id AS quote_id, concat_ws('|', e.commence_time, m.kind, o.name, o.point, b.key, q.side)
           AS name
    FROM betting_quote q JOIN betting_outcome o ON o.id = q.outcome_id
    JOIN betting_market m ON m.id = q.market_id JOIN betting_event e ON e.id = m.event_id
    JOIN betting_bookmaker b ON b.id = q.bookmaker_id
),
fed AS (
    SELECT f.id AS feed_id, concat_ws('|', p.key, f.key) AS feed, f.observed_at,
           f.generation - p.generation AS behind
    FROM betting_feed f JOIN betting_provider p ON p.id = f.provider_id
)
SELECT 'quote', concat_ws('|', name, feed, price, status, source_at, changed_at)
FROM betting_quote q JOIN named ON quote_id = q.id JOIN fed USING (feed_id)
UNION ALL
SELECT 'change', concat_ws('|', name, kind, old_price, new_price, old_point, new_point, movement,
                           classification, source_at, received_at)
FROM betting_linechange JOIN named USING (quote_id)
UNION ALL
SELECT 'rival', concat_ws('|', name, feed, price, looked_at)
FROM betting_rivalquote JOIN named USING (quote_id) JOIN fed USING (feed_id)
UNION ALL
SELECT 'market', concat_ws('|', e.commence_time, kind, version, changed_at)
FROM betting_market m JOIN betting_event e ON e.id = m.event_id
UNION ALL SELECT 'event', concat_ws('|', commence_time, status) FROM betting_event
UNION ALL SELECT 'feed', concat_ws('|', feed, observed_at, behind) FROM fed
UNION ALL
SELECT 'book', concat_ws('|', feed, b.key, confirmed_at, expires_at, gaps, lagging_ats,
                         cardinality(stale_markets), silent_since IS NULL)
FROM betting_feedbook k JOIN fed USING (feed_id) JOIN betting_bookmaker b ON b.id = k.bookmaker_id
ORDER BY 1, 2
"""


def with_compare(how: Callable[[Offered, QuoteColumns], Difference], run: Callable[[], Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "compare", how)
        return run()


_LISTED = Step(
    provider=0,
    repeats=False,
    event_feed=False,
    quotes=(("e1", quote("ace", HOME, 1.8)), ("e1", quote("ace", AWAY, 2.1))),
    is_complete=True,
    seconds=5,
    opens_circuit=False,
)


@pytest.mark.django_db
@settings(max_examples=60, deadline=timedelta(seconds=20))
@given(steps(), st.sampled_from([Clock.RECORDED, Clock.WALL]))
@example([_LISTED, _LISTED._replace(opens_circuit=True, repeats=True)], Clock.RECORDED)
def test_what_answers_lead_to_does_not_depend_on_what_is_left_out_or_remembered(
    taken: list[Step], clock: Clock
) -> None:
    taken = with_repetitions(taken)
    compared = with_compare(compare, lambda: play(taken, clock, stamped_apart))
    assert compared == with_compare(nothing_left_out, lambda: play(taken, clock))
