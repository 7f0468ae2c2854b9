"""Dead letters in the admin: replayed and discarded by those who may, and by nobody else."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from streaming.models import DeadLetter, DeadLetterAction, LetterStatus
from tests.support.rows import NOON, make_dead_letter, make_dead_letter_action

LIST = "admin:streaming_deadletter_changelist"

pytestmark = pytest.mark.django_db


def client_of(*permissions: str) -> Client:
    user = User.objects.create_user("ana", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, action: str, *letters: DeadLetter, **answers: str) -> HttpResponse:
    chosen = [str(letter.pk) for letter in letters]
    data = {"action": action, "_selected_action": chosen, **answers}
    return client.post(reverse(LIST), data, follow=True)  # type: ignore[return-value]  # the stubs' own response


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
    url = reverse("admin:streaming_deadletter_change", args=[letter.pk])
    page = operator.get(url).content.decode()
    for words in ("in &lt;take&gt;", "{ not json", "&quot;a&quot;: &quot;b&quot;"):
        assert words in page


def test_list_and_page_say_how_the_last_replay_failed_and_whose_feed_it_is_about(
    operator: Client,
) -> None:
    letter = make_dead_letter(provider="mine", feed="/v4/sports/x/odds?markets=h2h")
    make_dead_letter_action(letter, ended_at=NOON, error="KeyError: no sport")
    page = reverse("admin:streaming_deadletter_change", args=[letter.pk])
    for url in (reverse(LIST), page):
        shown = operator.get(url).content.decode()
        assert "failed again, 2026-03-01 12:00:00: KeyError: no sport" in shown
        assert "/v4/sports/x/odds?markets=h2h" in shown
