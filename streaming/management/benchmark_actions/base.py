"""An action of `manage.py benchmark`: its arguments and its function."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import OutputWrapper


@dataclass(frozen=True, slots=True)
class Action:
    """A word after `manage.py benchmark`.

    Attributes:
        name: the word.
        help: its line in the list of actions.
        add_arguments: adds its arguments to its parser.
        run: does the work, by the options that were parsed; its answer goes to the output.
        is_trial: it is the measuring process of another action, which reports an interruption.
    """

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[dict[str, Any], OutputWrapper], None]
    is_trial: bool = False


def add_trial_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of a measuring process: its plan as JSON, and the file of its result."""
    parser.add_argument("plan")
    parser.add_argument("--out", type=Path, required=True)
