"""A fault: its kind, how it strikes, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

import psutil

from streaming.chaos.plan import Kind
from streaming.chaos.stage import Stage

REPEAT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        kind: its name, its subject and how long it lasts.
        strike: begins it when the context is entered, which gives the name of the victim, and ends
            it when the context is left; called with the stage and a number to choose a victim by.
    """

    kind: Kind
    strike: Callable[[Stage, int], AbstractContextManager[str]]


@contextmanager
def stopped(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """Stop processes by SIGSTOP; let those go on at the end that still are."""
    held = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
            held.append(process)
    try:
        yield
    finally:
        for process in held:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def repeating(action: Callable[[], object], seconds: float = REPEAT_SECONDS) -> Iterator[None]:
    """Repeat an action in a thread while the block runs, which raises what the action raised."""
    has_ended = threading.Event()
    failures: list[Exception] = []

    def repeat() -> None:
        while not has_ended.wait(seconds):
            try:
                action()
            except Exception as error:  # noqa: BLE001 - raised below, in the thread of the fault
                failures.append(error)
                return

    thread = threading.Thread(target=repeat, name="fault", daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()
        if failures:
            raise failures[0]
