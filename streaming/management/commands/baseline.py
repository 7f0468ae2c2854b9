from __future__ import annotations

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from betting.config import get_config
from betting.db.clock import database_now
from betting.db.outages import OUTAGES
from betting.runtime.embedded import EmbeddedError, ensure_running
from betting.runtime.supervisor import AlreadyRunningError
from streaming.benchmark import report
from streaming.benchmark.ab import OFF, ON, Comparison, run_one
from streaming.benchmark.capture import store
from streaming.benchmark.process_metrics import Vitals
from streaming.benchmark.trial import SAMPLE_SECONDS, TrialError, run_trial
from streaming.core import targets
from streaming.core.baseline import BaselineError, decode
from streaming.core.failures import ProviderFailure
from streaming.core.targets import Verdict
from streaming.management.arguments import one_or_more, positive
from streaming.runner.ports import PortError
from streaming.runner.replay import Recordings, ReplayError, inspect
from streaming.runner.simulated_run import Simulation

BEFORE_AND_AFTER = ("before", "after")
OFF_AND_ON = ("hardening off", "hardening on")


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
        vitals = Vitals(config)
        self._sample(vitals, options["seconds"])
        # The sweeper should have found what has waited this long.
        overdue_after_ms = 2 * config.sweep.dirty_after_ms
        baseline = vitals.baseline(overdue_after_ms=overdue_after_ms, label=options["label"])
        store(baseline, database_now())
        _write(options["out"], baseline)
        report.figures(self.stdout, {"captured": [baseline]})

    def _sample(self, vitals: Vitals, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        columns = (TextColumn("capturing"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("", total=seconds)
            while (left := deadline - time.monotonic()) > 0:
                vitals.sample()
                progress.update(task, completed=seconds - left)
                time.sleep(min(SAMPLE_SECONDS, left))
            progress.update(task, completed=seconds)
        vitals.sample()

    def _compare(self, options: dict[str, Any]) -> None:
        before, after = ([decode(options[name].read_bytes())] for name in BEFORE_AND_AFTER)
        report.figures(self.stdout, dict(zip(BEFORE_AND_AFTER, (before, after), strict=True)))
        self._judge(targets.compare(before, after), BEFORE_AND_AFTER)

    def _ab(self, options: dict[str, Any]) -> None:
        recordings = _recordings(options)  # show a fault in them before any process starts
        for warning in recordings.warnings() if recordings else ():
            self.stderr.write(f"warning: {warning}")
        found = self._trials(_arguments(options), options["rounds"])
        if options["out"]:
            _write(options["out"], {"off": found.off, "on": found.on})
        off, on = ([trial.baseline for trial in side] for side in (found.off, found.on))
        report.figures(self.stdout, dict(zip(OFF_AND_ON, (off, on), strict=True)))
        self._judge(found.verdicts(is_repeatable=not options["simulate"]), OFF_AND_ON)

    def _trials(self, arguments: list[str], rounds: int) -> Comparison:
        found = Comparison([], [])
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
            task = progress.add_task("", total=2 * rounds)
            for number in range(1, rounds + 1):
                for name, settings, trials in (("off", OFF, found.off), ("on", ON, found.on)):
                    progress.update(task, description=f"hardening {name}, round {number}")
                    trials.append(run_one(arguments, f"{name} {number}", settings))
                    progress.advance(task)
        return found

    def _trial(self, options: dict[str, Any]) -> None:
        trial_of = _recordings(options) or Simulation(
            options["seconds"], options["seed"], options["speed"]
        )
        trial = run_trial(get_config(), Console(stderr=True), trial_of, options["label"])
        _write(options["out"], trial)

    def _judge(self, verdicts: list[Verdict], names: tuple[str, str]) -> None:
        report.verdicts(self.stdout, verdicts, names)
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
