from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from betting.db.outages import OUTAGES
from betting.runtime.embedded import EmbeddedError
from betting.runtime.supervisor import AlreadyRunningError
from streaming.benchmark.results.document import ResultError
from streaming.benchmark.waiting import BenchmarkError
from streaming.core.failures import ProviderFailure
from streaming.management.benchmark_actions import ACTIONS

INTERRUPTED = 130


class Command(BaseCommand):
    help = "Measure Hardline beside other ways to do the same work; compare two measurements."
    requires_system_checks = ()  # comparing uses nothing that they check

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        for action in ACTIONS.values():
            action.add_arguments(actions.add_parser(action.name, help=action.help))

    def handle(self, *, action: str, **options: Any) -> None:
        chosen = ACTIONS[action]
        try:
            chosen.run(options, self.stdout)
        except KeyboardInterrupt:
            if chosen.is_trial:
                raise SystemExit(INTERRUPTED) from None  # the action that started it says it
            words = "interrupted; everything it made is removed"
            raise CommandError(words, returncode=INTERRUPTED) from None
        except (AlreadyRunningError, EmbeddedError, BenchmarkError, ResultError) as error:
            raise CommandError(str(error)) from error
        except ProviderFailure as error:
            raise CommandError(str(error)) from error
        except (OSError, *OUTAGES) as error:
            raise CommandError(str(error)) from error
