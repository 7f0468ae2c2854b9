"""The recovery of the stream, and the letters that its failures have left."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db.models import F

from betting.models import Market
from streaming.chaos.feeds import SPORTS
from streaming.dead_letters.spool import FILE, waiting_in_redis
from streaming.models import DeadLetter, LetterStatus, PollOutcome, PollRun

_OPEN = (LetterStatus.NEW, LetterStatus.REPLAYING)


@dataclass(frozen=True, slots=True)
class Behind:
    """The work that the stream has still to do.

    Attributes:
        markets: those whose valuation is older than their quotes.
        feeds: those that have not answered since.
    """

    markets: int
    feeds: tuple[str, ...]

    @property
    def is_nothing(self) -> bool:
        """True if the stream has recovered."""
        return not (self.markets or self.feeds)

    def __str__(self) -> str:
        """Return it for people.

        >>> str(Behind(3, ("north soccer_epl",)))
        '3 markets unvalued, no answer yet: north soccer_epl'
        """
        silent = f", no answer yet: {', '.join(self.feeds)}" if self.feeds else ""
        return f"{self.markets} markets unvalued{silent}"


def behind(since: datetime) -> Behind:
    """Return which feeds have not answered to a request since then, and what is not valued."""
    runs = PollRun.objects.filter(started_at__gt=since, outcome=PollOutcome.OK)
    answered = set(runs.values_list("provider__key", "feed").distinct())
    silent = [
        f"{provider} {sport}"
        for provider, sports in SPORTS.items()
        for sport in sports
        if not any(key == provider and sport in feed for key, feed in answered)
    ]
    unvalued = Market.objects.exclude(version=F("valued_version")).count()
    return Behind(unvalued, tuple(silent))


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters of a seed.

    Attributes:
        counts: how many by kind, task and status.
        waiting: those that wait for a person, or in the spool, in words.
    """

    counts: Counter[str]
    waiting: tuple[str, ...]


def letters(since: datetime, home: Path) -> Letters:
    """Return the letters of failures since then, and those that are not rows yet."""
    found = DeadLetter.objects.filter(last_seen__gt=since).order_by("id")
    counts = Counter(f"{each.kind} of {each.task}: {each.status}" for each in found)
    waiting = [str(each) for each in found if each.status in _OPEN]
    if in_redis := waiting_in_redis():
        waiting.append(f"{in_redis} letters are spooled in Redis")
    if files := list(home.glob(f"{Path(FILE).stem}.*")):
        waiting.append(f"letters are spooled in {len(files)} files")
    return Letters(counts, tuple(waiting))
