from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from betting.config import CHECKOUT, get_config
from betting.db.outages import OUTAGES
from betting.runtime.embedded import EmbeddedError
from betting.runtime.supervisor import AlreadyRunningError
from streaming.benchmark.debounce.bursts import markdown as burst_table
from streaming.benchmark.debounce.frontier import compare as compare_debounce
from streaming.benchmark.debounce.mixed import markdown as mixed_table
from streaming.benchmark.debounce.tables import markdown as debounce_table
from streaming.benchmark.debounce.tables import verdict as debounce_verdict
from streaming.benchmark.debounce.tapes import recorded as recorded_changes
from streaming.benchmark.health.alarms import judge as judge_health
from streaming.benchmark.health.budgets import compare as compare_budgets
from streaming.benchmark.health.levels import compare as compare_levels
from streaming.benchmark.health.recording import Recording, with_figure
from streaming.benchmark.health.recording import decode as decode_recording
from streaming.benchmark.health.scorers import SCORERS
from streaming.benchmark.health.table import by_fault
from streaming.benchmark.health.table import markdown as health_table
from streaming.benchmark.plan import CONTENDERS, PROFILES, QUICK, USUAL, Plan
from streaming.benchmark.polling.comparison import compare as compare_polling
from streaming.benchmark.polling.schedule import simulated
from streaming.benchmark.polling.tables import markdown as polling_table
from streaming.benchmark.polling.tapes import recorded
from streaming.benchmark.results.document import Result, ResultError, decode
from streaming.benchmark.results.markdown import put_into, report, summary, times
from streaming.benchmark.results.ratios import judge, ratios
from streaming.benchmark.run import run_benchmark
from streaming.benchmark.scaling.document import ScalingPlan
from streaming.benchmark.scaling.run import run_scaling
from streaming.benchmark.scaling.tables import markdown as scaling_tables
from streaming.benchmark.scaling.trial import run_scaling_plan
from streaming.benchmark.throttle.table import compare as compare_throttle
from streaming.benchmark.throttle.table import markdown as throttle_table
from streaming.benchmark.throttle.table import objections
from streaming.benchmark.trial import run_plan
from streaming.benchmark.waiting import BenchmarkError
from streaming.core.adaptive_debounce import AdaptivePolicy
from streaming.core.coalesce import CoalescePolicy
from streaming.core.exhaustion import TrendPolicy
from streaming.core.failures import ProviderFailure
from streaming.core.throttle import ThrottlePolicy
from streaming.management.arguments import one_or_more, positive
from streaming.runner.tables import write_table

INTERRUPTED = 130
README = CHECKOUT / "README.md"
DOCUMENT = CHECKOUT / "docs" / "benchmarks" / "README.md"


