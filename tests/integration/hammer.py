"""One of several worker processes that ask a provider as hard as they can: `test_probes.py`.

    python -m tests.integration.hammer PROVIDER_ID THREADS SECONDS

Nothing but the circuit stands between these threads and the provider: the lock of one poll at a
time, which would hide a fault of the circuit, is given to everybody.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import replace
from unittest.mock import patch

import django


def main(provider_id: int, threads: int, seconds: float) -> None:
    django.setup()
    from django.db import connection  # noqa: PLC0415 - only once Django is set up

    from betting.config import get_config  # noqa: PLC0415 - the same
    from streaming.polling.poll import poll  # noqa: PLC0415 - the same

    config = get_config()
    config = replace(config, poll=replace(config.poll, dedupe_ms=0))
    until = time.monotonic() + seconds

    def ask() -> None:
        with closing(connection):
            while time.monotonic() < until:
                list(poll(provider_id, config))

    everybodys = patch("streaming.polling.poll._turn", return_value=nullcontext(True))
    with everybodys, ThreadPoolExecutor(threads) as pool:
        for work in [pool.submit(ask) for _ in range(threads)]:
            work.result()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
