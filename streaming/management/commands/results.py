from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, get_args

from django.core.management.base import CommandError

from betting.config import get_config
from betting.management.login import login_name
from betting.management.unchecked import UncheckedCommand
from betting.models import Event
from streaming.runner.tables import write_table
from valuation.backtest import report
from valuation.policy import Method
from valuation.results.calibrated import GROUPINGS, calibrations, closed_lines
from valuation.results.football_data import ResultsFileError
from valuation.results.graded_edges import GROUPS, calibration_of, graded_edges, group_scores
from valuation.results.importing import import_results, void_result
from valuation.results.reading import read_contracts, read_results
from valuation.results.settlements import import_settled

SHOWN_DOUBTS = 20


class Command(UncheckedCommand):
    help = "Import results of events and compare edges with them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        reads = actions.add_parser("import", help="read results from files")
        reads.add_argument(
            "files",
            nargs="+",
            type=Path,
            metavar="FILE",
            help=".csv or .csv.gz of football-data.co.uk; .json of The Odds API's /scores or of"
            " Kalshi's /markets?status=settled",
        )
        void = actions.add_parser("void", help="note that an event was cancelled or abandoned")
        void.add_argument("event", type=int, metavar="ID", help="its number in the admin")
        edges = actions.add_parser("edges", help="what edges claimed and what they paid")
        edges.add_argument("--by", choices=[*GROUPS], default="bookmaker")

        closes = actions.add_parser("calibration", help="how well closing prices say what happens")
        closes.add_argument("--by", choices=GROUPINGS, default="bookmaker")
        closes.add_argument(
            "--method", choices=get_args(Method), help="to take a bookmaker's margin out"
        )

    def handle(self, *, action: str, **options: Any) -> None:
        if action == "calibration":
            self._calibrate(options["by"], options["method"])
        elif action == "import":
            self._import(options["files"])
        elif action == "void":
            self._void(options["event"])
        else:
            self._edges(options["by"])

    def _import(self, files: list[Path]) -> None:
        try:
            contracts = {path: read_contracts(path) for path in files}
            reported = [
                result
                for path, of_path in contracts.items()
                if of_path is None
                for result in read_results(path)
            ]
        except ResultsFileError as error:
            raise CommandError(str(error)) from error
        done = import_results(reported, get_config().matching)
        self.stdout.write(
            f"{done.changed} written, {done.unchanged} known already, {len(done.doubtful)} doubtful"
            f", {done.unknown} of events that are not known"
        )
        settled = [each for of_path in contracts.values() for each in of_path or ()]
        if settled:
            paid = import_settled(settled)
            self.stdout.write(
                f"contracts: {paid.changed} outcomes written, {paid.unchanged} known already"
                f", {paid.unknown} contracts on outcomes that are not known"
            )
        for each in done.doubtful[:SHOWN_DOUBTS]:
            self.stdout.write(f"doubtful: {each.home} v {each.away}, {each.start:%Y-%m-%d %H:%M}")
        if done.doubtful:
            self.stdout.write("Where names differ, add them to the participant aliases.")

    def _void(self, event_id: int) -> None:
        event = Event.objects.filter(pk=event_id).first()
        if event is None:
            raise CommandError(f"no event {event_id}")
        void_result(event, login_name())
        self.stdout.write(f"{event}: void")

    def _calibrate(self, by: str, method: Method | None) -> None:
        lines = closed_lines()
        method = method or get_config().valuation.method
        judged = sorted(calibrations(lines, by, method), key=lambda each: each[1].log_loss or 0.0)
        write_table(self.stdout, *report.qualities_table(by, judged))
        for name, quality in judged:
            self.stdout.write(f"calibration: {name}")
            write_table(self.stdout, *report.calibration_table(quality.tenths))

    def _edges(self, by: str) -> None:
        graded = graded_edges(by)
        write_table(self.stdout, *report.groups_table(by, group_scores(graded)))
        write_table(self.stdout, *report.calibration_table(calibration_of(graded)))