class Command(BaseCommand):
    help = "Measure Hardline beside other ways to do the same work; compare two measurements."
    requires_system_checks = ()  # comparing uses nothing that they check

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        run = actions.add_parser("run", help="measure, in a database of its own")
        run.add_argument(
            "profiles", nargs="*", choices=[*PROFILES, []], metavar="PROFILE",
            help=f"of {', '.join(PROFILES)}; default: {', '.join(USUAL)}",
        )  # fmt: skip
        run.add_argument("--out", type=Path, metavar="DIR", help="write JSON, Markdown and charts")
        run.add_argument("--quick", action="store_true", help="a small burst, as a check")
        _add_plan(run)
        compare = actions.add_parser("compare", help="exit 1 if a ratio has become worse")
        compare.add_argument("before", type=Path, metavar="A")
        compare.add_argument("after", type=Path, metavar="B")
        publish = actions.add_parser("publish", help="write figures into the README and docs")
        publish.add_argument("result", type=Path, metavar="RESULT")
        throttle = actions.add_parser("throttle", help="compare the circuit with and without it")
        throttle.add_argument("--first", type=int, default=20, help="seed; default: %(default)s")
        throttle.add_argument(
            "--seeds", type=one_or_more, default=100, help="of each script; default: %(default)s"
        )
        throttle.add_argument(
            "--interval", type=positive, default=30.0, metavar="SECONDS",
            help="between two polls; default: %(default)s",
        )  # fmt: skip
        polling = actions.add_parser("polling", help="fixed against adaptive polling, offline")
        polling.add_argument(
            "tapes", nargs="*", type=Path, metavar="FILE",
            help="recordings of streams, each judged by itself, instead of simulated feeds",
        )  # fmt: skip
        polling.add_argument("--seeds", type=one_or_more, default=50, help="default: 50")
        polling.add_argument("--first", type=int, default=10, metavar="SEED", help="default: 10")
        polling.add_argument(
            "--polls-a-day", type=_sizes, default=(96, 288), metavar="N,N", help="default: 96,288"
        )
        debounce = actions.add_parser("debounce", help="fixed against adaptive windows, offline")
        debounce.add_argument(
            "tapes", nargs="*", type=Path, metavar="FILE",
            help="recordings of streams, each judged by itself, instead of made-up bursts",
        )  # fmt: skip
        debounce.add_argument(
            "--part", choices=("first", "second", "all"), default="second",
            help="half of each market's changes that is counted; default: %(default)s",
        )  # fmt: skip
        events = actions.add_parser("events", help="reads of events that are half old, offline")
        events.add_argument("recordings", nargs="+", type=Path, metavar="FILE")
        health = actions.add_parser("health", help="the scores of health, by when they alarm")
        health.add_argument(
            "recordings", nargs="*", type=Path, metavar="FILE",
            help="of `chaos --record-health`, two at least; default: misses and disks in scripts",
        )  # fmt: skip
        health.add_argument(
            "--price", type=positive, default=30.0, metavar="SECONDS",
            help="the delay that a false alarm is worth; default: %(default)s",
        )  # fmt: skip
        health.add_argument(
            "--disk", type=positive, metavar="PART",
            help="judge as if the disk were so full all the time, and rules chosen before that",
        )  # fmt: skip
        health.add_argument("--first", type=int, default=20, help="seed; default: %(default)s")
        health.add_argument(
            "--seeds", type=one_or_more, default=50, help="of each script; default: %(default)s"
        )
        usual = ScalingPlan("costs")
        costs = actions.add_parser("costs", help="cost of polls, quotes and changes by role")
        costs.add_argument(
            "--polls", type=one_or_more, default=usual.polls, help="of a case; default: %(default)s"
        )
        costs.add_argument(
            "--quotes", type=one_or_more, default=usual.quotes, help="in the tables of what stands"
        )
        costs.add_argument(
            "--standing-seconds", type=positive, default=usual.standing_seconds, metavar="SECONDS",
            help="default: %(default)s",
        )  # fmt: skip
        machines = actions.add_parser("machines", help="value workers of two state directories")
        machines.add_argument("--workers", type=_sizes, default=usual.workers, metavar="N,N")
        machines.add_argument("--rounds", type=one_or_more, default=usual.rounds)
        machines.add_argument(
            "--markets", type=one_or_more, default=2_000, help="default: %(default)s"
        )
        for each in (costs, machines):
            each.add_argument("--seed", type=int, default=usual.seed, help="of the work")
            each.add_argument("--out", type=Path, metavar="FILE", help="write the result as JSON")
        measuring = actions.add_parser("scaling-trial", help="their measuring process")
        measuring.add_argument("plan")
        measuring.add_argument("--out", type=Path, required=True)
        trial = actions.add_parser("trial", help="the measuring process of run")
        trial.add_argument("plan")
        trial.add_argument("--out", type=Path, required=True)

    def handle(self, *, action: str, **options: Any) -> None:
        try:
            getattr(self, f"_{action.replace('-', '_')}")(options)
        except KeyboardInterrupt:
            if action in {"trial", "scaling-trial"}:
                raise SystemExit(INTERRUPTED) from None  # `run` says it
            words = "interrupted; everything it made is removed"
            raise CommandError(words, returncode=INTERRUPTED) from None
        except (AlreadyRunningError, EmbeddedError, BenchmarkError, ResultError) as error:
            raise CommandError(str(error)) from error
        except ProviderFailure as error:
            raise CommandError(str(error)) from error
        except (OSError, *OUTAGES) as error:
            raise CommandError(str(error)) from error

    def _run(self, options: dict[str, Any]) -> None:
        plan = _plan(options)
        directory: Path | None = options["out"]
        if directory:
            directory.mkdir(parents=True, exist_ok=True)  # before minutes of work
        result = run_benchmark(get_config(), plan)
        if directory:
            document = msgspec.json.format(msgspec.json.encode(result)) + b"\n"
            (directory / "result.json").write_bytes(document)
            made = report(result)
            (directory / "report.md").write_text(f"# Benchmark\n\n{made.text}", "utf-8")
            _write_pictures(directory, made.pictures)
        self._show(result)

    def _show(self, result: Result) -> None:
        rows = [
            (each.profile, each.case, each.against, each.measure.name, times(each.spread))
            for each in ratios(result)
        ]
        write_table(self.stdout, ("profile", "case", "than", "figure", "times better"), rows)

    def _compare(self, options: dict[str, Any]) -> None:
        before, after = (decode(options[side].read_bytes()) for side in ("before", "after"))
        verdicts = judge(before, after)
        if not verdicts:
            raise CommandError("The two results have no ratio in common.")
        rows = [
            (
                *each.before.key[:3],
                each.before.measure.name,
                times(each.before.spread),
                times(each.after.spread),
                "WORSE" if each.is_worse else "better" if each.is_better else "the same",
            )
            for each in verdicts
        ]
        write_table(self.stdout, ("profile", "case", "than", "figure", "A", "B", "verdict"), rows)
        worse = sum(each.is_worse for each in verdicts)
        if worse:
            raise CommandError(f"{worse} of {len(verdicts)} ratios are worse.")

    def _publish(self, options: dict[str, Any]) -> None:
        result = decode(options["result"].read_bytes())
        made = report(result)
        figures = {README: summary(result, "docs/benchmarks"), DOCUMENT: made.text}
        for page, text in figures.items():
            page.write_text(put_into(page.read_text("utf-8"), text), "utf-8")
        for old in DOCUMENT.parent.glob("*.svg"):
            old.unlink()
        _write_pictures(DOCUMENT.parent, made.pictures)
        self.stdout.write(f"{README} and {DOCUMENT} have the figures.")

    def _throttle(self, options: dict[str, Any]) -> None:
        seeds = range(options["first"], options["first"] + options["seeds"])
        comparisons = compare_throttle(seeds, options["interval"], ThrottlePolicy())
        self.stdout.write(throttle_table(comparisons))
        against = list(objections(comparisons))
        words = [f"- {one}" for one in against] or ["The throttle wins on every script."]
        self.stdout.write("\n".join(words))

    def _polling(self, options: dict[str, Any]) -> None:
        first, polls_a_day = options["first"], options["polls_a_day"]
        for path in options["tapes"]:
            rows = compare_polling([recorded(path)], polls_a_day)
            self.stdout.write(f"{path.name}\n\n{polling_table(rows)}\n")
        if not options["tapes"]:
            feeds = [simulated(seed) for seed in range(first, first + options["seeds"])]
            self.stdout.write(polling_table(compare_polling(feeds, polls_a_day)))

    def _debounce(self, options: dict[str, Any]) -> None:
        for path in options["tapes"]:
            found = compare_debounce(recorded_changes(path), options["part"], AdaptivePolicy())
            words = "".join(f"- {each}\n" for each in debounce_verdict(found))
            self.stdout.write(f"{debounce_table(found)}\n{words}")
        if not options["tapes"]:
            self.stdout.write(burst_table(AdaptivePolicy(), CoalescePolicy().cap_ms))

    def _events(self, options: dict[str, Any]) -> None:
        tapes = [recorded_changes(path, may_be_polls=True) for path in options["recordings"]]
        self.stdout.write(mixed_table(tapes))

    def _health(self, options: dict[str, Any]) -> None:
        files: list[Path] = options["recordings"]
        if not files:
            seeds = range(options["first"], options["first"] + options["seeds"])
            self.stdout.write(compare_budgets(seeds))
            self.stdout.write(compare_levels(seeds, TrendPolicy()))
            return
        if len(files) == 1:
            raise CommandError("Give two recordings at least: rules are chosen on the others.")
        try:
            recordings = [decode_recording(each.read_bytes()) for each in files]
        except msgspec.MsgspecError as error:
            raise CommandError(f"This is no recording: {error}") from error
        if not all(each.episodes for each in recordings):
            raise CommandError("A recording has no episode.")
        disk: float | None = options["disk"]

        def changed(recording: Recording) -> Recording:
            return recording if disk is None else with_figure(recording, "disk", disk)

        judged = judge_health(recordings, SCORERS, options["price"], changed)
        self.stdout.write(f"{health_table(judged)}\n{by_fault(judged)}")

    def _costs(self, options: dict[str, Any]) -> None:
        self._scale("costs", options)

    def _machines(self, options: dict[str, Any]) -> None:
        self._scale("machines", options)

    def _scale(self, kind: str, options: dict[str, Any]) -> None:
        fields = {field.name for field in msgspec.structs.fields(ScalingPlan)}
        given = {name: value for name, value in options.items() if name in fields}
        result = run_scaling(ScalingPlan(kind, **given))
        if options["out"]:
            options["out"].write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
        self.stdout.write(scaling_tables(result))

    def _scaling_trial(self, options: dict[str, Any]) -> None:
        plan = msgspec.json.decode(options["plan"], type=ScalingPlan)
        result = run_scaling_plan(get_config(), plan)
        options["out"].write_bytes(msgspec.json.encode(result))

    def _trial(self, options: dict[str, Any]) -> None:
        plan = msgspec.json.decode(options["plan"], type=Plan)
        result = run_plan(get_config(), Console(stderr=True), plan)
        options["out"].write_bytes(msgspec.json.encode(result))


