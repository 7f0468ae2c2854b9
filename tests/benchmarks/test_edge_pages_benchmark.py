"""A page of the best of 5,000 open edges through the API, and a walk through all of them."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest
from django.test import Client

from tests.benchmarks.test_board_pages_benchmark import EDGES, reader

pytestmark = [pytest.mark.timeout(600), pytest.mark.django_db(transaction=True)]

__all__ = ["reader"]


@pytest.mark.usefixtures("redis")
def test_a_page_of_the_best_edges(reader: Client, benchmark: Any) -> None:
    """The page that clients ask for; others are printed, as medians of 15 requests."""
    best = "/api/v1/edges/?ordering=-ev"
    addresses = {
        "best 50": best,
        "best 200": f"{best}&page_size=200",
        "newest 50": "/api/v1/edges/",
        "earliest opened 50": "/api/v1/edges/?ordering=opened_at",
        "none of all in play": f"{best}&in_play=true",
        "none of all stale": f"{best}&state=stale",
    }
    for name, address in addresses.items():
        taken = []
        for _ in range(16):
            started = time.perf_counter()
            assert reader.get(address).status_code == 200
            taken.append((time.perf_counter() - started) * 1_000)
        print(f"{name}: {statistics.median(taken[1:]):.0f} ms ({min(taken):.0f}–{max(taken):.0f})")
    started, listed, following = time.perf_counter(), [], f"{best}&page_size=200"
    while following:
        answer = reader.get(following).json()
        listed += [row["id"] for row in answer["results"]]
        following = answer["next"]
    print(f"all pages of 200: {time.perf_counter() - started:.1f} s")
    assert len(listed) == len(set(listed)) == EDGES
    benchmark.pedantic(lambda: reader.get(best), rounds=10)
