"""Measuring Hardline beside other ways to do the same work, and using the results."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console

from betting.config import CHECKOUT, get_config
from streaming.benchmark.plan import CONTENDERS, PROFILES, QUICK, USUAL, Plan
from streaming.benchmark.results.document import Result, decode, encode
from streaming.benchmark.results.markdown import put_into, report, summary, times
from streaming.benchmark.results.ratios import judge, ratios
from streaming.benchmark.run import run_benchmark
from streaming.benchmark.trial import run_plan
from streaming.management.arguments import one_or_more, positive, whole_numbers
from streaming.management.benchmark_actions.base import Action, add_trial_arguments
from streaming.runner.tables import write_table

README = CHECKOUT / "README.md"
DOCUMENT = CHECKOUT / "docs" / "benchmarks" / "README.md"


def _add_run(parser: ArgumentParser) -> None:
    usual = Plan()
    add = parser.add_argument
    add(
        "profiles", nargs="*", choices=[*PROFILES, []], metavar="PROFILE",
        help=f"of {', '.join(PROFILES)}; default: {', '.join(USUAL)}",
    )  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="write JSON, Markdown and charts")
    add("--quick", action="store_true", help="a small burst, as a check")
    add("--rounds", type=one_or_more, help=f"of each profile; default: {usual.rounds}")
    add("--seed", type=int, help=f"of the work; default: {usual.seed}")
    add("--contenders", type=_contenders, metavar="A,B", help=f"of {', '.join(CONTENDERS)}")
    add(
        "--sizes", type=whole_numbers, metavar="N,N",
        help=f"markets of a burst; default: {usual.sizes}",
    )  # fmt: skip
    add("--samples", type=one_or_more, help=f"single changes a round; default: {usual.samples}")
    add(
        "--during-burst", type=one_or_more, nargs="?", const=10_000, metavar="N",
        help="measure major moves during a burst of N changes as well; N: 10000 if not given",
    )  # fmt: skip
    add(
        "--grow", type=whole_numbers, metavar="N,N",
        help=f"quotes in the tables; default: {usual.grow}",
    )  # fmt: skip
    add("--history", type=one_or_more, help="rows of history a quote; default: 1")
    add("--soak-seconds", type=positive, help=f"default: {usual.soak_seconds:.0f}")
    add(
        "--match-day-seconds", type=positive, metavar="SECONDS",
        help=f"of a Saturday; default: {usual.match_day_seconds:.0f}",
    )  # fmt: skip
    add("--soak-rate", type=one_or_more, help=f"changes a second; default: {usual.soak_rate}")


def _contenders(text: str) -> tuple[str, ...]:
    named = tuple(text.split(","))
    if unknown := set(named) - set(CONTENDERS):
        raise ArgumentTypeError(f"{', '.join(sorted(unknown))}: not among {', '.join(CONTENDERS)}")
    if "hardline" not in named:
        raise ArgumentTypeError("hardline has to be among them: the others are measured by it")
    return named


def plan_of(options: dict[str, Any]) -> Plan:
    """Return the plan: the usual or the quick one, with what is given."""
    fields = {field.name for field in msgspec.structs.fields(Plan)}
    given = {name: options[name] for name in fields if options.get(name)}
    if "profiles" in given:
        given["profiles"] = tuple(given["profiles"])
    return msgspec.structs.replace(QUICK if options["quick"] else Plan(), **given)


def _run(options: dict[str, Any], out: OutputWrapper) -> None:
    plan = plan_of(options)
    directory: Path | None = options["out"]
    if directory:
        directory.mkdir(parents=True, exist_ok=True)  # before minutes of work
    result = run_benchmark(get_config(), plan)
    if directory:
        (directory / "result.json").write_bytes(encode(result))
        made = report(result)
        (directory / "report.md").write_text(f"# Benchmark\n\n{made.text}", "utf-8")
        _write_pictures(directory, made.pictures)
    _show(result, out)


def _show(result: Result, out: OutputWrapper) -> None:
    rows = [
        (each.profile, each.case, each.against, each.measure.name, times(each.spread))
        for each in ratios(result)
    ]
    write_table(out, ("profile", "case", "than", "figure", "times better"), rows)


def _add_compare(parser: ArgumentParser) -> None:
    parser.add_argument("before", type=Path, metavar="A")
    parser.add_argument("after", type=Path, metavar="B")


def _compare(options: dict[str, Any], out: OutputWrapper) -> None:
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
    write_table(out, ("profile", "case", "than", "figure", "A", "B", "verdict"), rows)
    worse = sum(each.is_worse for each in verdicts)
    if worse:
        raise CommandError(f"{worse} of {len(verdicts)} ratios are worse.")


def _add_publish(parser: ArgumentParser) -> None:
    parser.add_argument("result", type=Path, metavar="RESULT")


def _publish(options: dict[str, Any], out: OutputWrapper) -> None:
    result = decode(options["result"].read_bytes())
    made = report(result)
    figures = {README: summary(result, "docs/benchmarks"), DOCUMENT: made.text}
    for page, text in figures.items():
        page.write_text(put_into(page.read_text("utf-8"), text), "utf-8")
    for old in DOCUMENT.parent.glob("*.svg"):
        old.unlink()
    _write_pictures(DOCUMENT.parent, made.pictures)
    out.write(f"{README} and {DOCUMENT} have the figures.")


def _write_pictures(directory: Path, pictures: Mapping[str, str]) -> None:
    for name, picture in pictures.items():
        (directory / name).write_text(picture, "utf-8")


def _trial(options: dict[str, Any], _out: OutputWrapper) -> None:
    plan = msgspec.json.decode(options["plan"], type=Plan)
    result = run_plan(get_config(), Console(stderr=True), plan)
    options["out"].write_bytes(msgspec.json.encode(result))


ACTIONS = (
    Action("run", "measure, in a database of its own", _add_run, _run),
    Action("compare", "exit 1 if a ratio has become worse", _add_compare, _compare),
    Action("publish", "write figures into the README and docs", _add_publish, _publish),
)
TRIAL = Action("trial", "the measuring process of run", add_trial_arguments, _trial, is_trial=True)
