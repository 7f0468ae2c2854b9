from __future__ import annotations

import secrets
import sys
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from betting.config import get_config
from betting.db.outages import OUTAGES
from betting.runtime.embedded import EmbeddedError
from betting.runtime.supervisor import AlreadyRunningError
from streaming.benchmark.health.recording import encode
from streaming.chaos.document import ChaosResult
from streaming.chaos.health_recording import PLANS, record
from streaming.chaos.oracle import OracleError
from streaming.chaos.report import report
from streaming.chaos.run import Task, run_again_apart, run_chaos
from streaming.management.arguments import one_or_more
from streaming.runner.ports import PortError
from streaming.runner.run_loop import RunError

SEEDS = 20


class Command(BaseCommand):
    help = (
        "Let faults strike a run of its own at random times, and compare what it shows afterwards"
        " with an undisturbed reading of the same answers."
    )
    requires_system_checks = ()  # it uses nothing that they check

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--seeds", type=one_or_more, default=SEEDS, metavar="N", help=f"default: {SEEDS}")
        add("--first", type=int, metavar="SEED", help="the first seed; default: random")
        add("--market-seed", type=int, default=1, help="of the simulated market; default: 1")
        add("--out", type=Path, metavar="FILE", help="write the report, in Markdown")
        add("--results", type=Path, metavar="FILE", help="add to these results, and report on all")
        add(
            "--record-health", type=Path, metavar="FILE",
            help="record the health checks instead, while long faults and short ones strike",
        )  # fmt: skip
        add(
            "--episodes", type=one_or_more, default=len(PLANS), metavar="N",
            help=f"of a recording, {len(PLANS)} at most; default: all",
        )  # fmt: skip
        add("--apart", action="store_true", help=SUPPRESS)

    def handle(self, **options: Any) -> None:
        config = get_config()
        if not options["apart"]:
            run_again_apart(config.home, [*sys.argv[1:], "--apart"])
        first = secrets.randbelow(1_000_000) if options["first"] is None else options["first"]
        task = Task(range(first, first + options["seeds"]), options["market_seed"])
        recording: Path | None = options["record_health"]
        episodes = min(options["episodes"], len(PLANS))
        try:
            if recording:
                recording.write_bytes(encode(record(config, Console(), first, episodes)))
                return
            result = run_chaos(config, Console(), task)
        except AlreadyRunningError as error:
            raise CommandError(f"Chaos is already running: {error}.") from error
        except (PortError, EmbeddedError, RunError, OracleError, *OUTAGES) as error:
            raise CommandError(str(error)) from error
        _write(result, options["results"], options["out"])
        if result.left_over:
            raise CommandError(f"Processes are left: {', '.join(result.left_over)}.")
        if result.failed:
            seeds = ", ".join(map(str, result.failed))
            raise CommandError(f"Something was lost, or did not recover: seeds {seeds}.")
        self.stdout.write(f"{len(result.seeds)} seeds: nothing was lost.")
        if len(result.seeds) < len(task.seeds):
            raise CommandError("Interrupted.")


def _write(result: ChaosResult, results: Path | None, out: Path | None) -> None:
    """Add a result to those of earlier runs, and write the report on all of them."""
    if results and results.exists():
        result = result.after(msgspec.json.decode(results.read_bytes(), type=ChaosResult))
    if results:
        results.write_bytes(msgspec.json.encode(result))
    if out:
        out.write_text(report(result), "utf-8")
