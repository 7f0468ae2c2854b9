"""Dead letters by cause: grouped by the database, acted on as one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from streaming.core.letter_words import letter_sentence
from streaming.core.letters import Kind
from streaming.dead_letters import causes
from streaming.models import DeadLetter, DeadLetterAction, LetterStatus
from tests.support.rows import NOON, make_dead_letter, make_dead_letter_action
from tests.support.staff import client_of

PAGE = "admin:streaming_deadletter_causes"
FEED = "/v4/sports/soccer_epl/odds?markets=h2h"
LACKING = "Object missing required field `commence_time`. (at $[0])"

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> Client:
    return client_of("view_deadletter", "change_deadletter")


def unread(**fields: Any) -> DeadLetter:
    """An answer that could not be read."""
    values = {
        "kind": "payload", "task": "streaming.replay_payload", "args": [], "provider": "simulator",
        "feed": FEED, "exception": "streaming.core.failures.DataFailure", "message": LACKING,
    }  # fmt: skip
    return make_dead_letter(**{**values, **fields})


def found() -> list[causes.Cause]:
    return causes.in_words(list(causes.grouped(DeadLetter.objects.all())))


def shown(client: Client, **query: str) -> str:
    response = client.get(reverse(PAGE), query)
    assert response.status_code == 200
    return response.content.decode()


def act(client: Client, act: str, cause: str, **answers: str) -> HttpResponse:
    data = {"act": act, "cause": cause, **answers}
    return client.post(reverse(PAGE), data, follow=True)  # type: ignore[return-value]  # the stubs' own response


def test_letters_of_one_cause_are_one_row_with_how_often_and_when() -> None:
    unread(count=4, first_seen=NOON, last_seen=NOON + timedelta(seconds=5))
    newest = unread(
        count=5, first_seen=NOON, last_seen=NOON + timedelta(seconds=25),
        message=LACKING.replace("[0]", "[17]"),
    )  # fmt: skip
    (cause,) = found()
    assert cause.sentence == "soccer_epl from simulator: answer lacks commence_time"
    assert cause.happened == "9 times in 2 letters"
    assert cause.seen == "2026-03-01 12:00:00–12:00:25"
    assert cause.newest == newest
    assert (cause.letters, cause.new, cause.replaying) == (2, 2, 0)


@pytest.mark.parametrize(
    "other",
    [
        {"provider": "rival"},
        {"feed": FEED.replace("soccer_epl", "basketball_nba")},
        {"message": LACKING.replace("commence_time", "home_team")},
        {"fingerprint": "1111111111111111"},
    ],
)
def test_another_provider_feed_field_or_place_is_another_cause(other: dict[str, str]) -> None:
    unread()
    unread(**other)
    assert len(found()) == 2


def test_a_task_that_fails_on_different_values_has_one_cause() -> None:
    make_dead_letter(message="no market 17")
    make_dead_letter(message="nothing here", args=[[2], "batch"])
    assert [cause.letters for cause in found()] == [2]


def test_each_subscriber_that_gets_no_deliveries_is_a_cause() -> None:
    for name in ("alerts", "alerts", "betting-desk"):
        make_dead_letter(kind="delivery", args=[name, []], message="503 Service Unavailable")
    assert sorted((cause.sentence, cause.letters) for cause in found()) == [
        ("alerts: notifications were not delivered: 503 Service Unavailable", 2),
        ("betting-desk: notifications were not delivered: 503 Service Unavailable", 1),
    ]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_failure_has_words(kind: Kind) -> None:
    words = letter_sentence(kind, "a.task", "builtins.KeyError", "no sport")
    assert words.startswith("a.task: ")
    assert len(words) > len("a.task: ")


def test_a_cause_says_how_its_last_replay_ended(operator: Client) -> None:
    first, second = unread(), unread()
    make_dead_letter_action(first, outcome="succeeded", ended_at=NOON)
    failed = make_dead_letter_action(second, ended_at=NOON, error="still <broken>")
    make_dead_letter_action(first, outcome="waiting")
    (cause,) = found()
    assert cause.last_replay == failed
    assert cause.has_failed_again
    page = shown(operator)
    assert "last replay" in page
    assert "still &lt;broken&gt;" in page


def test_a_replay_that_fails_as_before_does_not_say_it_twice() -> None:
    letter = unread()
    make_dead_letter_action(letter, error=f"{letter.exception}: {letter.message}"[:60])
    assert [cause.replay_error for cause in found()] == [""]
    make_dead_letter_action(letter, error="builtins.KeyError: no sport")
    assert [cause.replay_error for cause in found()] == ["builtins.KeyError: no sport"]


def test_the_page_takes_as_many_statements_for_ten_times_the_letters(operator: Client) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            shown(operator)
        return len(captured)

    def fill(size: int) -> None:
        for number in range(size):
            letter = unread(feed=f"{FEED}&of={number % 4}{size}", provider=f"p{number % 4}")
            make_dead_letter_action(letter, ended_at=NOON)
            make_dead_letter(fingerprint=f"{number + size:016x}")

    fill(2)
    few = statements()
    fill(18)
    assert statements() == few
    assert few <= 12


def test_the_page_lists_open_causes_and_on_request_all_of_them(operator: Client) -> None:
    unread()
    unread(provider="rival", status=LetterStatus.REPLAYED)
    assert "from rival" not in shown(operator)
    assert "from rival" in shown(operator, show="all")


def test_a_long_list_of_causes_has_pages(operator: Client) -> None:
    for number in range(30):
        unread(provider=f"p{number:02}", last_seen=NOON + timedelta(seconds=number))
    first, second = shown(operator), shown(operator, page="2")
    assert "from p29:" in first
    assert "from p00:" not in first
    assert "from p00:" in second


def test_a_cause_leads_to_its_letters(operator: Client) -> None:
    unread()
    unread(provider="rival")
    cause = next(each for each in found() if "rival" in each.sentence)
    url = f"{reverse('admin:streaming_deadletter_changelist')}?cause={cause.key}"
    assert url in shown(operator)
    listed = operator.get(url).content.decode()
    results = listed[listed.index('id="result_list"') :]
    assert "from rival" in results
    assert "from simulator" not in results


def test_a_link_to_a_cause_that_is_gone_lists_nothing(operator: Client) -> None:
    unread()
    url = f"{reverse('admin:streaming_deadletter_changelist')}?cause={'0' * 32}"
    assert 'id="result_list"' not in operator.get(url).content.decode()


def test_all_open_letters_of_a_cause_are_replayed_and_no_others(operator: Client) -> None:
    chosen = [unread(), unread()]
    incomplete, other = unread(is_complete=False), unread(provider="rival")
    done = unread(status=LetterStatus.REPLAYED)
    key = next(each.key for each in found() if each.letters == 4)
    page = act(operator, "replay", key).content.decode()
    assert "2 will be replayed; 1 not" in page
    asked = DeadLetterAction.objects.order_by("letter_id")
    assert [(action.letter, action.requested_by) for action in asked] == [
        (letter, "ana") for letter in chosen
    ]
    assert act(operator, "replay", key).status_code == 200
    assert asked.count() == 2
    for letter in (incomplete, other):
        letter.refresh_from_db()
        assert letter.status == LetterStatus.NEW
    done.refresh_from_db()
    assert done.status == LetterStatus.REPLAYED


def test_a_cause_is_discarded_for_a_reason(operator: Client) -> None:
    letters = [unread(), unread()]
    other = unread(provider="rival")
    key = next(each.key for each in found() if each.letters == 2)
    asked = act(operator, "discard", key).content.decode()
    assert "soccer_epl from simulator: answer lacks commence_time (2)" in asked
    assert "Why?" in asked
    assert not DeadLetterAction.objects.exists()
    assert "2 discarded" in act(operator, "discard", key, reason="a known bug").content.decode()
    for letter in letters:
        letter.refresh_from_db()
        assert (letter.status, letter.discard_reason) == ("discarded", "a known bug")
    other.refresh_from_db()
    assert other.status == "new"


def test_who_may_only_look_sees_causes_and_no_buttons() -> None:
    unread()
    (cause,) = found()
    onlooker = client_of("view_deadletter")
    page = shown(onlooker)
    assert cause.sentence in page
    assert 'value="replay"' not in page
    for name in ("replay", "discard"):
        assert act(onlooker, name, cause.key, reason="a bug").status_code == 403
    assert not DeadLetterAction.objects.exists()


def test_who_may_not_see_letters_sees_no_causes() -> None:
    unread()
    assert client_of("view_event").get(reverse(PAGE)).status_code == 403
    assert Client().get(reverse(PAGE)).status_code == 302


def test_an_act_from_another_site_or_without_a_name_is_refused(operator: Client) -> None:
    unread()
    (cause,) = found()
    assert act(operator, "explode", cause.key).status_code == 400
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    assert act(strict, "replay", cause.key).status_code == 403
    assert not DeadLetterAction.objects.exists()


def test_without_letters_the_page_says_so_in_words(operator: Client) -> None:
    assert "nothing waits for a replay or a decision" in shown(operator)
    assert "no work has failed for good" in shown(operator, show="all")
