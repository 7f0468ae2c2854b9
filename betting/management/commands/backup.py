"""``manage.py backup create|verify|restore``."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from betting.config import Config, get_config
from betting.runtime import backup, embedded
from betting.runtime.backup.progress import Show
from betting.runtime.redis_clients import make_client
from betting.runtime.supervisor import AlreadyRunningError, single_instance
from streaming.dead_letters import spool

_KEYS_PER_CALL = 1_000


class Command(BaseCommand):
    help = "Back the database up into a file, verify such a file, or restore one."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="write a dump and its manifest")
        create.add_argument(
            "file", nargs="?", type=Path, help="the new file; default: hardline-<time>.dump here"
        )
        verify = actions.add_parser(
            "verify", help="restore it into a database of its own, and compare all row counts"
        )
        verify.add_argument("file", type=Path)
        restore = actions.add_parser("restore", help="fill the empty database of this state")
        restore.add_argument("file", type=Path)
        restore.add_argument(
            "--replace", action="store_true", help="replace the tables that the database has"
        )

    def handle(self, *, action: str, file: Path | None, **options: Any) -> None:
        config = get_config()
        try:
            with embedded.used(config), _shown() as show:
                if action == "create":
                    done = self._create(config, file, show)
                elif action == "verify":
                    assert file is not None
                    done = _summary(backup.verify(config, file, show), f"{file} is whole")
                else:
                    assert file is not None
                    done = _restore(config, file, show, replaces=options["replace"])
        except AlreadyRunningError as error:
            raise CommandError(f"Stop what is running in this state directory: {error}.") from error
        except (backup.BackupError, embedded.EmbeddedError) as error:
            raise CommandError(str(error)) from error
        except psycopg.Error as error:
            raise CommandError(f"PostgreSQL: {str(error).strip()}") from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
        self.stdout.write(done)

    def _create(self, config: Config, file: Path | None, show: Show) -> str:
        file = file or Path(f"hardline-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.dump")
        return _summary(backup.create(config, file, show), f"{file} was written")


def _restore(config: Config, file: Path, show: Show, *, replaces: bool) -> str:
    with single_instance(config.home / "run.lock"):
        manifest = backup.restore(config, file, show, replaces=replaces)
        _empty_redis(config)
    return _summary(manifest, f"{file} was restored")


def _empty_redis(config: Config) -> None:
    """Delete what Redis knows about the rows that were there before: they are others now.

    Dead letters that wait in it are kept: they are of the time when PostgreSQL was away.
    """
    with make_client(embedded.redis_url(config)) as client:
        found = client.scan_iter(count=_KEYS_PER_CALL)
        keys = [key for key in found if key != spool.KEY.encode()]
        for start in range(0, len(keys), _KEYS_PER_CALL):
            client.unlink(*keys[start : start + _KEYS_PER_CALL])


def _summary(manifest: backup.Manifest, sentence: str) -> str:
    rows, megabytes = sum(manifest.rows.values()), manifest.bytes / 1e6
    return (
        f"{sentence}: {rows:,} rows of {len(manifest.rows)} tables as of"
        f" {manifest.made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {megabytes:,.1f} MB"
    )


@contextmanager
def _shown() -> Iterator[Show]:
    """Show progress in a bar on stderr, if that is a terminal."""
    console = Console(stderr=True)
    columns = (
        TimeElapsedColumn(),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("connecting", total=1.0)
        yield lambda what, share: progress.update(task, description=what, completed=share)
