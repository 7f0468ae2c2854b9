from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
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
from valuation.backtest.bets import Played
from valuation.backtest.betting_policy import (
    SHARP,
    BettingPolicy,
    PolicyError,
    parse_policy,
    shipped,
)
from valuation.backtest.history import History, history_of, samples_of
from valuation.backtest.learning import (
    LearningError,
    Learnt,
    learn,
    play_out_of_sample,
    with_weights,
)
from valuation.backtest.run import Backtest, backtest, playing
from valuation.backtest.sample import Sample
from valuation.backtest.stored import Stretch, chunks, count_events, read_bookmakers, read_sample
from valuation.closes.rebuild import ANCHORS, MAX_AGE_SECONDS
from valuation.results.football_data import ResultsFileError, read_matches

HOURS_BEFORE = 1.0
MAX_HOURS_BEFORE = 24.0 * 365

NOTHING_STORED = (
    "No event in this time has closing prices, and prices that were seen within"
    f" {MAX_AGE_SECONDS / 60:.0f} minutes of the moment {{hours:g}} h before its start. Closing"
    " prices are taken half a minute after a start, while `manage.py run` or workers run. Give"
    " --results FILE… to use recorded files instead."
)

Plays = Callable[[Sample], Played]


@dataclass(frozen=True, slots=True)
class _Source:
    """The samples and the policies of a run.

    Attributes:
        samples: in the order of time, each with the number of events that were read for it.
        matches: how many events those are together.
        sharp: whose close judges alone.
        policies: what is compared.
    """

    samples: Iterable[tuple[int, Sample]]
    matches: int
    sharp: str
    policies: Sequence[BettingPolicy]


class Command(BaseCommand):
    help = "Judge rules of betting by recorded prices, their closes and results."
    requires_system_checks = ()  # it uses nothing that they check

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add(
            "--results",
            nargs="+",
            type=Path,
            metavar="FILE",
            help="files of football-data.co.uk, .csv or .csv.gz; without them the stored history"
            " of events with closing prices is used",
        )
        stored = parser.add_argument_group("of the stored history")
        stored.add_argument(
            "--since", type=_moment, metavar="TIME", help="events that start from then on"
        )
        stored.add_argument(
            "--until",
            type=_moment,
            metavar="TIME",
            help="events that start before; a date, or a date and time, of UTC unless it says else",
        )
        stored.add_argument(
            "--hours-before",
            type=_hours,
            metavar="HOURS",
            help="how long before the start bets are placed; default: 1",
        )
        add(
            "--policy",
            action="append",
            default=[],
            metavar="'NAME; KEY=VALUE; …'",
            help="a policy instead of the shipped ones; may be repeated; the others are compared"
            " with the first. Keys: method, min_books, ev, outlier_mads, outlier_floor,"
            " weights=BOOKMAKER:W,…, other_weight, no_venues=BOOKMAKER,…, only_venues=BOOKMAKER,…,"
            " groups=BOOKMAKER:GROUP,…",
        )
        add("--learn-weights", action="store_true", help="learn weights, season by season")
        add("--adopt", action="store_true", help="weigh football matches (h2h) by them")
        add(
            "--sharp",
            metavar="BOOKMAKER",
            help=f"whose close judges alone; default: {SHARP}, or in the stored history the first"
            " known sharp one",
        )
        add("--seed", type=int, default=1, help="of the intervals; default: 1")
        add("--out", type=Path, metavar="DIRECTORY", help="also write JSON, Markdown and SVG")

    def handle(self, **options: Any) -> None:
        _refuse_contradictions(options)
        try:
            with _progress() as progress:
                if options["results"]:
                    history = _history(options["results"])
                    source = _recorded(history, options)
                    learnt = (
                        _learnt(history, source, progress) if options["learn_weights"] else None
                    )
                else:
                    source, learnt = _stored(options), None
                found = _run(source, learnt, options["seed"], progress)
            if not found.matches:
                hours = options["hours_before"] or HOURS_BEFORE
                raise CommandError(NOTHING_STORED.format(hours=hours))
            like = source.policies[-1].name
            self._write(found, learnt, like)
            if options["out"]:
                _save(options["out"], report.files(found, learnt, like, options["seed"]))
                self.stdout.write(f"written to {options['out']}")
            if options["adopt"] and learnt:
                self._adopt(found, learnt)
        except (ResultsFileError, PolicyError, LearningError, EmbeddedError) as error:
            raise CommandError(str(error)) from error

    def _write(self, found: Backtest, learnt: Learnt | None, like: str) -> None:
        self.stdout.write(report.subject(found))
        write_table(self.stdout, *report.policies_table(found))
        for row in found.rows[-1:]:
            if row.quality and row.quality.tenths:
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


