"""A provider whose credits run low is asked less often, for as long as they are low."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.forms.models import model_to_dict

from betting.config import PollConfig
from betting.models import Provider
from streaming.models import PollRun
from streaming.polling.pacing import pace
from streaming.polling.poll import claim_due_providers, poll
from streaming.simulator.market import Market
from streaming.simulator.odds_api import OddsApi
from streaming.simulator.query import Answer
from streaming.simulator.running import RunningSimulator, running_simulator
from tests.support.logs import lines_of
from tests.support.polling import EPL, KEY, KEY_ENV, NBA, STILL, config_with, polled_provider
from tests.support.rows import NOON, make_provider

LONG_BEFORE, LONG_AFTER = (NOON.replace(year=year) for year in (2000, 2999))
"""Of any reset that an answer may name: answers tell the real time."""

POLL = PollConfig(slowest_interval_seconds=900.0)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def paces(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of how often providers are polled."""
    said = lines_of(caplog.records, "provider")
    return [line["event"] for line in said if line["action"] == "pace"]


@dataclass
class Meter:
    """A simulated market whose answers say whatever a test wants about credits."""

    market: OddsApi
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, path: str, params: Mapping[str, str], now: datetime) -> Answer:
        return replace(self.market.answer(path, params, now), headers=dict(self.headers))

    def says(self, remaining: int, last: int) -> None:
        self.headers = {
            "x-requests-remaining": str(remaining),
            "x-requests-used": "0",
            "x-requests-last": str(last),
        }


@pytest.fixture(scope="module")
def _meter() -> Meter:
    return Meter(OddsApi(Market(datetime.now(UTC), 1, [EPL, NBA], STILL), KEY))


@pytest.fixture(scope="module")
def _metered(_meter: Meter) -> Iterator[RunningSimulator]:
    with running_simulator(_meter, api_key=KEY) as simulator:
        yield simulator


@pytest.fixture
def meter(_meter: Meter, monkeypatch: pytest.MonkeyPatch) -> Meter:
    monkeypatch.setenv(KEY_ENV, KEY)
    _meter.headers = {}
    return _meter


@pytest.fixture
def metered(_metered: RunningSimulator) -> Iterator[RunningSimulator]:
    yield _metered
    _metered.faults.clear()


def provider_with(remaining: float | None, **fields: Any) -> Provider:
    """A provider polled every 30 s whose credits are renewed an hour after noon."""
    return make_provider(
        interval_seconds=30.0,
        quota_remaining=remaining,
        quota_resets_at=NOON + timedelta(hours=1),
        **fields,
    )


def pace_at(provider: Provider, now: datetime, *costs: float | None) -> Provider:
    """Pace a provider after a poll whose requests cost this; the row after it."""
    runs = [PollRun(provider=provider, quota_cost=cost) for cost in costs]
    pace(provider.pk, runs, POLL, now)
    provider.refresh_from_db()
    return provider


def polled_at(provider: Provider, now: datetime) -> Provider:
    """Poll over HTTP with a clock that stands still; the provider's row after it."""
    list(poll(provider.pk, config_with(), lambda: now))
    provider.refresh_from_db()
    return provider


def resets_at(provider: Provider) -> datetime:
    assert provider.quota_resets_at is not None
    return provider.quota_resets_at


@pytest.mark.parametrize(
    ("remaining", "interval"),
    [
        (480, None),  # 120 polls of 4 credits in an hour are one every 30 s
        (479, 4 * 3600 / 479),
        (48, 300.0),
        (16, 900.0),
        (12, 900.0),
        (3, 900.0),
        (0, 900.0),
    ],
)
def test_the_interval_is_what_the_credits_last_for(
    remaining: float, interval: float | None
) -> None:
    provider = pace_at(provider_with(remaining), NOON, 2.0, 2.0)
    assert provider.paced_interval_seconds == interval
    assert provider.quota_poll_cost == 4.0
    assert provider.interval_seconds == 30.0


def test_a_provider_that_runs_low_is_polled_at_the_slower_interval_from_then_on() -> None:
    provider = provider_with(48, next_poll_at=NOON)
    untouched = provider_with(48, next_poll_at=NOON)
    pace_at(provider, NOON, 4.0)

    claimed = {claim.provider_id: claim for claim in claim_due_providers(NOON, jitter=0.0)}

    provider.refresh_from_db()
    assert provider.next_poll_at == NOON + timedelta(seconds=300)
    assert claimed[provider.pk].expires_seconds == 300.0
    untouched.refresh_from_db()
    assert untouched.next_poll_at == NOON + timedelta(seconds=30)
    assert claimed[untouched.pk].expires_seconds == 30.0


def test_between_two_slower_polls_nothing_is_claimed() -> None:
    provider = pace_at(provider_with(48, next_poll_at=NOON), NOON, 4.0)

    claimed = [
        seconds
        for seconds in range(0, 901, 30)
        if claim_due_providers(NOON + timedelta(seconds=seconds), jitter=0.0)
    ]

    assert claimed == [0, 300, 600, 900]
    provider.refresh_from_db()
    assert provider.next_poll_at == NOON + timedelta(seconds=1200)


def test_a_slower_interval_is_jittered_like_any_other() -> None:
    provider = pace_at(provider_with(48, next_poll_at=NOON), NOON, 4.0)
    claim_due_providers(NOON, jitter=0.2)
    provider.refresh_from_db()
    assert provider.next_poll_at is not None
    assert 240 <= (provider.next_poll_at - NOON).total_seconds() <= 360


