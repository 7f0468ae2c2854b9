"""Measuring the costs of work by role, and value workers on more than one machine."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import OutputWrapper

from betting.config import get_config
from streaming.benchmark.scaling.document import ScalingPlan
from streaming.benchmark.scaling.run import run_scaling
from streaming.benchmark.scaling.tables import markdown as scaling_tables
from streaming.benchmark.scaling.trial import run_scaling_plan
from streaming.management.arguments import one_or_more, positive, whole_numbers
from streaming.management.benchmark_actions.base import Action, add_trial_arguments

_USUAL = ScalingPlan("costs")


def _add_costs(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--polls", type=one_or_more, default=_USUAL.polls, help="of a case; default: %(default)s")
    add("--quotes", type=one_or_more, default=_USUAL.quotes, help="in the tables of what stands")
    add(
        "--standing-seconds", type=positive, default=_USUAL.standing_seconds, metavar="SECONDS",
        help="default: %(default)s",
    )  # fmt: skip
    _add_seed_and_out(parser)


def _add_machines(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--workers", type=whole_numbers, default=_USUAL.workers, metavar="N,N")
    add("--rounds", type=one_or_more, default=_USUAL.rounds)
    add("--markets", type=one_or_more, default=2_000, help="default: %(default)s")
    _add_seed_and_out(parser)


def _add_seed_and_out(parser: ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=_USUAL.seed, help="of the work")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the result as JSON")


def _costs(options: dict[str, Any], out: OutputWrapper) -> None:
    _measure("costs", options, out)


def _machines(options: dict[str, Any], out: OutputWrapper) -> None:
    _measure("machines", options, out)


def _measure(kind: str, options: dict[str, Any], out: OutputWrapper) -> None:
    fields = {field.name for field in msgspec.structs.fields(ScalingPlan)}
    given = {name: value for name, value in options.items() if name in fields}
    result = run_scaling(ScalingPlan(kind, **given))
    if options["out"]:
        options["out"].write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    out.write(scaling_tables(result))


def _trial(options: dict[str, Any], _out: OutputWrapper) -> None:
    plan = msgspec.json.decode(options["plan"], type=ScalingPlan)
    result = run_scaling_plan(get_config(), plan)
    options["out"].write_bytes(msgspec.json.encode(result))


ACTIONS = (
    Action("costs", "cost of polls, quotes and changes by role", _add_costs, _costs),
    Action("machines", "value workers of two state directories", _add_machines, _machines),
    Action("scaling-trial", "their measuring process", add_trial_arguments, _trial, is_trial=True),
)
