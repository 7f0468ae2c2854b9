"""Whatever a name, a message or a traceback holds, no command lets it steer a terminal."""

from __future__ import annotations

import io
import logging

import pytest
from django.core.management import CommandError, call_command
from rich.console import Console

from betting.config import LogConfig
from betting.logs.rendering import formatter
from betting.models import DoubtfulMatch, DoubtReason
from streaming.models import DeadLetter, PollOutcome
from streaming.runner.terminal import Terminal
from tests.support import rows

EVIL = "\x1b[2J\x1b]0;owned\x07\u202eEvil\x9b\u2066 FC"


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def assert_harmless(text: str) -> None:
    assert "Evil" in text
    assert text.replace("\n", "").replace("\t", "").isprintable()


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", [["matches", "doubtful"], ["matches", "doubtful", "--json"]])
def test_doubtful_events_are_listed_with_their_names_spelt_out(arguments: list[str]) -> None:
    provider = rows.make_provider()
    event, candidate = (rows.make_event(provider, home=EVIL, away="Otters") for _ in range(2))
    DoubtfulMatch.objects.create(
        event=event, candidate=candidate, provider=provider, reason=DoubtReason.NAME
    )
    assert_harmless(said(*arguments))


@pytest.mark.django_db
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_providers_polls_are_shown_with_their_messages_spelt_out(more: list[str]) -> None:
    provider = rows.make_provider(key="mine")
    rows.make_poll_run(
        provider,
        feed=EVIL,
        outcome=PollOutcome.FAILED,
        failure_kind="data",
        failure_code="x",
        failure_message=EVIL,
        left_out=1,
        left_out_reasons=[{"reason": "x", "count": 1, "place": EVIL, "message": EVIL}],
    )
    assert_harmless(said("provider", "show", "mine", *more))


@pytest.mark.django_db
def test_a_dead_letter_is_shown_with_its_texts_spelt_out_line_by_line() -> None:
    letter = rows.make_dead_letter(
        message=EVIL, traceback=f"one\n\t{EVIL}", body=EVIL, exception=f"x.{EVIL}"
    )
    assert isinstance(letter, DeadLetter)
    shown = said("deadletters", "show", str(letter.pk))
    assert_harmless(shown)
    assert "one\n\t" in shown
    assert_harmless(said("deadletters", "list"))
    assert_harmless(said("deadletters", "export"))


@pytest.mark.django_db
def test_a_refused_decision_quotes_a_providers_id_spelt_out() -> None:
    provider = rows.make_provider()
    event, candidate = (rows.make_event(provider) for _ in range(2))
    event.aliases.update(external_id=f"1{EVIL}")
    candidate.aliases.update(external_id=f"2{EVIL}")
    doubt = DoubtfulMatch.objects.create(
        event=event, candidate=candidate, provider=provider, reason=DoubtReason.NAME
    )
    with pytest.raises(CommandError) as caught:
        said("matches", "same", str(doubt.pk), "--by", "someone")
    assert_harmless(str(caught.value))


@pytest.mark.django_db
def test_a_key_that_a_provider_chose_is_suggested_spelt_out() -> None:
    rows.make_bookmaker(key="\x1b[2JEvilbook")
    with pytest.raises(CommandError) as caught:
        said("bookmakers", "set", "Evilbook", "--weight", "1")
    assert "did you mean" in str(caught.value)
    assert_harmless(str(caught.value))


def test_a_run_says_names_spelt_out() -> None:
    out = io.StringIO()
    terminal = Terminal(Console(file=out, width=200))
    terminal.say(EVIL)
    terminal.flush()
    assert_harmless(out.getvalue())


@pytest.mark.parametrize("format_", ["json", "console"])
def test_log_lines_spell_out_what_they_quote(format_: str) -> None:
    config = LogConfig(format=format_)  # type: ignore[arg-type]
    record = logging.makeLogRecord(
        {"name": "any", "msg": EVIL, "levelno": logging.ERROR, "levelname": "ERROR"}
    )
    assert_harmless(formatter(config, is_terminal=False).format(record))
