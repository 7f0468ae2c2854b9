"""`manage.py provider`: providers added, looked at, switched, polled and removed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from redis import Redis

from betting.config import get_config
from betting.models import Clock, Feed, Provider, Quote
from streaming.models import PollOutcome, PollRun
from streaming.simulator.running import RunningSimulator, running_simulator
from tests.support import rows

pytestmark = pytest.mark.django_db

RECORDING = Path(__file__).parents[2] / "recordings" / "simulated.jsonl.gz"
SPORT = "basketball_nba"


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(sports=[SPORT]) as running:
        yield running


@pytest.fixture(autouse=True)
def _faultless(simulator: RunningSimulator) -> Iterator[None]:
    yield
    simulator.faults.clear()


@pytest.fixture
def key_variable(simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HARDLINE_KEY_MINE", simulator.api_key)
    return "HARDLINE_KEY_MINE"


def provider(*arguments: str) -> str:
    out = io.StringIO()
    call_command("provider", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        provider(*arguments)
    return str(caught.value)


def test_a_real_provider_is_one_line() -> None:
    said = provider("add", "mine", "--sport", SPORT, "--api-key-env", "HARDLINE_KEY_MINE")

    row = Provider.objects.get(key="mine")
    assert "added mine; the next tick polls it" in said
    assert "HARDLINE_KEY_MINE is not set here" in said
    assert (row.adapter, row.base_url) == ("the_odds_api", "https://api.the-odds-api.com")
    assert (row.sports, row.markets, row.regions) == ([SPORT], ["h2h", "spreads", "totals"], ["us"])
    assert (row.api_key_env, row.clock, row.enabled) == ("HARDLINE_KEY_MINE", Clock.WALL, True)


def test_an_exchange_without_keys_is_one_line_too() -> None:
    provider("add", "mine", "--adapter", "kalshi", "--sport", "baseball_mlb")

    row = Provider.objects.get(key="mine")
    assert row.base_url == "https://external-api.kalshi.com/trade-api/v2"


def test_an_adapter_without_a_public_address_asks_for_one() -> None:
    assert "--base-url: Enter an http://" in refused("add", "mine", "--adapter", "kalshi_stream")
    assert "--base-url: Enter an http://" in refused("add", "mine", "--adapter", "recording")


def test_a_sport_that_the_provider_does_not_list_is_put_right() -> None:
    sports = ("baseball_mlb", "baseball_mbl")  # the first of them is good
    said = refused("add", "mine", "--adapter", "kalshi", "--sport", *sports)
    assert "Did you mean 'baseball_mlb'?" in said


def test_a_stream_is_not_polled() -> None:
    said = refused("add", "mine", "--adapter", "kalshi_stream", "--base-url", "https://a.example")
    assert "manage.py run --feed" in said


def test_every_option_reaches_its_field() -> None:
    provider(
        "add", "mine", "--adapter", "the_odds_api", "--base-url", "http://127.0.0.1:8099",
        "--sport", "icehockey_nhl", SPORT, "--markets", "h2h", "--event-markets",
        "player_points", "alternate_spreads", "--regions", "eu", "uk", "--bookmakers", "pinnacle",
        "--interval", "12.5", "--stale-after", "40", "--odds-format", "american", "--disabled",
    )  # fmt: skip

    row = Provider.objects.get(key="mine")
    assert row.sports == ["icehockey_nhl", SPORT]
    assert row.event_markets == ["player_points", "alternate_spreads"]
    assert (row.regions, row.bookmakers) == (["eu", "uk"], ["pinnacle"])
    assert (row.interval_seconds, row.stale_after_seconds) == (12.5, 40)
    assert (row.odds_format, row.enabled) == ("american", False)


@pytest.mark.parametrize(("interval", "stale_after"), [("30", 120), ("60", 180)])
def test_a_feed_may_miss_two_polls_before_it_is_stale(interval: str, stale_after: float) -> None:
    provider("add", "mine", "--sport", SPORT, "--interval", interval)

    row = Provider.objects.get(key="mine")
    assert get_config().poll.stale_after_seconds == 120
    assert row.stale_after_seconds == stale_after


@pytest.mark.parametrize("adapter", ["recording", "betfair_stream"])
def test_a_recording_keeps_its_own_time_and_waits_to_be_enabled(adapter: str) -> None:
    provider("add", "old", "--adapter", adapter, "--base-url", str(RECORDING))

    row = Provider.objects.get(key="old")
    assert (row.clock, row.enabled, row.base_url) == (Clock.RECORDED, False, str(RECORDING))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sport", SPORT, "--adapter", "the_odds_ap"], "Did you mean 'the_odds_api'?"),
        (["--sport", SPORT, "--base-url", "odds.example"], "--base-url: Enter an http://"),
        (["--sport", SPORT, "--interval", "-1"], "--interval: Enter a number above 0"),
        (["--sport", SPORT, "--interval", "nan"], "--interval: Enter a number"),
        (
            ["--sport", SPORT, "--interval", "9", "--stale-after", "9"],
            "--stale-after: Enter more than the interval",
        ),
        (["--sport", "upcoming"], "Name the sports themselves."),
        ([], "would ask for nothing"),
        (["--adapter", "recording", "--base-url", "missing.jsonl"], "cannot be opened"),
    ],
)
def test_a_provider_that_could_not_be_polled_is_not_added(arguments: list[str], words: str) -> None:
    assert words in refused("add", "mine", *arguments)
    assert not Provider.objects.exists()


def test_all_problems_are_told_at_once() -> None:
    said = refused(
        "add", "not a key", "--sport", SPORT, "--base-url", "ftp://x", "--interval", "0",
        "--api-key-env", "lower",
    )  # fmt: skip

    for option in ("KEY:", "--base-url:", "--interval:", "--api-key-env:"):
        assert option in said


@pytest.mark.parametrize(
    "key", ["0123456789abcdef0123456789abcdef", "A94A8FE5CCB19BA61C4C0873D391E987", "sk-live-1"]
)
def test_a_key_given_for_its_variables_name_is_refused_and_not_repeated(key: str) -> None:
    said = refused("add", "mine", "--sport", SPORT, "--api-key-env", key)

    assert "NAME of the environment variable" in said
    assert key not in said


def test_a_key_that_is_taken_is_refused() -> None:
    rows.make_provider(key="mine")

    assert "already exists" in refused("add", "mine", "--sport", SPORT)


def test_an_unknown_provider_is_answered_with_the_nearest() -> None:
    assert "no provider 'mine'; none has been added" in refused("show", "mine")
    rows.make_provider(key="mine")

    assert "no provider 'mime'; did you mean mine?" in refused("show", "mime")


def test_providers_are_listed_with_their_latest_poll() -> None:
    rows.make_provider(key="quiet", enabled=False)
    busy = rows.make_provider(key="busy", quota_remaining=19_880)
    rows.make_poll_run(busy)
    failed = {"outcome": PollOutcome.FAILED, "failure_kind": "transient", "failure_code": "timeout"}
    rows.make_poll_run(busy, **failed)

    said = provider("list")
    listed = {row["key"]: row for row in json.loads(provider("list", "--json"))}

    assert "19,880" in said
    assert listed["busy"]["last_outcome"] == "failed"
    assert (listed["quiet"]["enabled"], listed["quiet"]["last_poll_at"]) == (False, None)


def test_a_provider_is_shown_with_its_feeds_and_polls() -> None:
    row = rows.make_provider(key="mine", quota_remaining=12)
    rows.make_feed(row, key="/v4/sports/x/odds?markets=h2h")
    rows.make_poll_run(row, quotes_seen=1234)

    said = provider("show", "mine")
    shown = json.loads(provider("show", "mine", "--json"))

    assert "/v4/sports/x/odds?markets=h2h" in said
    assert "1,234" in said
    assert shown["quota_remaining"] == 12
    assert [feed["key"] for feed in shown["feeds"]] == ["/v4/sports/x/odds?markets=h2h"]
    assert [poll["quotes_seen"] for poll in shown["polls"]] == [1234]


def test_a_provider_is_switched_off_and_on_again() -> None:
    row = rows.make_provider(key="mine", next_poll_at=rows.NOON.replace(year=2999))

    provider("disable", "mine")
    row.refresh_from_db()
    assert not row.enabled

    provider("enable", "mine")
    row.refresh_from_db()
    assert (row.enabled, row.next_poll_at) == (True, None)


def test_a_poll_brings_quotes_in_and_sends_their_markets_on(
    simulator: RunningSimulator, key_variable: str, redis: Redis
) -> None:
    provider(
        "add", "mine", "--base-url", simulator.base_url, "--sport", SPORT,
        "--api-key-env", key_variable,
    )  # fmt: skip

    said = provider("poll", "mine")

    run = PollRun.objects.get()
    assert run.outcome == PollOutcome.OK
    assert run.changes == Quote.objects.count() > 100
    assert f"{run.changes:,}" in said
    assert redis.llen("valuation")


@pytest.mark.usefixtures("redis")
def test_a_poll_that_fails_says_why_and_ends_in_failure(
    simulator: RunningSimulator, key_variable: str
) -> None:
    simulator.fail(SPORT, "invalid_json")
    provider(
        "add", "mine", "--base-url", simulator.base_url, "--sport", SPORT,
        "--api-key-env", key_variable,
    )  # fmt: skip
    out = io.StringIO()

    with pytest.raises(CommandError, match="1 of 1 requests failed"):
        call_command("provider", "poll", "mine", stdout=out)

    assert f"data failure: {PollRun.objects.get().failure_message}" in out.getvalue()
    assert not Quote.objects.exists()


def test_a_disabled_provider_is_not_polled() -> None:
    rows.make_provider(key="mine", enabled=False)

    assert "`manage.py provider enable mine` first" in refused("poll", "mine")
    assert not PollRun.objects.exists()


def test_removing_asks_for_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    rows.make_provider(key="mine")
    answers = iter(["yes", "", "mine"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))

    assert "not removed" in refused("remove", "mine")
    assert "not removed" in refused("remove", "mine")
    assert Provider.objects.exists()
    provider("remove", "mine")

    assert not Provider.objects.exists()


def test_removing_says_what_goes() -> None:
    board = rows.make_board((1.9, 2.1), provider=rows.make_provider(key="mine"))
    rows.make_poll_run(board.provider)

    said = provider("remove", "mine", "--yes")

    for words in ("1 feeds", "2 quotes", "2 line changes", "2 edges", "1 events", "1 poll runs"):
        assert words in said
    assert not Feed.objects.exists()
