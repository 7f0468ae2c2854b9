"""The API key leaves the process on the wire alone, whatever a provider answers."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pytest

from betting.models import Bookmaker, Provider
from streaming.models import PollOutcome, PollRun
from streaming.simulator.faults import FaultKind
from streaming.simulator.query import Answer
from streaming.simulator.running import RunningSimulator, running_simulator
from tests.support.logs import lines_of
from tests.support.polling import EPL, KEY, KEY_ENV, config_with, poll_now, polled_provider
from tests.support.rows import make_provider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@dataclass(frozen=True)
class Parrot:
    """Repeats the key wherever an answer has room for it."""

    status: int
    body: str

    def answer(self, _path: str, params: Mapping[str, str], _now: datetime) -> Answer:
        key = params["apiKey"]
        headers = {"x-requests-remaining": key, "Location": f"/?apiKey={key}", "Retry-After": key}
        return Answer(self.status, self.body.replace("KEY", key).encode(), headers)


def assert_key_appears_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in a row, nor in a log line, nor in a traceback, the locals of its frames included.

    Error trackers send the locals of every frame along.
    """
    assert KEY not in str(list(PollRun.objects.values()))
    assert KEY not in str([*Bookmaker.objects.values(), *Provider.objects.values()])
    assert KEY not in caplog.text
    for record in caplog.records:
        assert KEY not in str(vars(record))
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, BaseException):
                shown = traceback.TracebackException.from_exception(argument, capture_locals=True)
                assert KEY not in "".join(shown.format())


LISTING = f"""[
    {{"id": "KEY", "sport_key": "{EPL}", "sport_title": "KEY", "home_team": "KEY",
    "away_team": "Mill Otters", "commence_time": "2026-03-01T12:00:00Z", "bookmakers": [
        {{"key": "ace", "title": "KEY", "markets": [
            {{"key": "h2h", "outcomes": [{{"name": "KEY", "price": 2.0}}]}}
        ]}}
    ]}}
]"""


@pytest.mark.parametrize(
    ("parrot", "outcome"),
    [
        (Parrot(200, LISTING), PollOutcome.OK),
        (Parrot(200, '{"KEY": "KEY"}'), PollOutcome.FAILED),
        (Parrot(200, '["KEY"]'), PollOutcome.FAILED),
        (Parrot(200, "KEY"), PollOutcome.FAILED),
        (Parrot(302, "moved to /?apiKey=KEY"), PollOutcome.FAILED),
        (Parrot(401, '{"message": "KEY is no key", "error_code": "KEY"}'), PollOutcome.FAILED),
        (Parrot(422, '{"message": "apiKey=KEY", "error_code": "INVALID_KEY"}'), PollOutcome.FAILED),
        (Parrot(500, "<html>GET /odds?apiKey=KEY failed</html>"), PollOutcome.FAILED),
    ],
)
def test_an_answer_that_repeats_the_key_gives_it_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    parrot: Parrot,
    outcome: PollOutcome,
) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)
    caplog.set_level("DEBUG")
    with running_simulator(parrot) as simulator:
        run = poll_now(polled_provider(simulator))[0]
    assert run.outcome == outcome
    assert_key_appears_nowhere(caplog)


@pytest.mark.parametrize("kind", ["500", "401", "reset", "hang", "truncated", "gzip_bomb"])
def test_no_failure_shows_the_key(
    simulator: RunningSimulator, caplog: pytest.LogCaptureFixture, kind: FaultKind
) -> None:
    caplog.set_level("DEBUG")
    simulator.fail(EPL, kind)
    config = config_with(read_timeout_seconds=0.3, max_body_bytes=1_000_000)
    run = poll_now(polled_provider(simulator), config)[0]
    assert run.outcome == PollOutcome.FAILED
    (said,) = lines_of(caplog.records, "provider")
    assert said["status"] in {"failed", "timeout"}
    assert_key_appears_nowhere(caplog)


@pytest.mark.parametrize(
    ("base_url", "code"),
    [
        ("http://127.0.0.1:9", "connect"),
        ("http://nowhere.invalid", "dns"),
        ("ftp://127.0.0.1", "invalid_url"),
        ("http://127.0.0.1:99999", "invalid_url"),
    ],
)
def test_no_address_that_cannot_be_asked_shows_the_key(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, base_url: str, code: str
) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)
    caplog.set_level("DEBUG")
    run = poll_now(make_provider(base_url=base_url, api_key_env=KEY_ENV))[0]
    assert (run.outcome, run.failure_code) == (PollOutcome.FAILED, code)
    assert_key_appears_nowhere(caplog)
