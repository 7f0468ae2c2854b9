"""Replay of recordings into the pipeline, as if their providers were being polled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from betting.config import Config
from betting.db.outages import OUTAGES
from betting.logs import note, operation
from betting.models import Clock, Provider
from streaming.ingest.ingest import IngestResult
from streaming.polling.feed_circuits import FeedCircuits
from streaming.polling.request import PollSession, make_request, recorded_answer
from streaming.providers.recording.adapter import Record, Recording, merged, survey
from streaming.providers.registry import ADAPTERS, adapter
from streaming.tasks import send_result


class ReplayError(Exception):
    """A recording cannot be played; the message says why."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The times at which recorded answers are due.

    Attributes:
        speed: recorded seconds per second; infinite for as fast as can be.
        first_at: when the first answer was received.
        started_at: when the replay began, on the monotonic clock.
    """

    speed: float
    first_at: datetime
    started_at: float

    def wait_seconds(self, received_at: datetime, now: float) -> float:
        """Return the seconds until an answer is due, on the monotonic clock; negative when late.

        >>> pace = Pace(speed=60, first_at=datetime(2026, 1, 1, 18, 0), started_at=100.0)
        >>> pace.wait_seconds(datetime(2026, 1, 1, 18, 5), now=102.0)
        3.0
        """
        recorded_seconds = (received_at - self.first_at).total_seconds()
        return self.started_at + recorded_seconds / self.speed - now


@dataclass(frozen=True, slots=True)
class Recordings:
    """Recordings that have been read through once.

    Attributes:
        files: each of them.
        responses: answers in all of them, or as many of the first as are wanted.
        first_at: when the first of those was received.
    """

    files: Sequence[Recording]
    responses: int
    first_at: datetime

    def records(self) -> Iterator[Record]:
        """Return the answers of all files, in the order received, as many as are wanted.

        Raises:
            ProviderFailure: a file has changed since.
        """
        return islice(merged(self.files), self.responses)

    def first(self, responses: int) -> Recordings:
        """Return the recordings with no more than so many answers."""
        return replace(self, responses=min(responses, self.responses))

    @property
    def lines_left_out(self) -> int:
        """The number of lines that are not played."""
        return sum(each.count for file in self.files for each in file.left_out)

    def warnings(self) -> list[str]:
        """Return what is left out, a sentence for each file and reason."""
        return [warning for file in self.files for warning in file.warnings()]


def inspect(paths: Sequence[Path]) -> Recordings:
    """Read recordings through, so that a fault in one shows before anything has started.

    Raises:
        ProviderFailure: a file that cannot be read, or too little of it.
        ReplayError: there is no answer in them.
    """
    files = [survey(path, ADAPTERS) for path in paths]
    starts = [file.first_at for file in files if file.first_at is not None]
    if not starts:
        raise ReplayError("The recordings hold no answers.")
    return Recordings(files, sum(file.responses for file in files), min(starts))


class Player:
    """A player that ingests recorded answers the way a poll ingests live ones.

    Args:
        config: movement and coalescing policies.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._sessions: dict[str, PollSession] = {}

    def play(self, record: Record) -> None:
        """Ingest one answer, leaving a `PollRun` row, and send on what it changed.

        Raises:
            ReplayError: a live provider has the recording's name.
        """
        if record.provider not in self._sessions:
            source = adapter(record.provider)
            provider = recorded_provider(record)
            feeds = FeedCircuits(provider, self._config)
            self._sessions[record.provider] = PollSession(
                provider, source, source.decoder(), recorded_answer, feeds
            )
        session = self._sessions[record.provider]
        with operation("streaming", "cycle", provider_id=session.provider.pk) as op:
            op.begin_trace()
            result = make_request(session, record.request, self._config, lambda: record.received_at)
            if result is None:
                op.status = "skipped"
                return
            op.count(answers=1, markets=len(result.ingested.markets))
            _send(result.ingested)


def _send(result: IngestResult) -> None:
    try:
        send_result(result)
    except OUTAGES as error:
        # The changes are committed: the sweeper has them valued.
        words = f"the replay lost a message, the broker is away: {error}"
        note("streaming", "send", words, status="degraded")


def recorded_provider(record: Record) -> Provider:
    """Return the provider row of a recorded answer; it is created if missing, and never polled.

    Raises:
        ReplayError: there is a live provider of that name, whose quotes a replay would overwrite
            with old ones.
    """
    provider, _ = Provider.objects.get_or_create(
        key=record.provider,
        defaults={
            "adapter": record.provider,
            "base_url": record.request.base_url,
            "clock": Clock.RECORDED,
            "enabled": False,
        },
    )
    if provider.clock != Clock.RECORDED:
        raise ReplayError(
            f"{provider.key} is a live provider here, and the replay would put old prices among"
            " its own: replay in another state directory (HARDLINE_HOME)."
        )
    return provider
