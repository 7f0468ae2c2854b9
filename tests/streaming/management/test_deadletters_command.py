"""`manage.py deadletters`: letters listed, shown, replayed, discarded and exported."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from streaming.models import ActionOutcome, DeadLetter, DeadLetterAction, LetterStatus
from tests.support.rows import NOON, make_dead_letter, make_dead_letter_action

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis")]


def deadletters(*arguments: str | int) -> str:
    out = io.StringIO()
    call_command("deadletters", *map(str, arguments), stdout=out)
    return out.getvalue()


def refused(*arguments: str | int) -> str:
    with pytest.raises(CommandError) as caught:
        deadletters(*arguments)
    return str(caught.value)


def test_the_list_shows_what_matches_and_how_many_were_evicted() -> None:
    make_dead_letter(task="a.b", count=1_234)
    make_dead_letter(task="c.d", kind="payload")
    said = deadletters("list", "--task", "a.b")
    assert "1,234" in said
    assert "c.d" not in said
    assert "1 letters; 0 were evicted" in said


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_is_a_whole_number_above_0(limit: str) -> None:
    assert f"{limit!r} is not a whole number above 0" in refused("list", f"--limit={limit}")


def test_a_letter_is_shown_with_its_traceback_and_its_history() -> None:
    letter = make_dead_letter(traceback="Traceback: in take")
    make_dead_letter_action(letter, reason="why not")
    said = deadletters("show", letter.pk)
    assert "Traceback: in take" in said
    assert "replay · ana · failed · why not" in said


def test_a_letter_that_is_not_there_is_named_with_its_nearest() -> None:
    letter = make_dead_letter()
    assert f"did you mean {letter.pk}?" in refused("show", letter.pk * 10)


def test_a_cause_is_replayed_as_a_whole_and_what_was_settled_left_alone() -> None:
    for fingerprint in ("aa", "aa", "bb"):
        make_dead_letter(fingerprint=fingerprint)
    make_dead_letter(fingerprint="aa", status=LetterStatus.DISCARDED, discard_reason="known")
    assert "2 of 2 will be replayed" in deadletters("replay", "--fingerprint", "aa")
    replaying = DeadLetter.objects.filter(status=LetterStatus.REPLAYING)
    assert [letter.fingerprint for letter in replaying] == ["aa", "aa"]


@pytest.mark.parametrize("action", [("replay",), ("discard", "--reason", "known")])
def test_nothing_happens_to_all_letters_by_accident(action: tuple[str, ...]) -> None:
    make_dead_letter()
    assert "Give IDs, a filter, or --all" in refused(*action)
    deadletters(*action, "--all")
    assert DeadLetterAction.objects.count() == 1


def test_edited_arguments_are_checked_before_they_are_sent() -> None:
    letter = make_dead_letter(is_complete=False)
    fault = refused("replay", letter.pk, "--args", '[["one"], "batch"]')
    assert "market_ids: Expected `int`, got `str`" in fault
    assert "not JSON" in refused("replay", letter.pk, "--args", "[")
    assert "is no object" in refused("replay", letter.pk, "--kwargs", "[]")
    assert "one ID" in refused("replay", "--all", "--args", "[]")
    assert not DeadLetterAction.objects.exists()

    deadletters("replay", letter.pk, "--args", '[[1, 2], "batch"]')

    action = DeadLetterAction.objects.get()
    assert (action.args, action.outcome) == ([[1, 2], "batch"], ActionOutcome.WAITING)
    assert "being replayed already" in refused("replay", letter.pk, "--args", '[[1], "batch"]')


def test_a_discard_needs_a_reason() -> None:
    letter = make_dead_letter()
    assert "say why" in refused("discard", letter.pk, "--reason", " ")
    assert "1 discarded" in deadletters("discard", letter.pk, "--reason", "a known bug")
    letter.refresh_from_db()
    assert (letter.status, letter.discard_reason) == ("discarded", "a known bug")


def test_an_export_is_one_object_a_line() -> None:
    make_dead_letter(kwargs={"a": [1]})
    make_dead_letter(kind="payload")
    (line,) = deadletters("export", "--kind", "exception").splitlines()
    exported = json.loads(line)
    assert exported["kwargs"] == {"a": [1]}
    assert exported["args"] == [[1], "batch"]


def test_the_list_names_provider_and_feed_and_how_the_last_replay_failed() -> None:
    letter = make_dead_letter(provider="mine", feed="/v4/sports/x/odds?markets=h2h")
    make_dead_letter_action(letter, ended_at=NOON, error="builtins.KeyError: no sport")
    for said in (deadletters("list"), deadletters("show", letter.pk)):
        words = " ".join(said.split())
        for part in ("mine", "/v4/sports/x", "failed again", "2026-03-01"):
            assert part in words
    assert "builtins.KeyError: no sport" in deadletters("show", letter.pk)
