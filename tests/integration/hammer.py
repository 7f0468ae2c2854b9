"""Worker processes that all ask a provider at the same moments: `test_probes.py`.

    python -m tests.integration.hammer PROVIDER_ID PROCESSES THREADS

They are forks, as those of a worker are, and go on until their standard input ends. Every thread of
all of them begins to ask when a tick of the machine's clock begins: more of them meet than if each
asked without a pause, which keeps the probes waiting for a processor, and both of two at work.
Nothing but the circuit stands between these threads and the provider: the lock of one poll at a
time, which would hide a fault of the circuit, is given to everybody.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import replace
from importlib import import_module
from threading import Event
from unittest.mock import patch

import django

TICK_SECONDS = 0.05


def main(provider_id: int, processes: int, threads: int) -> None:
    django.setup()
    from django.db import connection  # noqa: PLC0415 - only once Django is set up

    from betting.config import get_config  # noqa: PLC0415 - the same
    from streaming.polling.poll import poll  # noqa: PLC0415 - the same

    import_module("streaming.bounded_http.exchange")  # or each process's first probe would
    config = get_config()
    config = replace(config, poll=replace(config.poll, dedupe_ms=0))
    children = list[int]()
    for _ in range(processes - 1):
        child = os.fork()
        if child == 0:
            children.clear()
            break
        children.append(child)
    is_over = Event()

    def ask() -> None:
        with closing(connection):
            while not is_over.wait(TICK_SECONDS - time.monotonic() % TICK_SECONDS):
                list(poll(provider_id, config))

    everybodys = patch("streaming.polling.poll._turn", return_value=nullcontext(True))
    with everybodys, ThreadPoolExecutor(threads) as pool:
        asking = [pool.submit(ask) for _ in range(threads)]
        sys.stdin.read()
        is_over.set()
        for work in asking:
            work.result()
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
