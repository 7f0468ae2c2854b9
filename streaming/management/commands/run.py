from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from betting.config import Config, get_config
from betting.runtime.embedded import EmbeddedError
from betting.runtime.supervisor import AlreadyRunningError
from streaming.core.failures import ProviderFailure
from streaming.runner.live_run import run_live
from streaming.runner.ports import PortError, moved
from streaming.runner.replay import ReplayError, inspect
from streaming.runner.replay_run import Replay, run_replay
from streaming.runner.report import RunReport
from streaming.runner.run_loop import RunError


class Command(BaseCommand):
    help = (
        "Run everything: workers, beat, web server, Flower and a simulated odds provider; "
        "or, with --feed, replay recordings through the workers. Ctrl-C stops it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--feed", nargs="+", type=Path, metavar="FILE", help="replay these recordings")
        add("--speed", type=speed, metavar="X|max", help="replay at X times the recorded speed")
        add("--until-idle", action="store_true", help="exit when the whole replay is valued")
        add("--json", action="store_true", help="print the summary as one line of JSON")
        add("--no-simulator", action="store_true", help="poll only your own providers")
        add("--port", type=port, metavar="N", help="of the web server; N+1 and N+2 are taken too")

    def handle(self, **options: Any) -> None:
        if not options["feed"] and (options["speed"] or options["until_idle"]):
            raise CommandError("--speed and --until-idle need --feed.")
        try:
            report = run(options)
        except AlreadyRunningError as error:
            raise CommandError(f"This checkout is already running: {error}.") from error
        except (PortError, EmbeddedError, RunError, ReplayError, ProviderFailure) as error:
            raise CommandError(str(error)) from error
        if options["json"] and report.facts:
            self.stdout.write(msgspec.json.encode(report.facts).decode())
            self.stdout.flush()
        if report.problem:
            raise CommandError(report.problem)


def run(options: dict[str, Any]) -> RunReport:
    """Run what the command line asks for."""
    config: Config = get_config()
    if options["port"]:
        config = replace(config, web=moved(config.web, options["port"]))
    console = Console(stderr=options["json"])
    if not options["feed"]:
        return run_live(config, console, with_simulator=not options["no_simulator"])
    recordings = inspect(options["feed"])
    return run_replay(
        config, console, Replay(recordings, options["speed"] or math.inf, options["until_idle"])
    )


def speed(text: str) -> float:
    """Read a speed.

    >>> speed("60"), speed("max")
    (60.0, inf)
    """
    try:
        value = math.inf if text == "max" else float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise ArgumentTypeError(f"{text!r} is neither a number above 0 nor max")
    return value


def port(text: str) -> int:
    """Read the first of three ports in a row.

    >>> port("8000")
    8000
    """
    if not text.isdecimal() or not 1 <= int(text) <= 65_533:
        raise ArgumentTypeError(f"{text!r} is not a port from 1 to 65533")
    return int(text)