def test_an_interval_longer_than_the_slowest_is_never_shortened() -> None:
    provider = provider_with(0, next_poll_at=NOON)
    Provider.objects.update(interval_seconds=3_600.0)
    assert pace_at(provider, NOON, 4.0).paced_interval_seconds is None
    claim_due_providers(NOON, jitter=0.0)
    provider.refresh_from_db()
    assert provider.next_poll_at == NOON + timedelta(hours=1)


def test_being_slowed_down_is_said_once_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    provider = provider_with(48, key="mine")
    with caplog.at_level(logging.WARNING, "hardline.provider"):
        pace_at(provider, NOON, 4.0)
        pace_at(provider, NOON + timedelta(minutes=5), 4.0)

    (said,) = paces(caplog)
    assert said.startswith("mine is polled every 300 s: 48.0 credits are left until 2026-03-01")
    assert said.endswith("a poll costs 4.0")


def test_after_the_reset_a_provider_goes_back_to_its_pace_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider = pace_at(provider_with(48, key="mine"), NOON, 4.0)
    renewed = NOON + timedelta(hours=1)
    provider.quota_remaining, provider.quota_resets_at = 20_000, renewed + timedelta(days=31)
    provider.next_poll_at = renewed
    provider.save()
    Provider.objects.update(interval_seconds=600.0)

    caplog.clear()
    with caplog.at_level(logging.WARNING, "hardline.provider"):
        pace_at(provider, renewed, 4.0)

    assert provider.paced_interval_seconds is None
    (said,) = paces(caplog)
    assert said.startswith("mine is polled every 600 s: 20000.0 credits are left until 2026-04-01")
    claim_due_providers(renewed, jitter=0.0)
    provider.refresh_from_db()
    assert provider.next_poll_at == renewed + timedelta(seconds=600)


def test_what_is_known_to_be_over_slows_nobody_down() -> None:
    provider = provider_with(0)
    assert pace_at(provider, NOON + timedelta(hours=1), 4.0).paced_interval_seconds is None


@pytest.mark.parametrize("costs", [(), (None,), (4.0, None), (None, 4.0)])
def test_a_poll_of_unknown_cost_changes_nothing(
    costs: tuple[float | None, ...], caplog: pytest.LogCaptureFixture
) -> None:
    slow = provider_with(48, paced_interval_seconds=300.0, quota_poll_cost=4.0)
    usual = provider_with(48)
    with caplog.at_level(logging.WARNING, "hardline.provider"):
        for provider in (slow, usual):
            pace_at(provider, NOON, *costs)
    assert (slow.paced_interval_seconds, slow.quota_poll_cost) == (300.0, 4.0)
    assert (usual.paced_interval_seconds, usual.quota_poll_cost) == (None, None)
    assert paces(caplog) == []


def test_a_provider_that_names_no_quota_is_never_slowed_down() -> None:
    assert pace_at(make_provider(), NOON, 4.0).paced_interval_seconds is None


def test_only_the_provider_that_was_polled_is_paced() -> None:
    other = provider_with(48)
    pace_at(provider_with(48), NOON, 4.0)
    other.refresh_from_db()
    assert (other.paced_interval_seconds, other.quota_poll_cost) == (None, None)


def test_pacing_writes_nothing_but_the_pace() -> None:
    provider = provider_with(48)
    before = model_to_dict(provider)
    after = model_to_dict(pace_at(provider, NOON, 4.0))
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"paced_interval_seconds", "quota_poll_cost"}


def test_a_poll_paces_its_provider_by_what_all_its_answers_cost(
    metered: RunningSimulator, meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    meter.says(remaining=480, last=4)
    provider = polled_provider(metered, sports=[EPL, NBA], interval_seconds=30.0)
    polled_at(provider, LONG_AFTER)
    assert (provider.quota_poll_cost, provider.paced_interval_seconds) == (8.0, None)

    with caplog.at_level(logging.WARNING, "hardline.provider"):
        polled_at(provider, resets_at(provider) - timedelta(hours=3))

    assert provider.paced_interval_seconds == 8 * 3 * 3600 / 480
    assert any("simulated is polled every 180 s" in said for said in paces(caplog))


def test_a_poll_after_the_reset_goes_back_to_the_usual_pace(
    metered: RunningSimulator, meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    meter.says(remaining=0, last=4)
    provider = polled_at(polled_provider(metered, interval_seconds=30.0), LONG_BEFORE)
    assert provider.paced_interval_seconds == 900.0

    meter.says(remaining=1_000_000, last=4)
    caplog.clear()
    renewed = polled_at(provider, resets_at(provider) - timedelta(days=28))

    assert renewed.paced_interval_seconds is None
    assert any("simulated is polled every 30 s" in said for said in paces(caplog))


def test_a_poll_without_quota_headers_leaves_the_pace_alone(
    metered: RunningSimulator, meter: Meter, caplog: pytest.LogCaptureFixture
) -> None:
    assert meter.headers == {}
    provider = polled_at(polled_provider(metered, interval_seconds=30.0), LONG_BEFORE)

    assert PollRun.objects.get().outcome == "ok"
    pace_fields = ("quota_remaining", "quota_poll_cost", "paced_interval_seconds")
    assert [getattr(provider, name) for name in pace_fields] == [None, None, None]
    assert paces(caplog) == []


def test_a_poll_of_which_one_request_fails_leaves_the_pace_alone(
    metered: RunningSimulator, meter: Meter
) -> None:
    meter.says(remaining=0, last=4)
    metered.fail(NBA, "reset")
    provider = polled_at(
        polled_provider(metered, sports=[EPL, NBA], paced_interval_seconds=60.0), LONG_BEFORE
    )
    assert sorted(PollRun.objects.values_list("outcome", flat=True)) == ["failed", "ok"]
    assert (provider.paced_interval_seconds, provider.quota_poll_cost) == (60.0, None)
