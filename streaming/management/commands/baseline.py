from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from betting.config import get_config
from betting.db.outages import OUTAGES
from betting.runtime.embedded import EmbeddedError, ensure_running
from betting.runtime.supervisor import AlreadyRunningError
from streaming.benchmark import report
from streaming.benchmark.ab import run_ab
from streaming.benchmark.ab_trial import TrialError, run_trial
from streaming.benchmark.baseline import Baseline, BaselineError, decode
from streaming.benchmark.capture import capture_window
from streaming.benchmark.compare import TargetVerdict, compare
from streaming.core.failures import ProviderFailure
from streaming.management.arguments import one_or_more, positive
from streaming.runner.ports import PortError
from streaming.runner.replay import Recordings, ReplayError, inspect
from streaming.runner.simulated_run import Simulation


class Command(BaseCommand):
    help = "Measure what the stream does; compare two measurements; hardening off against on."
    requires_system_checks = ()  # comparing uses nothing that they check

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        capture = actions.add_parser("capture", help="measure a window that begins now")
        capture.add_argument("--seconds", type=positive, default=60.0, help="default: 60")
        capture.add_argument("--label", default="", help="what it is, to a person")
        _add_out(capture)
        compare = actions.add_parser("compare", help="judge the targets; exit 1 if one is missed")
        compare.add_argument("before", type=Path, metavar="A")
        compare.add_argument("after", type=Path, metavar="B")
        ab = actions.add_parser("ab", help="run the same with the hardening off and on, by turns")
        _add_input(ab)
        ab.add_argument("--rounds", type=one_or_more, default=2, help="of off and on; default: 2")
        ab.add_argument("--out", type=Path, metavar="FILE", help="write all trials, as JSON")
        trial = actions.add_parser("trial", help="one run of ab, in this state directory")
        _add_input(trial)
        trial.add_argument("--label", default="")
        _add_out(trial)

    def handle(self, *, action: str, **options: Any) -> None:
        try:
            getattr(self, f"_{action}")(options)
        except (AlreadyRunningError, PortError, EmbeddedError, ReplayError, TrialError) as error:
            raise CommandError(str(error)) from error
        except (ProviderFailure, BaselineError, OSError, *OUTAGES) as error:
            raise CommandError(str(error)) from error

    def _capture(self, options: dict[str, Any]) -> None:
        config = get_config()
        ensure_running(config)
        console = Console(stderr=True)
        baseline = capture_window(config, console, options["seconds"], options["label"])
        _write(options["out"], baseline)
        report.figures(self.stdout, {"captured": [baseline]})

    def _compare(self, options: dict[str, Any]) -> None:
        sides = {name: [decode(options[name].read_bytes())] for name in ("before", "after")}
        self._report(sides, compare(sides["before"], sides["after"]))

    def _ab(self, options: dict[str, Any]) -> None:
        recordings = _recordings(options)  # show a fault in them before any process starts
        for warning in recordings.warnings() if recordings else ():
            self.stderr.write(f"warning: {warning}")
        found = run_ab(_arguments(options), options["rounds"], Console(stderr=True))
        if options["out"]:
            _write(options["out"], {"off": found.off, "on": found.on})
        sides = {
            "hardening off": [trial.baseline for trial in found.off],
            "hardening on": [trial.baseline for trial in found.on],
        }
        self._report(sides, found.verdicts(is_repeatable=not options["simulate"]))

    def _trial(self, options: dict[str, Any]) -> None:
        trial_of = _recordings(options) or Simulation(
            options["seconds"], options["seed"], options["speed"]
        )
        trial = run_trial(get_config(), Console(stderr=True), trial_of, options["label"])
        _write(options["out"], trial)

    def _report(
        self, sides: Mapping[str, Sequence[Baseline]], verdicts: Sequence[TargetVerdict]
    ) -> None:
        report.figures(self.stdout, sides)
        report.verdicts(self.stdout, verdicts, sides)
        missed = [verdict.name for verdict in verdicts if verdict.is_met is False]
        if missed:
            raise CommandError(f"missed: {', '.join(missed)}")


def _add_out(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to, as JSON")


def _add_input(parser: ArgumentParser) -> None:
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("feeds", nargs="*", type=Path, default=[], metavar="FEED")
    given.add_argument("--simulate", action="store_true", help="a burst, and a provider down")
    add = parser.add_argument
    add(
        "--responses",
        type=one_or_more,
        metavar="N",
        help="no more than the recordings' first N answers",
    )
    add("--seconds", type=positive, default=60.0, help="of polling the simulator; default: 60")
    add("--seed", type=int, default=1, help="of the simulated market; default: 1")
    add("--speed", type=positive, default=4.0, help="market seconds per second; default: 4")


def _arguments(options: dict[str, Any]) -> list[str]:
    numbers = {"seconds", "seed", "speed"} if options["simulate"] else {"responses"}
    given = [f"--{name}={options[name]}" for name in sorted(numbers) if options[name] is not None]
    feeds = [str(feed.resolve()) for feed in options["feeds"]]
    return [*(feeds or ["--simulate"]), *given]


def _recordings(options: dict[str, Any]) -> Recordings | None:
    if not options["feeds"]:
        return None
    recordings = inspect(options["feeds"])
    return recordings.first(options["responses"] or recordings.responses)


def _write(path: Path, document: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
