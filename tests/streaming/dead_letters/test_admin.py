"""Dead letters in the admin: replayed and discarded by those who may, and by nobody else."""

from __future__ import annotations

import base64
import zlib
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from streaming.dead_letters.payloads import REPLAY_PAYLOAD
from streaming.models import DeadLetter, DeadLetterAction, LetterStatus
from tests.support.rows import NOON, make_dead_letter, make_dead_letter_action
from tests.support.staff import client_of

LIST = "admin:streaming_deadletter_changelist"

pytestmark = pytest.mark.django_db


def act(client: Client, action: str, *letters: DeadLetter, **answers: str) -> HttpResponse:
    chosen = [str(letter.pk) for letter in letters]
    data = {"action": action, "_selected_action": chosen, **answers}
    return client.post(reverse(LIST), data, follow=True)  # type: ignore[return-value]  # the stubs' own response


def page_of(letter: DeadLetter) -> str:
    return reverse("admin:streaming_deadletter_change", args=[letter.pk])


def button_of(letter: DeadLetter, name: str) -> str:
    return reverse(f"admin:streaming_deadletter_{name}_letter", args=[letter.pk])


@pytest.fixture
def operator() -> Client:
    return client_of("view_deadletter", "change_deadletter")


def test_the_selected_letters_are_replayed_in_the_name_of_who_asked(operator: Client) -> None:
    first, second = make_dead_letter(), make_dead_letter(is_complete=False)
    page = act(operator, "replay", first, second).content.decode()
    assert "1 will be replayed; 1 not" in page
    assert [action.requested_by for action in DeadLetterAction.objects.all()] == ["ana"]
    assert DeadLetter.objects.get(pk=first.pk).status == LetterStatus.REPLAYING


def test_a_discard_asks_why_and_changes_nothing_without_an_answer(operator: Client) -> None:
    letter = make_dead_letter()
    assert "Why?" in act(operator, "discard", letter).content.decode()
    page = act(operator, "discard", letter, reason=" ").content.decode()
    assert "This field is required" in page
    assert not DeadLetterAction.objects.exists()
    act(operator, "discard", letter, reason="a known bug")
    letter.refresh_from_db()
    assert (letter.status, letter.discard_reason) == ("discarded", "a known bug")


def test_a_replay_with_other_arguments_shows_what_there_is_and_sends_what_was_made_of_it(
    operator: Client,
) -> None:
    letter = make_dead_letter(is_complete=False)
    page = act(operator, "replay_edited", letter).content.decode()
    assert "&quot;batch&quot;" in page
    answers = {"edited_args": '[[4711], "major"]', "edited_kwargs": "{}"}
    assert (
        "1 will be replayed, edited"
        in act(operator, "replay_edited", letter, **answers).content.decode()
    )
    (action,) = DeadLetterAction.objects.all()
    assert (action.args, action.kwargs) == ([[4711], "major"], {})
    assert (action.requested_by, action.outcome) == ("ana", "waiting")
    assert (
        "being replayed already"
        in act(operator, "replay_edited", letter, **answers).content.decode()
    )


@pytest.mark.parametrize(
    ("args", "kwargs", "fault"),
    [
        ("[[1]", "{}", "Enter a valid JSON"),
        ('{"market_ids": [1]}', "{}", "Enter a JSON list"),
        ("[]", "", "Enter a JSON object"),
        ('["many", "batch"]', "{}", "market_ids: Expected `array`"),
        ("[[1]]", "{}", "missing a required argument"),
    ],
)
def test_arguments_that_the_task_does_not_take_are_shown_again_with_what_is_wrong(
    operator: Client, args: str, kwargs: str, fault: str
) -> None:
    letter = make_dead_letter()
    page = act(operator, "replay_edited", letter, edited_args=args, edited_kwargs=kwargs)
    assert fault in page.content.decode()
    assert not DeadLetterAction.objects.exists()


def test_arguments_are_edited_for_one_letter_at_a_time(operator: Client) -> None:
    page = act(operator, "replay_edited", make_dead_letter(), make_dead_letter())
    assert "for one letter" in page.content.decode()
    assert not DeadLetterAction.objects.exists()


