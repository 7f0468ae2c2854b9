"""The command line; what a run does is tested in tests/integration."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError

import pytest
from django.core.management import CommandError, call_command

from streaming.management.commands.run import port, speed


@pytest.mark.parametrize("arguments", [["--until-idle"], ["--speed", "10"]])
def test_options_of_a_replay_need_one(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="need --feed"):
        call_command("run", *arguments)


@pytest.mark.parametrize("text", ["0", "-1", "fast", "nan", ""])
def test_what_is_no_speed_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="neither a number above 0 nor max"):
        speed(text)


def test_a_speed_is_a_number_or_the_highest() -> None:
    assert speed("0.5") == 0.5
    assert speed("max") == math.inf


@pytest.mark.parametrize("text", ["0", "65534", "http", "-8000", "8_000"])
def test_what_is_no_first_of_three_ports_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="not a port"):
        port(text)
