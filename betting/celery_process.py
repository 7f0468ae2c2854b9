"""A Celery worker or beat, without Celery's other commands.

`python -m celery` imports every command, Flower's and the prompt's included: a fifth of the time
that a worker takes to start, and memory that each of its processes keeps. Run as
`python -m betting.celery_process`, with `worker` or `beat` and the options of that command.
"""

from __future__ import annotations

import sys

from betting.garbage import stop_collecting
from betting.lean_imports import import_lean

stop_collecting()
import_lean()

import billiard.pool  # noqa: E402 - these are what is not gone through
from celery.bin.base import CLIContext  # noqa: E402
from celery.bin.beat import beat  # noqa: E402
from celery.bin.worker import worker  # noqa: E402

from betting.celery import app  # noqa: E402

UNCOUNTED_SECONDS = 5.0
"""The wait of a pool's process, at its end, for its parent to count its last result.

A worker that ends forgets the task that it has just written to a process, whose result it then does
not read, and waits for the process. By default that waits 30 s, longer than any platform does. The
message was never acknowledged, and is delivered again.
"""

billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = round(
    UNCOUNTED_SECONDS / billiard.pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
)

COMMANDS = {"worker": worker, "beat": beat}

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    COMMANDS[name].main(
        options,
        prog_name=f"celery {name}",
        auto_envvar_prefix=f"CELERY_{name.upper()}",
        # Quiet, because a banner is not a log line.
        obj=CLIContext(app, no_color=False, workdir=None, quiet=True),
    )
