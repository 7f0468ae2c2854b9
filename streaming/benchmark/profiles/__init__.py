"""The profiles of a benchmark: kinds of work, each measured in rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from streaming.benchmark.profiles.burst import run_burst
from streaming.benchmark.profiles.grow import run_grow
from streaming.benchmark.profiles.match_day import run_match_day
from streaming.benchmark.profiles.single import run_major, run_ordinary
from streaming.benchmark.profiles.soak import run_soak
from streaming.benchmark.profiles.unchanged import run_unchanged
from streaming.benchmark.session import Session

RUN: Mapping[str, Callable[[Session], None]] = MappingProxyType(
    {
        "burst": run_burst,
        "ordinary": run_ordinary,
        "major": run_major,
        "unchanged": run_unchanged,
        "grow": run_grow,
        "soak": run_soak,
        "match-day": run_match_day,
    }
)
"""Name → what measures it."""
