"""The first sentence: in each state, and since when that is so."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from redis import Redis

from betting.models import QuoteStatus
from streaming.models import HealthSnapshot
from tests.support import rows
from tests.support.watch import Watch

pytestmark = pytest.mark.django_db

HEALTH = "/admin/streaming/health/"
MINUTE = timedelta(minutes=1)


def verdict(client: Client, address: str = HEALTH) -> str:
    """The sentence as people read it."""
    page = client.get(address).content.decode()
    found = re.search(r'<p class="op-verdict">(.*?)</p>', page, re.DOTALL)
    assert found is not None
    return unescape(re.sub(r"<[^>]+>", "", found[1]))


def tone(client: Client) -> str:
    found = re.search(r'data-tone="(\w+)"', client.get(HEALTH).content.decode())
    assert found is not None
    return found[1]


def open_circuit(watch: Watch) -> None:
    """Let the only provider answer HTTP 503 until its circuit opens, and take its quotes off."""
    rows.make_poll_run(
        watch.provider,
        outcome="failed",
        failure_kind="transient",
        failure_code="server_error",
        failure_message="HTTP 503",
        http_status=503,
        started_at=watch.now,
    )
    rows.make_circuit(
        watch.provider,
        state="open",
        since=watch.now,
        retry_at=watch.now + timedelta(seconds=160),
        reason="3 failures in a row",
    )
    feed = watch.provider.feeds.get()
    market = rows.make_market(rows.make_event(watch.provider))
    for name in ("one", "two"):
        outcome = rows.make_outcome(market, name)
        rows.make_quote(outcome, feed, status=QuoteStatus.QUARANTINED)


def test_all_well_since_the_last_check_began_to_pass(at_noon: Watch, operator: Client) -> None:
    rows.make_circuit(at_noon.provider, state="open", since=at_noon.now, reason="failures")
    assert at_noon.statuses()["circuits"] == "fail"
    at_noon.provider.circuit.delete()
    assert set(at_noon.statuses().values()) == {"pass"}
    began = at_noon.now
    for _ in range(3):
        at_noon.statuses()

    assert verdict(operator) == f"Well since {began:%H:%M:%S} (30 s): All 25 checks pass."
    assert tone(operator) == "good"


@pytest.mark.usefixtures("at_noon")
def test_a_start_without_history_is_well_since_then_or_longer(operator: Client) -> None:
    first = HealthSnapshot.objects.earliest("id").taken_at

    assert verdict(operator).startswith(f"Well since {first:%H:%M:%S} (10 s or longer): All")


def test_a_provider_that_is_down_is_named_with_its_answer_and_the_cost(
    at_noon: Watch, operator: Client
) -> None:
    open_circuit(at_noon)
    opened = at_noon.now
    at_noon.look()
    at_noon.now = opened + timedelta(seconds=151)
    at_noon.look(timedelta(0))

    assert verdict(operator) == (
        f"Not well since {opened:%H:%M:%S} (2 min 31 s): {at_noon.provider.key} answers HTTP 503."
        " 2 quotes quarantined, board empty. Next probe in 9 s."
    )
    page = operator.get(HEALTH).content.decode()
    assert f"/admin/streaming/circuit/{at_noon.provider.circuit.pk}/change/" in page
    assert "/admin/docs/runbook.md#a-circuit-is-open" in page
    assert "What to do:</strong> Nothing: probes go on by themselves" in page
    assert tone(operator) == "bad"


def test_a_circuit_that_waits_for_a_person_says_what_that_person_does(
    at_noon: Watch, operator: Client
) -> None:
    open_circuit(at_noon)
    circuits = at_noon.provider.circuit.__class__.objects
    circuits.update(advice="Check the <key>. Then reset the circuit.")
    at_noon.look()
    page = operator.get(HEALTH).content.decode()
    assert "What to do:</strong> Check the &lt;key&gt;. Then reset the circuit." in page
    assert "Poll now" not in page  # the circuit would refuse

    circuits.update(mode="forced_open", reason="a drill", advice="")
    page = operator.get(HEALTH).content.decode()
    assert "What to do:</strong> Reset the circuit when the provider may be polled" in page


def test_a_failed_probe_does_not_change_since_when_it_is_not_well(
    at_noon: Watch, operator: Client
) -> None:
    open_circuit(at_noon)
    opened = at_noon.now
    for _ in range(6):
        at_noon.look()
        at_noon.provider.circuit.__class__.objects.update(
            retry_at=at_noon.now + MINUTE, reason="The probe failed: HTTP 503"
        )

    assert f"since {opened:%H:%M:%S} (1 min)" in verdict(operator)


def test_one_provider_of_two_that_is_down_is_a_warning(at_noon: Watch, operator: Client) -> None:
    other = rows.make_provider(interval_seconds=30.0)
    rows.make_feed(other, observed_at=at_noon.now)
    open_circuit(at_noon)

    assert verdict(operator).startswith(f"Take care since {at_noon.now:%H:%M:%S} (0 s): ")
    assert f"{at_noon.provider.key} answers HTTP 503." in verdict(operator)
    assert tone(operator) == "warn"


def test_an_operator_who_holds_a_circuit_open_is_named_as_the_cause(
    at_noon: Watch, operator: Client
) -> None:
    rows.make_circuit(
        at_noon.provider, mode="forced_open", since=at_noon.now, reason="Maintenance until 14:00."
    )

    said = "an operator holds its circuit open: Maintenance until 14:00. 0 quotes"
    assert said in verdict(operator)
    assert "Next probe" not in verdict(operator)


def test_a_provider_that_is_silent_without_a_failure_is_named(
    at_noon: Watch, operator: Client
) -> None:
    limit = timedelta(seconds=at_noon.provider.stale_after_seconds)
    at_noon.provider.feeds.update(observed_at=at_noon.now - limit - 3 * MINUTE)

    since = at_noon.now - 3 * MINUTE
    assert verdict(operator) == (
        f"Not well since {since:%H:%M:%S} (3 min): {at_noon.provider.key} is silent."
        " 0 quotes quarantined, board empty."
    )


def test_stopped_workers_are_named_with_the_time_of_the_last_snapshot(
    at_noon: Watch, operator: Client
) -> None:
    taken = at_noon.now
    at_noon.now += timedelta(seconds=12)
    assert verdict(operator).startswith("Well since")
    at_noon.now += timedelta(seconds=60)

    said = verdict(operator)
    assert said.startswith(f"Not checked since {taken:%H:%M:%S} (1 min 12 s): Beat or worker-io")
    assert "nobody takes snapshots" in said
    assert tone(operator) == "bad"
    page = operator.get(HEALTH).content.decode()
    assert "/admin/docs/runbook.md#workers" in page
    assert "What to do:</strong> Start the process that is missing" in page
    assert "data-unchecked" in page  # its figures lose their colours


@pytest.mark.usefixtures("at_noon")
def test_no_snapshot_yet_is_said(operator: Client) -> None:
    HealthSnapshot.objects.all().delete()

    assert verdict(operator).startswith("Not checked yet: No snapshot was ever taken.")
    assert tone(operator) == "bad"


@pytest.mark.usefixtures("at_noon")
def test_a_start_without_a_snapshot_is_no_alarm_yet(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streaming.health.starting.running_seconds", lambda: 5.0)
    HealthSnapshot.objects.all().delete()

    assert verdict(operator).startswith("Not checked yet:")
    assert tone(operator) == "warn"


def test_a_cause_is_named_before_what_follows_from_it(
    at_noon: Watch, operator: Client, redis: Redis
) -> None:
    """Beat is dead: the provider's silence follows from that."""
    redis.flushdb()
    at_noon.now += timedelta(hours=1)
    at_noon.look(timedelta(0))

    assert verdict(operator).endswith("Beat has never ticked. Nothing is polled or swept.")
    assert "/admin/docs/runbook.md#beat" in operator.get(HEALTH).content.decode()


def test_a_lesser_trouble_that_does_not_follow_from_the_cause_is_named_too(
    at_noon: Watch, operator: Client
) -> None:
    other = rows.make_provider(interval_seconds=30.0)
    rows.make_feed(other, observed_at=at_noon.now)
    open_circuit(at_noon)
    market = rows.make_market(rows.make_event(other), version=2, valued_version=1)
    market.dirty_at = at_noon.now - MINUTE
    market.save()

    said = verdict(operator)

    assert said.startswith("Not well since")
    assert "1 market waits for a valuation" in said
    assert said.endswith("Also not well: circuits.")


def test_the_dashboard_begins_with_the_same_sentence(at_noon: Watch, operator: Client) -> None:
    open_circuit(at_noon)

    assert verdict(operator, "/admin/") == verdict(operator)
