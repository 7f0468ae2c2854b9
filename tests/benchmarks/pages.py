"""Measure pages: the time that passes, and that of this process, which other work disturbs less."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

from django.test import Client

from betting.garbage import collect_from_here

REQUESTS = 15


def measure_pages(client: Client, addresses: Mapping[str, str]) -> dict[str, float]:
    """Print what each page takes; return the medians of the time that passes, in milliseconds.

    The pages take turns, so that a slow phase of the machine slows all of them. What is read,
    written or planned once is not measured.
    """
    collect_from_here()  # as a server does once it has started
    walls: dict[str, list[float]] = {name: [] for name in addresses}
    processors: dict[str, list[float]] = {name: [] for name in addresses}
    sizes: dict[str, int] = {}
    for _ in range(6 + REQUESTS):
        for name, address in addresses.items():
            started, used = time.perf_counter(), time.process_time()
            response = client.get(address)
            walls[name].append((time.perf_counter() - started) * 1_000)
            processors[name].append((time.process_time() - used) * 1_000)
            assert response.status_code == 200
            sizes[name] = len(response.content)
    medians = {}
    for name in addresses:
        wall, processor = walls[name][6:], processors[name][6:]
        medians[name] = statistics.median(wall)
        print(
            f"{name}: {medians[name]:.0f} ms ({min(wall):.0f}–{max(wall):.0f}),"
            f" {statistics.median(processor):.0f} ms of this process, {sizes[name] / 1_000:.0f} kB"
        )
    return medians
