from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from betting.config import get_config
from betting.management.needs import Need, prepare
from betting.runtime.embedded import EmbeddedError
from streaming.core.texts import did_you_mean
from streaming.runner.tables import write_table
from valuation.backtest import report
from valuation.backtest.adoption import adopt
from valuation.backtest.betting_policy import (
    SHARP,
    BettingPolicy,
    PolicyError,
    parse_policy,
    shipped,
)
from valuation.backtest.history import History, history_of
from valuation.backtest.learning import (
    LearningError,
    Learnt,
    learn,
    play_out_of_sample,
    with_weights,
)
from valuation.backtest.run import Backtest, backtest, playing
from valuation.results.football_data import ResultsFileError, read_matches


class Command(BaseCommand):
    help = "Judge rules of betting by recorded prices, their closes and results."
    requires_system_checks = ()  # it uses nothing that they check

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--results",
            nargs="+",
            type=Path,
            required=True,
            metavar="FILE",
            help="files of football-data.co.uk, .csv or .csv.gz",
        )
        add(
            "--policy",
            action="append",
            default=[],
            metavar="'NAME; KEY=VALUE; …'",
            help="a policy instead of the shipped ones; may be repeated; the others are compared"
            " with the first. Keys: method, min_books, ev, outlier_mads, outlier_floor,"
            " weights=BOOKMAKER:W,…, other_weight, no_venues=BOOKMAKER,…, only_venues=BOOKMAKER,…",
        )
        add("--learn-weights", action="store_true", help="learn weights, season by season")
        add("--adopt", action="store_true", help="weigh football matches (h2h) by them")
        add("--sharp", default=SHARP, metavar="BOOKMAKER", help="whose close judges alone")
        add("--seed", type=int, default=1, help="of the intervals; default: 1")
        add("--out", type=Path, metavar="DIRECTORY", help="also write JSON, Markdown and SVG")

    def handle(self, **options: Any) -> None:
        if options["adopt"] and not options["learn_weights"]:
            raise CommandError("--adopt needs --learn-weights.")
        try:
            policies = tuple(map(parse_policy, options["policy"])) or shipped()
            history = _history(options["results"])
            with _progress() as progress:
                found, learnt = _run(history, policies, options, progress)
            self._write(found, learnt, policies[-1].name)
            if options["out"]:
                _save(
                    options["out"], report.files(found, learnt, policies[-1].name, options["seed"])
                )
                self.stdout.write(f"written to {options['out']}")
            if options["adopt"] and learnt:
                self._adopt(found, learnt)
        except (ResultsFileError, PolicyError, LearningError, EmbeddedError) as error:
            raise CommandError(str(error)) from error

    def _write(self, found: Backtest, learnt: Learnt | None, like: str) -> None:
        self.stdout.write(
            f"{found.matches:,} matches of {', '.join(found.seasons)};"
            f" prices of {', '.join(found.bookmakers)}"
        )
        write_table(self.stdout, *report.policies_table(found))
        for row in found.rows[-1:]:
            if row.quality:
                self.stdout.write(f"calibration: {row.name}")
                write_table(self.stdout, *report.calibration_table(row.quality.tenths))
        if learnt:
            for table in report.learning_tables(learnt, like):
                write_table(self.stdout, *table)

    def _adopt(self, found: Backtest, learnt: Learnt) -> None:
        prepare(get_config(), Need.TABLES)
        evidence = report.evidence(found, learnt)
        adopted = adopt(learnt, evidence)
        self.stdout.write(evidence)
        write_table(
            self.stdout,
            ("bookmaker", "weight before", "weight now"),
            [(each.key, f"{each.before:g}", f"{each.now:g}") for each in adopted],
        )
        if not adopted:
            self.stdout.write("No feed has named any of these bookmakers yet: nothing changed.")


def _history(files: list[Path]) -> History:
    history = history_of([match for path in files for match in read_matches(path)])
    if not history.result.size:
        raise ResultsFileError("the files hold no match with a result")
    return history


def _run(
    history: History,
    policies: tuple[BettingPolicy, ...],
    options: dict[str, Any],
    progress: Progress,
) -> tuple[Backtest, Learnt | None]:
    sharp = options["sharp"]
    if sharp not in history.bookmakers:
        raise CommandError(f"no prices of {sharp!r}{did_you_mean(sharp, history.bookmakers)}")
    is_learning = options["learn_weights"]
    steps = len(policies) + (len(history.seasons) + 3 if is_learning else 0)
    task = progress.add_task("policies", total=steps)

    def on_step() -> None:
        progress.advance(task)

    plays = [playing(history, policy) for policy in policies]
    learnt = None
    if is_learning:
        like = policies[-1]
        best = learnt = learn(history, like, on_step)
        plays += [
            (
                "learnt, in sample",
                playing(history, with_weights("learnt", learnt.weights, like))[1],
            ),
            ("learnt, out of sample", lambda: play_out_of_sample(history, best, like)),
        ]
    return backtest(history, plays, sharp=sharp, seed=options["seed"], on_step=on_step), learnt


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _save(directory: Path, files: Mapping[str, bytes]) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)
    except OSError as error:
        raise CommandError(f"{directory} cannot be written: {error}") from error