def _add_plan(parser: ArgumentParser) -> None:
    usual = Plan()
    add = parser.add_argument
    add("--rounds", type=one_or_more, help=f"of each profile; default: {usual.rounds}")
    add("--seed", type=int, help=f"of the work; default: {usual.seed}")
    add("--contenders", type=_contenders, metavar="A,B", help=f"of {', '.join(CONTENDERS)}")
    add("--sizes", type=_sizes, metavar="N,N", help=f"markets of a burst; default: {usual.sizes}")
    add("--samples", type=one_or_more, help=f"single changes a round; default: {usual.samples}")
    add(
        "--during-burst", type=one_or_more, nargs="?", const=10_000, metavar="N",
        help="measure major moves during a burst of N changes as well; N: 10000 if not given",
    )  # fmt: skip
    add("--grow", type=_sizes, metavar="N,N", help=f"quotes in the tables; default: {usual.grow}")
    add("--history", type=one_or_more, help="rows of history a quote; default: 1")
    add("--soak-seconds", type=positive, help=f"default: {usual.soak_seconds:.0f}")
    add(
        "--match-day-seconds", type=positive, metavar="SECONDS",
        help=f"of a Saturday; default: {usual.match_day_seconds:.0f}",
    )  # fmt: skip
    add("--soak-rate", type=one_or_more, help=f"changes a second; default: {usual.soak_rate}")


def _plan(options: dict[str, Any]) -> Plan:
    """Return the plan: the usual or the quick one, with what is given."""
    fields = {field.name for field in msgspec.structs.fields(Plan)}
    given = {name: options[name] for name in fields if options.get(name)}
    if "profiles" in given:
        given["profiles"] = tuple(given["profiles"])
    return msgspec.structs.replace(QUICK if options["quick"] else Plan(), **given)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(one_or_more(part.replace("_", "")) for part in text.split(","))


def _contenders(text: str) -> tuple[str, ...]:
    named = tuple(text.split(","))
    if unknown := set(named) - set(CONTENDERS):
        raise ArgumentTypeError(f"{', '.join(sorted(unknown))}: not among {', '.join(CONTENDERS)}")
    if "hardline" not in named:
        raise ArgumentTypeError("hardline has to be among them: the others are measured by it")
    return named


def _write_pictures(directory: Path, pictures: Any) -> None:
    for name, picture in pictures.items():
        (directory / name).write_text(picture, "utf-8")
