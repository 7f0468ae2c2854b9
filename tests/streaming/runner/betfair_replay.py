"""Replays one of Betfair's recordings into the database, and holds it against its reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from django.db import connection

from betting.config import Config
from betting.models import Event, LineChange, Quote, QuoteStatus
from streaming.models import PollOutcome, PollRun
from streaming.providers.betfair import file as betfair_file
from streaming.runner.replay import Player, Recordings, inspect
from tests.support.betfair_recordings import Best, answers, recording

#: Of every so many answers, one is followed by a look at the database.
LOOKS = 20
#: The messages of so long are one answer.
WINDOW_MS = 60_000


def assert_replay_ends_as_its_reading(config: Config, name: str) -> None:
    """Whatever is offered, at any time, is what the recording says."""
    path = recording(name)
    # Every message, in fewer answers than by default: each is some ten statements.
    with patch.object(betfair_file, "CONFLATION_MS", WINDOW_MS), waiting_for_no_disk():
        recordings, player = inspect([path]), Player(config)
        play_and_compare(recordings, player, answers(path, WINDOW_MS))


@contextmanager
def waiting_for_no_disk() -> Iterator[None]:
    """Ten thousand commits that need not survive the machine."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
        try:
            yield
        finally:
            cursor.execute("RESET synchronous_commit")


def play_and_compare(recordings: Recordings, player: Player, expected: Iterator[Best]) -> None:
    """Replay, and compare on the way and at the end."""
    last, before, changes = Best(), Best(), Counter[str]()
    for number, (record, best) in enumerate(zip(recordings.records(), expected, strict=True)):
        player.play(record)
        changes += kinds(before, best, last)
        last, before = last | best, best
        if number % LOOKS == 0:
            assert quotes(status=QuoteStatus.ACTIVE) == best, f"after answer {number}"
    outcomes = PollRun.objects.values_list("outcome", flat=True)
    assert Counter(outcomes) == {PollOutcome.OK: recordings.responses}
    assert before == {}, "closed"
    assert not Quote.objects.filter(status=QuoteStatus.ACTIVE).exists()
    assert quotes() == last
    assert Counter(LineChange.objects.values_list("kind", flat=True)) == changes
    assert Event.objects.count() == 1


def quotes(**fields: object) -> Best:
    """The database's prices."""
    rows = Quote.objects.filter(**fields).values_list("outcome__name", "side", "price")
    return {(name, side): price for name, side, price in rows}


def kinds(before: Best, now: Best, ever: Best) -> Counter[str]:
    """The changes from one answer to the next, by kind."""
    counts: Counter[str] = Counter()
    for key, price in now.items():
        if key not in ever:
            counts["opened"] += 1
        elif key not in before:
            counts["resumed"] += 1
        elif before[key] != price:
            counts["price"] += 1
    counts["suspended"] += len(before.keys() - now.keys())
    return counts
