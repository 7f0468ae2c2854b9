"""Tasks that fail, each in its own way, until the folder they are given is mended.

Only the workers of tests/integration/test_dead_letters.py and test_sentry.py import this.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import current_app, shared_task
from celery.exceptions import Reject, SoftTimeLimitExceeded

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 60.0


def is_mended(folder: str) -> bool:
    return Path(folder, "mended").exists()


def work(folder: str, name: str) -> None:
    """What the task is for: one more line that says it was done."""
    with Path(folder, name).open("a") as file:
        file.write("done\n")


def wait_for(folder: str, name: str) -> None:
    """Run until a file is there, or for longer than any time limit allows."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not Path(folder, name).exists() and time.monotonic() < deadline:
        time.sleep(0.02)


@shared_task(name="tests.works")
def works(folder: str, name: str) -> None:
    work(folder, name)


@shared_task(name="tests.raises")
def raises(folder: str, name: str) -> None:
    if not is_mended(folder):
        raise LookupError("no market 17")
    work(folder, name)


@shared_task(name="tests.tells_a_secret")
def tells_a_secret(folder: str, name: str) -> None:  # noqa: ARG001 - every task's arguments
    """Has a secret in its hands, logs it and raises it, as a careless one may."""
    secret = os.environ["TESTS_SECRET"]
    urlopen_arguments = {"headers": {"Authorization": f"Bearer {secret}"}}
    logger.warning("asking https://a.example/odds?apiKey=%s", secret)
    logger.error("refused: %s", urlopen_arguments)
    raise LookupError(f"https://a.example/odds?apiKey={secret} and redis://:{secret}@b/0")


@shared_task(name="tests.retries", bind=True, max_retries=2, default_retry_delay=0)
def retries(self: Any, folder: str, name: str) -> None:
    if not is_mended(folder):
        raise self.retry(exc=LookupError("no market 18"))
    work(folder, name)


@shared_task(name="tests.works_at_the_second_try", bind=True, default_retry_delay=0)
def works_at_the_second_try(self: Any, folder: str, name: str) -> None:
    if not self.request.retries:
        raise self.retry(exc=LookupError("not yet"))
    work(folder, name)


@shared_task(name="tests.overstays", soft_time_limit=1, time_limit=30)
def overstays(folder: str, name: str) -> None:
    if not is_mended(folder):
        wait_for(folder, "never")
    work(folder, name)


@shared_task(name="tests.hangs", soft_time_limit=1, time_limit=2)
def hangs(folder: str, name: str) -> None:
    """Does not mind being told to end."""
    if not is_mended(folder):
        with suppress(SoftTimeLimitExceeded):
            wait_for(folder, "never")
        wait_for(folder, "never")
    work(folder, name)


@shared_task(name="tests.dies")
def dies(folder: str, name: str) -> None:
    """The poison: whatever runs it is killed."""
    with Path(folder, f"{name}.deaths").open("a") as file:
        file.write("killed\n")
    if not is_mended(folder):
        os.kill(os.getpid(), signal.SIGKILL)
    work(folder, name)


@shared_task(name="tests.dies_once")
def dies_once(folder: str, name: str) -> None:
    """No poison: killed by accident, it works when it is delivered again."""
    with Path(folder, f"{name}.deaths").open("a") as file:
        file.write("killed\n")
    if len(Path(folder, f"{name}.deaths").read_text().splitlines()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    work(folder, name)


@shared_task(name="tests.dies_acknowledged", acks_late=False)
def dies_acknowledged(folder: str, name: str) -> None:
    if not is_mended(folder):
        os.kill(os.getpid(), signal.SIGKILL)
    work(folder, name)


@shared_task(name="tests.rejects")
def rejects(folder: str, name: str) -> None:
    if not is_mended(folder):
        raise Reject("not this one", requeue=False)
    work(folder, name)


@shared_task(name="tests.returns_no_json", ignore_result=False)
def returns_no_json(folder: str, name: str) -> object:
    if not is_mended(folder):
        return object()
    work(folder, name)
    return None


class HookedTask(current_app.Task):  # type: ignore[misc, name-defined]
    def on_failure(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("the hook itself fails")


@shared_task(name="tests.fails_with_its_hook", base=HookedTask)
def fails_with_its_hook(folder: str, name: str) -> None:
    if not is_mended(folder):
        raise LookupError("no market 19")
    work(folder, name)


@shared_task(name="tests.waits_and_raises", acks_late=False)
def waits_and_raises(folder: str, name: str) -> None:
    """Fails when it is told to, whatever is away by then."""
    Path(folder, f"{name}.begun").touch()
    wait_for(folder, "go")
    if not is_mended(folder):
        raise LookupError("no market 20")
    work(folder, name)
