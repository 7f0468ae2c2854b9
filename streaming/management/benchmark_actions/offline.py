"""Studies that need no server: policies and scores over simulated or recorded streams."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import CommandError, OutputWrapper

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
from streaming.benchmark.polling.comparison import compare as compare_polling
from streaming.benchmark.polling.schedule import simulated
from streaming.benchmark.polling.tables import markdown as polling_table
from streaming.benchmark.polling.tapes import recorded
from streaming.benchmark.throttle.table import compare as compare_throttle
from streaming.benchmark.throttle.table import markdown as throttle_table
from streaming.benchmark.throttle.table import objections
from streaming.core.adaptive_debounce import AdaptivePolicy
from streaming.core.coalesce import CoalescePolicy
from streaming.core.exhaustion import TrendPolicy
from streaming.core.throttle import ThrottlePolicy
from streaming.management.arguments import one_or_more, positive, whole_numbers
from streaming.management.benchmark_actions.base import Action


def _add_throttle(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--first", type=int, default=20, help="seed; default: %(default)s")
    add("--seeds", type=one_or_more, default=100, help="of each script; default: %(default)s")
    add(
        "--interval", type=positive, default=30.0, metavar="SECONDS",
        help="between two polls; default: %(default)s",
    )  # fmt: skip


def _throttle(options: dict[str, Any], out: OutputWrapper) -> None:
    seeds = range(options["first"], options["first"] + options["seeds"])
    comparisons = compare_throttle(seeds, options["interval"], ThrottlePolicy())
    out.write(throttle_table(comparisons))
    against = list(objections(comparisons))
    words = [f"- {one}" for one in against] or ["The throttle wins on every script."]
    out.write("\n".join(words))


def _add_tapes(parser: ArgumentParser, usual: str) -> None:
    parser.add_argument(
        "tapes", nargs="*", type=Path, metavar="FILE",
        help=f"recordings of streams, each judged by itself, instead of {usual}",
    )  # fmt: skip


def _add_polling(parser: ArgumentParser) -> None:
    add = parser.add_argument
    _add_tapes(parser, "simulated feeds")
    add("--seeds", type=one_or_more, default=50, help="default: 50")
    add("--first", type=int, default=10, metavar="SEED", help="default: 10")
    add(
        "--polls-a-day", type=whole_numbers, default=(96, 288), metavar="N,N",
        help="default: 96,288",
    )  # fmt: skip


def _polling(options: dict[str, Any], out: OutputWrapper) -> None:
    first, polls_a_day = options["first"], options["polls_a_day"]
    for path in options["tapes"]:
        rows = compare_polling([recorded(path)], polls_a_day)
        out.write(f"{path.name}\n\n{polling_table(rows)}\n")
    if not options["tapes"]:
        feeds = [simulated(seed) for seed in range(first, first + options["seeds"])]
        out.write(polling_table(compare_polling(feeds, polls_a_day)))


def _add_debounce(parser: ArgumentParser) -> None:
    _add_tapes(parser, "made-up bursts")
    parser.add_argument(
        "--part", choices=("first", "second", "all"), default="second",
        help="half of each market's changes that is counted; default: %(default)s",
    )  # fmt: skip


def _debounce(options: dict[str, Any], out: OutputWrapper) -> None:
    for path in options["tapes"]:
        found = compare_debounce(recorded_changes(path), options["part"], AdaptivePolicy())
        words = "".join(f"- {each}\n" for each in debounce_verdict(found))
        out.write(f"{debounce_table(found)}\n{words}")
    if not options["tapes"]:
        out.write(burst_table(AdaptivePolicy(), CoalescePolicy().cap_ms))


def _add_events(parser: ArgumentParser) -> None:
    parser.add_argument("recordings", nargs="+", type=Path, metavar="FILE")


def _events(options: dict[str, Any], out: OutputWrapper) -> None:
    tapes = [recorded_changes(path, may_be_polls=True) for path in options["recordings"]]
    out.write(mixed_table(tapes))


def _add_health(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "recordings", nargs="*", type=Path, metavar="FILE",
        help="of `chaos --record-health`, two at least; default: misses and disks in scripts",
    )  # fmt: skip
    add(
        "--price", type=positive, default=30.0, metavar="SECONDS",
        help="the delay that a false alarm is worth; default: %(default)s",
    )  # fmt: skip
    add(
        "--disk", type=positive, metavar="PART",
        help="judge as if the disk were so full all the time, and rules chosen before that",
    )  # fmt: skip
    add("--first", type=int, default=20, help="seed; default: %(default)s")
    add("--seeds", type=one_or_more, default=50, help="of each script; default: %(default)s")


def _health(options: dict[str, Any], out: OutputWrapper) -> None:
    files: list[Path] = options["recordings"]
    if not files:
        seeds = range(options["first"], options["first"] + options["seeds"])
        out.write(compare_budgets(seeds))
        out.write(compare_levels(seeds, TrendPolicy()))
        return
    recordings = _recordings(files)
    disk: float | None = options["disk"]

    def changed(recording: Recording) -> Recording:
        return recording if disk is None else with_figure(recording, "disk", disk)

    judged = judge_health(recordings, SCORERS, options["price"], changed)
    out.write(f"{health_table(judged)}\n{by_fault(judged)}")


def _recordings(files: list[Path]) -> list[Recording]:
    if len(files) == 1:
        raise CommandError("Give two recordings at least: rules are chosen on the others.")
    try:
        recordings = [decode_recording(each.read_bytes()) for each in files]
    except msgspec.MsgspecError as error:
        raise CommandError(f"This is no recording: {error}") from error
    if not all(each.episodes for each in recordings):
        raise CommandError("A recording has no episode.")
    return recordings


ACTIONS = (
    Action("throttle", "compare the circuit with and without it", _add_throttle, _throttle),
    Action("polling", "fixed against adaptive polling, offline", _add_polling, _polling),
    Action("debounce", "fixed against adaptive windows, offline", _add_debounce, _debounce),
    Action("events", "reads of events that are half old, offline", _add_events, _events),
    Action("health", "the scores of health, by when they alarm", _add_health, _health),
)
