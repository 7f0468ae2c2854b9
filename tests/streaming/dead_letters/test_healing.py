"""Letters that are closed because their work has been done since."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from streaming.dead_letters.healing import heal
from streaming.models import DeadLetter, FeedCircuit
from tests.support.rows import (
    NOON,
    make_dead_letter,
    make_market,
    make_poll_run,
    make_provider,
)

LATER = NOON + timedelta(seconds=1)

pytestmark = pytest.mark.django_db


def status_of(letter: DeadLetter) -> str:
    heal()
    letter.refresh_from_db()
    return letter.status


def test_a_recompute_is_healed_once_all_its_markets_are_valued() -> None:
    valued, waits = make_market(version=2, valued_version=2), make_market(version=2)
    letter = make_dead_letter(args=[[valued.pk, waits.pk], "batch"])
    assert status_of(letter) == "new"
    waits.valued_version = 2
    waits.save()
    assert status_of(letter) == "healed"


def test_a_poll_is_healed_once_each_feed_that_is_asked_for_has_answered() -> None:
    provider = make_provider()
    for feed in ("epl", "nba"):
        FeedCircuit.objects.create(provider=provider, feed=feed)
    FeedCircuit.objects.create(provider=provider, feed="nfl", state="open", retry_at=LATER)
    letter = poll_letter(provider.key)
    make_poll_run(provider, feed="epl", started_at=NOON - timedelta(seconds=1))
    make_poll_run(provider, feed="nba", started_at=NOON - timedelta(seconds=1))
    assert status_of(letter) == "new"
    make_poll_run(provider, feed="epl", started_at=LATER)
    make_poll_run(provider, feed="nba", started_at=LATER, outcome="superseded")
    assert status_of(letter) == "new"
    make_poll_run(provider, feed="nba", started_at=LATER)
    assert status_of(letter) == "healed"


def test_an_answer_of_scores_heals_no_poll() -> None:
    provider = make_provider()
    letter = poll_letter(provider.key)
    make_poll_run(provider, feed="/v4/sports/soccer_epl/scores", started_at=LATER)
    assert status_of(letter) == "new"
    make_poll_run(provider, feed="/v4/sports/soccer_epl/odds", started_at=LATER)
    assert status_of(letter) == "healed"


def test_a_poll_of_a_provider_that_never_answered_waits() -> None:
    assert status_of(poll_letter(make_provider().key)) == "new"


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "undecodable"},
        {"is_complete": False},
        {"args": []},
        {"args": ["•••"]},
        {"task": "streaming.deliver"},
        {"status": "discarded", "discard_reason": "known"},
    ],
)
def test_what_needs_a_person_is_left_to_one(fields: dict[str, Any]) -> None:
    market = make_market(version=2, valued_version=2)
    letter = make_dead_letter(**{"args": [[market.pk], "batch"], **fields})
    assert status_of(letter) == fields.get("status", "new")


def test_arguments_that_are_no_ids_of_markets_harm_nothing() -> None:
    waits = make_market(version=2)
    assert status_of(make_dead_letter(args=[["•••", None, waits.pk], "batch"])) == "new"


def poll_letter(provider: str) -> DeadLetter:
    return make_dead_letter(task="streaming.poll_provider", args=[1], provider=provider)