def test_who_may_only_look_decides_nothing() -> None:
    letter = make_dead_letter()
    onlooker = client_of("view_deadletter")
    act(onlooker, "discard", letter, reason="a known bug")
    act(onlooker, "replay", letter)
    act(onlooker, "replay_edited", letter, edited_args='[[1], "batch"]', edited_kwargs="{}")
    assert not DeadLetterAction.objects.exists()
    assert 'value="discard"' not in onlooker.get(reverse(LIST)).content.decode()


def test_a_letters_page_shows_what_it_takes_to_understand_it(operator: Client) -> None:
    letter = make_dead_letter(traceback="in <take>", body="{ not json", kwargs={"a": "b"})
    page = operator.get(page_of(letter)).content.decode()
    for words in ("in &lt;take&gt;", "{ not json", "&quot;a&quot;: &quot;b&quot;"):
        assert words in page


def test_list_and_page_say_how_the_last_replay_failed_and_whose_feed_it_is_about(
    operator: Client,
) -> None:
    letter = make_dead_letter(provider="mine", feed="/v4/sports/x/odds?markets=h2h")
    make_dead_letter_action(letter, ended_at=NOON, error="KeyError: no sport")
    listed = operator.get(reverse(LIST)).content.decode()
    assert "failed again, 2026-03-01 12:00:00: KeyError: no sport" in listed
    assert "x from mine: " in listed
    shown = operator.get(page_of(letter)).content.decode()
    assert "failed again at 12:00:00: KeyError: no sport" in shown
    assert "/v4/sports/x/odds?markets=h2h" in shown


def test_a_letters_page_begins_with_its_cause_and_folds_what_is_long(operator: Client) -> None:
    letter = make_dead_letter(
        kind="payload", provider="simulator", feed="/v4/sports/soccer_epl/odds?markets=h2h",
        message="Object missing required field `commence_time`. (at $[0])", body="[{}]" * 9_000,
    )  # fmt: skip
    page = operator.get(page_of(letter)).content.decode()
    content = page[page.index('id="content"') :]
    sentence = "soccer_epl from simulator: answer lacks commence_time"
    assert content.index(sentence) < content.index("Timeline") < content.index("<details")
    assert content.index("<details") < content.index("[{}][{}]") < content.index("</details>")
    assert content.count("[{}]" * 9_000) == 1


def test_a_letters_page_has_a_timeline_of_who_did_what_and_what_came_of_it(
    operator: Client,
) -> None:
    letter = make_dead_letter(count=3, last_seen=NOON + timedelta(seconds=25))
    make_dead_letter_action(
        letter, requested_by="bea", requested_at=NOON + timedelta(minutes=1),
        ended_at=NOON + timedelta(minutes=2), error="KeyError: no sport", args=[[2], "batch"],
    )  # fmt: skip
    make_dead_letter_action(
        letter, action="discard", outcome="succeeded", reason="a known bug",
        requested_at=NOON + timedelta(minutes=3),
    )  # fmt: skip
    page = operator.get(page_of(letter)).content.decode()
    lines = [
        "discarded it: a known bug",
        "asked for a replay with other arguments",
        "failed again at 12:02:00: KeyError: no sport",
        "failed last; 3 times in all",
        "failed for the first time",
    ]
    places = [page.index(line) for line in lines]
    assert places == sorted(places)
    assert "<b>bea</b>" in page


@pytest.mark.parametrize("button", ["replay", "discard", "edit"])
def test_a_button_asks_first_and_then_acts_in_the_name_of_who_pressed_it(
    operator: Client, button: str
) -> None:
    letter = make_dead_letter()
    assert button_of(letter, button) in operator.get(page_of(letter)).content.decode()
    assert button_of(letter, button) in operator.get(reverse(LIST)).content.decode()

    asked = operator.get(button_of(letter, button)).content.decode()
    assert "valuation.recompute_markets: LookupError: no market" in asked
    assert not DeadLetterAction.objects.exists()

    answers = {"reason": "a bug", "edited_args": '[[4711], "major"]', "edited_kwargs": "{}"}
    answer = operator.post(button_of(letter, button), answers)
    assert answer.headers["Location"] == page_of(letter)
    (action,) = DeadLetterAction.objects.all()
    assert action.requested_by == "ana"
    assert action.action == ("discard" if button == "discard" else "replay")
    assert action.args == ([[4711], "major"] if button == "edit" else None)


