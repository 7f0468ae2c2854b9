"""Silence, failure and quarantine are judged for each feed, and the check names it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from betting.models import Feed, Provider, Quote
from streaming.health.feeds import failing_feeds
from streaming.models import FeedCircuit
from streaming.polling.feed_circuits import FeedCircuits
from streaming.polling.poll import poll
from streaming.simulator.running import RunningSimulator
from tests.support import rows
from tests.support.beat import CONFIG
from tests.support.polling import EPL, NBA, polled_provider
from tests.support.watch import Watch

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


def told(watch: Watch) -> tuple[str, str]:
    """The status and the words of the check."""
    watch.keep_alive()
    check = watch.look().checks["feeds"]
    return check["status"], check["output"]


def failing(watch: Watch, **fields: Any) -> FeedCircuit:
    values: dict[str, Any] = {
        "state": "open",
        "since": watch.now,
        "failures": 3,
        "retry_at": watch.now + MINUTE,
        "reason": "3 failures in a row, the last: answer is an object, not a list",
    }
    return rows.make_feed_circuit(**{"provider": watch.provider, **values, **fields})


def test_a_sport_that_sends_nonsense_fails_the_check_that_names_it_with_its_quotes(
    watch: Watch, simulator: RunningSimulator
) -> None:
    provider = polled_provider(simulator, sports=[EPL, NBA])
    list(poll(provider.pk, CONFIG, lambda: watch.now))
    simulator.fail(EPL, "wrong_schema")
    for _ in range(CONFIG.circuit.open_after_failures):
        list(poll(provider.pk, CONFIG, lambda: watch.now))
    Feed.objects.filter(provider=provider).update(observed_at=watch.now)
    feed = FeedCircuit.objects.get(provider=provider, state="open").feed
    quotes = Quote.objects.filter(feed__key=feed, status="quarantined").count()

    status, words = told(watch)

    assert quotes > 20
    assert status == "fail"
    assert f"{provider.key} {feed} has failed for " in words
    # Which of four ways the simulator chose depends on the tests before this one.
    assert re.search(r"the last: (answer lacks|answer is|price is) ", words)
    assert "wrong_schema" not in words
    assert f"{quotes:,} quotes are quarantined." in words
    assert NBA not in words


def test_a_feed_that_never_had_a_quote_is_a_warning(watch: Watch) -> None:
    row = failing(watch, reason="HTTP 404")
    status, words = told(watch)
    assert status == "warn"
    assert words == (f"{watch.provider.key} {row.feed} has failed for 10 s: HTTP 404.")


def test_a_feed_that_falls_silent_beside_one_that_answers_is_named_within_its_limit(
    watch: Watch,
) -> None:
    quiet = rows.make_feed(watch.provider, observed_at=watch.now)
    for feed in (quiet, Feed.objects.exclude(pk=quiet.pk).get()):
        rows.make_feed_circuit(watch.provider, feed=feed.key, created_at=watch.now)
    limit = watch.provider.stale_after_seconds
    for seconds, expected in ((limit - 1, []), (limit + 1, [quiet.key])):
        later = quiet.observed_at + timedelta(seconds=seconds)
        Feed.objects.exclude(pk=quiet.pk).update(observed_at=later)
        assert [each.feed for each in failing_feeds(later)] == expected
    (found,) = failing_feeds(later)
    assert (found.failing_seconds, found.limit_seconds) == (limit + 1, limit)


def test_a_feed_that_has_failed_like_its_provider_from_the_first_poll_on_is_named(
    watch: Watch, simulator: RunningSimulator
) -> None:
    provider = polled_provider(simulator, sports=[EPL, NBA], stale_after_seconds=60.0)
    simulator.fail(EPL, "500")
    list(poll(provider.pk, CONFIG, lambda: watch.now))
    heard = Feed.objects.get(provider=provider)
    later = FeedCircuit.objects.latest("created_at").created_at + timedelta(seconds=61)
    Feed.objects.update(observed_at=later)

    (found,) = failing_feeds(later)

    assert NBA in heard.key
    assert f"/{EPL}/" in found.feed
    assert (found.reason, found.quarantined) == ("", 0)


def test_a_feed_that_no_poll_asks_for_any_more_alarms_nobody(watch: Watch) -> None:
    rows.make_feed(watch.provider, observed_at=watch.now - timedelta(days=3))
    gone = failing(watch)
    FeedCircuits(watch.provider, CONFIG).keep_only([])
    assert not FeedCircuit.objects.filter(pk=gone.pk).exists()
    assert told(watch) == ("pass", "Every feed that is polled answers.")


@pytest.mark.parametrize("fields", [{"enabled": False}, {"clock": "recorded"}])
def test_a_provider_that_is_not_polled_live_has_no_failing_feed(
    watch: Watch, fields: dict[str, object]
) -> None:
    failing(watch)
    Provider.objects.filter(pk=watch.provider.pk).update(**fields)
    assert failing_feeds(watch.now) == []


def test_while_the_provider_itself_fails_its_circuit_says_so_and_not_each_feed(
    watch: Watch,
) -> None:
    failing(watch)
    rows.make_circuit(watch.provider, state="open", retry_at=watch.now, reason="HTTP 503")
    assert failing_feeds(watch.now) == []


def test_quotes_of_past_events_keep_no_alarm_up(watch: Watch) -> None:
    board = rows.make_board((1.9, 2.1))
    Quote.objects.update(status="quarantined")
    row = failing(watch, provider=board.provider, feed=board.feed.key)
    assert [(each.feed, each.quarantined) for each in failing_feeds(watch.now)] == [(row.feed, 2)]
    later = board.event.commence_time + timedelta(days=1, seconds=1)
    assert [each.quarantined for each in failing_feeds(later)] == [0]