def _refuse_contradictions(options: Mapping[str, Any]) -> None:
    if options["adopt"] and not options["learn_weights"]:
        raise CommandError("--adopt needs --learn-weights.")
    if options["learn_weights"] and not options["results"]:
        raise CommandError("--learn-weights needs --results: it compares whole seasons.")
    of_history = ("since", "until", "hours_before")
    if options["results"] and any(options[name] is not None for name in of_history):
        raise CommandError(
            "--since, --until and --hours-before choose from the stored history: leave --results"
            " away to use it."
        )


def _recorded(history: History, options: Mapping[str, Any]) -> _Source:
    """Return recorded matches, valued by the shipped rules and terms."""
    sharp = options["sharp"] or SHARP
    _require(sharp, history.bookmakers)
    policies = tuple(map(parse_policy, options["policy"])) or shipped()
    samples = [(sample.events, sample) for sample in samples_of(history)]
    return _Source(samples, history.result.size, sharp, policies)


def _stored(options: Mapping[str, Any]) -> _Source:
    """Return the stored history, valued by the rules and terms that are in force."""
    prepare(get_config(), Need.TABLES)
    stretch = Stretch(options["since"], options["until"])
    seconds = 3600 * (options["hours_before"] or HOURS_BEFORE)
    bookmakers = read_bookmakers()
    keys = bookmakers.terms.keys
    if options["sharp"]:
        _require(options["sharp"], keys)
    sharp = options["sharp"] or next((key for key in ANCHORS if key in keys), SHARP)
    rules = get_config().valuation
    no_venues = [key for key, is_venue in zip(keys, bookmakers.terms.is_venue, strict=True)
                 if not is_venue]  # fmt: skip
    policies = tuple(parse_policy(text, rules) for text in options["policy"])
    return _Source(
        ((len(events), read_sample(events, seconds, bookmakers)) for events in chunks(stretch)),
        count_events(stretch),
        sharp,
        policies or shipped(rules, no_venues),
    )


def _require(sharp: str, keys: Sequence[str]) -> None:
    if sharp not in keys:
        raise CommandError(f"no prices of {sharp!r}{did_you_mean(sharp, keys)}")


def _learnt(history: History, source: _Source, progress: Progress) -> Learnt:
    task = progress.add_task("weights", total=len(history.seasons) + 1)
    return learn(history, source.policies[-1], lambda: progress.advance(task))


def _run(source: _Source, learnt: Learnt | None, seed: int, progress: Progress) -> Backtest:
    task = progress.add_task("events", total=source.matches)
    plays = [playing(policy) for policy in source.policies]
    if learnt:
        plays += _learnt_plays(learnt, source.policies[-1])

    def samples() -> Iterator[Sample]:
        for events, sample in source.samples:
            yield sample
            progress.advance(task, events)

    return backtest(samples(), plays, sharp=source.sharp, seed=seed)


def _learnt_plays(learnt: Learnt, like: BettingPolicy) -> Iterator[tuple[str, Plays]]:
    yield "learnt, in sample", playing(with_weights("learnt", learnt.weights, like))[1]
    yield "learnt, out of sample", lambda sample: play_out_of_sample(sample, learnt, like)


def _moment(text: str) -> datetime:
    """Read a date, or a date and time."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r} is no time such as 2026-03-01 or 2026-03-01T12:00"
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= MAX_HOURS_BEFORE:
        raise ArgumentTypeError(f"Enter hours above 0, at most {MAX_HOURS_BEFORE:g}.")
    return hours


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