def test_a_button_pressed_twice_acts_once_and_says_so(operator: Client) -> None:
    letter = make_dead_letter()
    operator.post(button_of(letter, "replay"))
    for button, words in (
        ("replay", "being replayed already"),
        ("discard", "It is being replayed, or was discarded already."),
    ):
        answer = operator.post(button_of(letter, button), {"reason": "a bug"}, follow=True)
        assert words in answer.content.decode()
    assert DeadLetterAction.objects.count() == 1


def test_a_discard_by_its_button_needs_a_reason(operator: Client) -> None:
    letter = make_dead_letter()
    page = operator.post(button_of(letter, "discard"), {"reason": " "}).content.decode()
    assert "This field is required" in page
    assert not DeadLetterAction.objects.exists()


@pytest.mark.parametrize("button", ["replay", "discard", "edit"])
def test_the_buttons_are_not_for_who_may_only_look(button: str) -> None:
    letter = make_dead_letter()
    onlooker = client_of("view_deadletter")
    assert button_of(letter, button) not in onlooker.get(page_of(letter)).content.decode()
    assert onlooker.get(button_of(letter, button)).status_code == 403
    assert onlooker.post(button_of(letter, button), {"reason": "a bug"}).status_code == 403
    assert not DeadLetterAction.objects.exists()


def test_a_button_of_another_site_does_nothing(operator: Client) -> None:
    letter = make_dead_letter()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    assert strict.post(button_of(letter, "replay")).status_code == 403
    assert not DeadLetterAction.objects.exists()


def test_the_buttons_of_a_letter_that_is_gone_say_so(operator: Client) -> None:
    letter = make_dead_letter()
    url = button_of(letter, "replay")
    letter.delete()
    assert operator.post(url).status_code == 404


def test_a_letters_content_is_a_file_to_download(operator: Client) -> None:
    body = b'[{"id": 1, "home_team": "Leeds"}]'
    answer = {
        "provider": "simulator", "path": "/odds", "params": {}, "status": 200,
        "content_type": "application/json", "received_at": "2026-03-01T12:00:00Z",
        "packed": base64.b64encode(zlib.compress(body)).decode(),
    }  # fmt: skip
    cases = [
        (make_dead_letter(task=REPLAY_PAYLOAD, args=[], kwargs=answer, body="[{"), ".json", body),
        (make_dead_letter(body="{ not json"), ".txt", b"{ not json"),
        (make_dead_letter(), ".json", b'"task": "valuation.recompute_markets"'),
        (make_dead_letter(task=REPLAY_PAYLOAD, kwargs={"of": "old code"}), ".json", b"old code"),
    ]
    for letter, ending, content in cases:
        url = reverse("admin:streaming_deadletter_content", args=[letter.pk])
        assert url in operator.get(page_of(letter)).content.decode()
        file = operator.get(url)
        assert content in file.content
        name = f"dead-letter-{letter.pk}{ending}"
        assert file.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert file.headers["Content-Type"] == "application/octet-stream"


def test_a_letters_content_is_for_those_who_may_see_letters() -> None:
    url = reverse("admin:streaming_deadletter_content", args=[make_dead_letter().pk])
    assert client_of("view_event").get(url).status_code == 403


def test_the_lists_of_dead_letters_are_tabs_for_those_who_may_see_them(operator: Client) -> None:
    tabs = {
        "By cause": "deadletter",
        "All letters": "deadletter",
        "Actions": "deadletteraction",
        "Evicted": "deadlettereviction",
        "Counted failures": "deadletteroccurrence",
    }
    page = operator.get(reverse(LIST)).content.decode()
    assert [tab for tab in tabs if tab in page] == ["By cause", "All letters"]
    User.objects.all().delete()
    everything = client_of(*(f"view_{model}" for model in tabs.values()))
    page = everything.get(reverse(LIST)).content.decode()
    assert [tab for tab in tabs if tab in page] == list(tabs)
