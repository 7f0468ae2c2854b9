"""The archive of a seed that failed: all that it takes to understand it, and to play it again."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from streaming.chaos.conduct import Evidence
from streaming.chaos.document import SeedResult


def archive(directory: Path, logs: Path, result: SeedResult, evidence: Evidence | None) -> Path:
    """Write a seed's timeline, differences, rows and logs; return where.

    Args:
        directory: of all archives.
        logs: the run's, which are copied.
        result: of the seed.
        evidence: both sides' rows; None if they were not read.
    """
    at = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    place = directory / f"seed-{result.seed}-{at}"
    place.mkdir(mode=0o700, parents=True)
    _write(place / "result.json", result)
    if evidence is not None:
        _write(place / "stream.json", evidence.stream)
        _write(place / "oracle.json", evidence.oracle)
    shutil.copytree(logs, place / "logs")
    return place


def _write(path: Path, content: msgspec.Struct) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
