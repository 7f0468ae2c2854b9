"""What a check says: what was measured, the limit, since when, and what follows from it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from redis import Redis

from betting.models import Feed, Provider, QuoteStatus
from streaming.core.durations import spoken
from streaming.health import servers, stream
from streaming.health.checks import CHECKS, worst_group
from streaming.health.report import HealthReport, build_report
from streaming.models import HealthSnapshot
from tests.support import rows
from tests.support.watch import Watch

# What is asked now is asked on a connection of its own, which sees what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

OUTAGE = timedelta(minutes=14, seconds=28)
SETTLED = timedelta(seconds=40)


@pytest.fixture
def at_noon(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The endpoints see the clock of the watch."""
    monkeypatch.setattr(
        "streaming.health.observations.look_at_stream", lambda: stream.look_at_stream(watch.now)
    )
    watch.statuses(SETTLED)
    return watch


def asked(watch: Watch) -> dict[str, tuple[str, str, datetime | None]]:
    """Check → its status, its text and since when, as whoever asks now is told."""
    return {c.name: (c.status.value, c.detail, c.since) for c in build_report(watch.config).checks}


def on_the_board(provider: Provider, quotes: int, status: QuoteStatus) -> None:
    feed = provider.feeds.get()
    outcome = rows.make_outcome(rows.make_market(), "Home")
    for _ in range(quotes):
        rows.make_quote(outcome, feed, status=status)


def test_a_silent_provider_is_named_with_its_limit_and_what_it_costs(at_noon: Watch) -> None:
    on_the_board(at_noon.provider, 3, QuoteStatus.QUARANTINED)
    limit = at_noon.provider.stale_after_seconds
    Feed.objects.update(observed_at=at_noon.now - OUTAGE)

    status, text, since = asked(at_noon)["provider_silence"]

    assert status == "fail"
    assert text == (
        f"{at_noon.provider.key} has not answered for 14 min 28 s (limit {limit / 60:g} min)."
        " 3 quotes are quarantined, 0 edges are open."
    )
    assert since == at_noon.now - OUTAGE + timedelta(seconds=limit)


def test_a_provider_on_its_way_to_silence_says_when_its_quotes_are_taken_off(
    at_noon: Watch,
) -> None:
    limit = at_noon.provider.stale_after_seconds
    Feed.objects.update(observed_at=at_noon.now - timedelta(seconds=limit * 0.6))

    status, text, _ = asked(at_noon)["provider_silence"]

    assert status == "warn"
    assert text == (
        f"{at_noon.provider.key} has not answered for {spoken(limit * 0.6)}"
        f" (limit {spoken(limit / 2)})."
        f" Its quotes are quarantined from {limit / 60:g} min on."
    )


def test_a_provider_that_never_answered_is_not_hidden_by_one_that_does(at_noon: Watch) -> None:
    unheard = rows.make_provider()
    begun = at_noon.now - OUTAGE
    rows.make_poll_run(unheard, started_at=begun, outcome="failed", failure_code="timeout")
    rows.make_poll_run(unheard, started_at=at_noon.now, outcome="failed", failure_code="timeout")

    status, text, since = asked(at_noon)["provider_silence"]

    limit = unheard.stale_after_seconds
    assert status == "fail"
    assert text == (
        f"{unheard.key} was first polled 14 min 28 s ago and has never answered"
        f" (limit {limit / 60:g} min). It has no price."
    )
    assert since == begun + timedelta(seconds=limit)


def test_an_open_circuit_says_how_long_why_and_what_it_costs(at_noon: Watch) -> None:
    on_the_board(at_noon.provider, 2, QuoteStatus.QUARANTINED)
    begun = at_noon.now - OUTAGE
    rows.make_circuit(
        at_noon.provider, state="half_open", since=begun, reason="The probe failed: HTTP 503"
    )

    status, text, since = asked(at_noon)["circuits"]

    assert (status, since) == ("fail", begun)
    assert text == (
        f"The circuit of {at_noon.provider.key} has been open for 14 min 28 s: The probe failed:"
        " HTTP 503. 2 quotes are quarantined, 0 edges are open."
    )


