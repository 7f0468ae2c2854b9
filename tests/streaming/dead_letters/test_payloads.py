"""An answer that could not be read is kept, and read again once that is mended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from betting.models import Provider, Quote
from streaming.core.failures import DataFailure
from streaming.core.letters import Kind
from streaming.dead_letters.payloads import REPLAY_PAYLOAD
from streaming.dead_letters.store import POLL_PROVIDER
from streaming.models import DeadLetter, FeedCircuit, PollRun
from streaming.providers.the_odds_api.adapter import TheOddsApi
from streaming.simulator.running import RunningSimulator
from streaming.tasks import replay_payload
from tests.support.polling import KEY, config_with, poll_now, polled_provider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


@pytest.fixture
def provider(simulator: RunningSimulator) -> Provider:
    return polled_provider(simulator)


def broken(*_: Any) -> None:
    raise DataFailure("wrong_schema", "Expected `int`, got `str`", "$[0].price")


def poll_broken(provider: Provider, monkeypatch: pytest.MonkeyPatch, **fetch: Any) -> PollRun:
    """Poll with a decoder that reads nothing."""
    with monkeypatch.context() as patch:
        patch.setattr(TheOddsApi, "decode", broken)
        (run,) = poll_now(provider, config_with(**fetch))
    return run


def test_an_answer_that_could_not_be_read_is_ingested_when_it_can_be(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = poll_broken(provider, monkeypatch)
    letter = DeadLetter.objects.get()
    assert (letter.kind, letter.task, letter.provider) == (
        Kind.PAYLOAD,
        REPLAY_PAYLOAD,
        "simulated",
    )
    assert (letter.feed, letter.message) == (run.feed, run.failure_message)
    assert letter.is_complete
    assert letter.kwargs["path"] == "/v4/sports/soccer_epl/odds"
    assert '"bookmakers"' in letter.body
    assert not Quote.objects.exists()

    replay_payload(**letter.kwargs)

    assert Quote.objects.count() > 0


def test_an_answer_of_before_its_feed_failed_does_not_bring_its_quotes_back(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll_broken(provider, monkeypatch)
    (letter,) = DeadLetter.objects.all()
    received = datetime.fromisoformat(letter.kwargs["received_at"])
    FeedCircuit.objects.update(
        state="open", since=received + timedelta(seconds=1), retry_at=received + timedelta(hours=1)
    )
    replay_payload(**letter.kwargs)
    assert not Quote.objects.exists()


def test_an_answer_that_still_cannot_be_read_fails_its_replay(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll_broken(provider, monkeypatch)
    monkeypatch.setattr(TheOddsApi, "decode", broken)
    with pytest.raises(DataFailure, match="Expected `int`"):
        replay_payload(**DeadLetter.objects.get().kwargs)


def test_a_provider_that_stays_broken_is_one_letter_with_its_newest_answer(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll_broken(provider, monkeypatch)
    first = DeadLetter.objects.get()
    poll_broken(provider, monkeypatch)
    letter = DeadLetter.objects.get()
    assert letter.count == 2
    assert letter.kwargs["received_at"] > first.kwargs["received_at"]


def test_no_key_is_kept(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    poll_broken(provider, monkeypatch)
    letter = DeadLetter.objects.get()
    kept = [str(value) for value in vars(letter).values()]
    assert not [value for value in kept if KEY in value]


def test_an_answer_too_large_to_be_read_at_all_is_asked_for_again(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll_broken(provider, monkeypatch, max_body_bytes=1_024)
    letter = DeadLetter.objects.get()
    assert (letter.kind, letter.task, letter.args) == (Kind.PAYLOAD, POLL_PROVIDER, [provider.pk])


def test_a_failure_that_is_not_in_the_data_is_no_letter(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARDLINE_KEY_TESTS", "another")
    (run,) = poll_now(provider)
    assert run.failure_kind == "permanent"
    assert not DeadLetter.objects.exists()
