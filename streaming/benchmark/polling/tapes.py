"""The true times of changes of recorded streams: each message that moves a price of an event."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from streaming.benchmark.polling.schedule import Fixture, Schedule
from streaming.benchmark.waiting import BenchmarkError
from streaming.providers.recording.adapter import survey
from streaming.providers.registry import ADAPTERS


def recorded(path: Path) -> Schedule:
    """Return a recording of a stream as a schedule.

    Recorded polls would give the times at which changes were seen, not those of the changes. An
    event counts as listed throughout, and its start is that of its first message: what a provider
    knew beforehand.

    Raises:
        ProviderFailure: the recording cannot be read.
        BenchmarkError: it holds complete answers only.
    """
    decoder = ADAPTERS["recording"].decoder()
    times, changes = list[float](), defaultdict[str, list[float]](list)
    starts = dict[str, float]()
    for record in survey(path).records():
        snapshot = decoder.decode(record.request, record.response)
        times.append(snapshot.received_at.timestamp())
        for event in snapshot.events:
            starts.setdefault(event.external_id, event.commence_time.timestamp())
            if event.quotes and not snapshot.is_complete:
                changes[event.external_id].append(times[-1])
    if not changes:
        raise BenchmarkError(f"{path.name} has no changes as they happened: it is of no stream.")
    begin, end = min(times), max(times)
    fixtures = [
        Fixture(0.0, starts[event] - begin, end - begin, np.sort(np.array(at) - begin))
        for event, at in changes.items()
    ]
    return Schedule(path.name, end - begin, fixtures)