def test_an_edge_that_nobody_vouches_for_is_not_counted_as_open(at_noon: Watch) -> None:
    rows.make_board((1.9, 2.1), voices=3)
    on_the_board(at_noon.provider, 1, QuoteStatus.QUARANTINED)
    at_noon.provider.feeds.update(observed_at=at_noon.now - OUTAGE)
    assert "1 edge is open" in asked(at_noon)["provider_silence"][1]

    Provider.objects.update(generation=1)

    assert "0 edges are open" in asked(at_noon)["provider_silence"][1]


def test_of_a_provider_that_is_well_no_quote_is_counted(at_noon: Watch) -> None:
    on_the_board(at_noon.provider, 2, QuoteStatus.QUARANTINED)

    (facts,) = stream.look_at_stream(at_noon.now).providers

    assert facts.quarantined == 0


def gone(watch: Watch, redis: Redis) -> HealthReport:
    """Beat and all workers have been gone for a while, and somebody asks."""
    seconds, _ = redis.time()
    redis.set("hardline:tick", seconds - OUTAGE.total_seconds())
    watch.now += OUTAGE
    return build_report(watch.config)


def test_beat_and_all_workers_dead_leave_less_than_half_of_the_score(
    at_noon: Watch, redis: Redis
) -> None:
    report = gone(at_noon, redis)

    assert report.score < 50
    statuses = {check.name: check.status.value for check in report.checks}
    assert (statuses["beat"], statuses["workers"]) == ("fail", "fail")
    assert worst_group(report.checks) in {"processes", "providers"}


def test_the_only_provider_down_leaves_less_than_half_of_the_score(at_noon: Watch) -> None:
    Feed.objects.update(observed_at=at_noon.now - OUTAGE)

    assert build_report(at_noon.config).score < 50


def test_nobody_who_asks_twice_is_told_another_beginning(at_noon: Watch, redis: Redis) -> None:
    taken_at = HealthSnapshot.objects.latest("id").taken_at
    gone(at_noon, redis)
    first = asked(at_noon)
    at_noon.now += timedelta(seconds=30)
    again = asked(at_noon)

    for name in ("workers", "activity", "provider_silence"):
        assert first[name][0] == "fail"
        assert again[name][2] == first[name][2] is not None
    assert first["workers"][2] == taken_at + timedelta(seconds=30)
    # What nobody has recorded and no row tells is not dated.
    assert first["disk"][2] is again["disk"][2] is None


def test_metrics_leave_out_workers_that_nobody_has_asked_lately(
    client: Client, at_noon: Watch, redis: Redis
) -> None:
    assert "hardline_workers{" in client.get("/metrics").content.decode()

    gone(at_noon, redis)
    old = client.get("/metrics").content.decode()

    assert "hardline_workers{" not in old
    assert "hardline_workers_asked_seconds 868.0" in old


def test_every_check_speaks_in_sentences(at_noon: Watch, redis: Redis) -> None:
    well, wrong = build_report(at_noon.config), gone(at_noon, redis)
    texts = [check.detail for report in (well, wrong) for check in report.checks]

    assert len(texts) == 2 * len(CHECKS)
    for text in texts:
        assert text.endswith("."), text
        assert text[0].isupper() or text[0].isdigit() or text.startswith("provider_"), text


def test_the_limits_of_every_queue_are_named(at_noon: Watch, redis: Redis) -> None:
    redis.lpush("major", *["{}"] * 600)

    status, text, _ = asked(at_noon)["queue_backlog"]

    assert status == "warn"
    assert text == (
        "600 messages wait in major (limit 500). More messages arrive than workers take, so"
        " their work is late."
    )
    assert set(servers.queue_names()) == {"coalesce", "valuation", "major", "poll", "deliver"}
