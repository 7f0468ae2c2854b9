"""Dead letters by cause: letters that one correction puts right, as one row in words.

The database groups them: a page of causes takes the same four statements for any number of letters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import (
    Case,
    Count,
    F,
    Func,
    Max,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    TextField,
    Value,
    When,
)
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import MD5, Concat
from django.utils import timezone

from streaming.core.letter_words import letter_sentence, period
from streaming.dead_letters.replay import ended_replays
from streaming.models import ActionOutcome, DeadLetter, DeadLetterAction, LetterKind, LetterStatus

OPEN = Q(status__in=[LetterStatus.NEW, LetterStatus.REPLAYING])
"""The letters that someone still has to see to, or whose replay is on its way."""

LARGE = ("args", "kwargs", "traceback", "body")
"""The columns that no list of letters needs."""

_SUBSCRIBER = Case(
    When(kind=LetterKind.DELIVERY, then=KeyTextTransform("0", "args")),
    default=Value(""),
    output_field=TextField(),
)
"""The subscriber that a delivery was to; empty for other letters."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Letters of one cause.

    Attributes:
        key: identifies the cause, for `of_cause`.
        sentence: what failed.
        newest: the letter of it that was seen last.
        letters: how many there are.
        times: how often it happened.
        new, replaying: how many of the letters have these statuses.
        last_replay: the replay of one of them that ended last; None where none has.
    """

    key: str
    sentence: str
    newest: DeadLetter
    letters: int
    times: int
    first_seen: datetime
    last_seen: datetime
    new: int
    replaying: int
    last_replay: DeadLetterAction | None

    @property
    def happened(self) -> str:
        """The number of failures: "9 times in 2 letters"."""
        times = "Once" if self.times == 1 else f"{self.times:,} times"
        return times if self.letters == 1 else f"{times} in {self.letters:,} letters"

    @property
    def seen(self) -> str:
        """The time from the first failure to the last."""
        return period(self.first_seen, self.last_seen, timezone.now())

    @property
    def replay_error(self) -> str:
        """The error of the last replay, if it is another one than the letter's own."""
        own = f"{self.newest.exception}: {self.newest.message}"
        error = self.last_replay.error if self.last_replay else ""
        return "" if own.startswith(error) else error

    @property
    def has_failed_again(self) -> bool:
        """Return True if the last replay that ended did not succeed."""
        return self.last_replay is not None and (
            self.last_replay.outcome != ActionOutcome.SUCCEEDED
        )


def with_cause(letters: QuerySet[DeadLetter]) -> QuerySet[Any]:
    """Return the letters with `cause`, a hash of what they have in common.

    That is the fingerprint (kind, task, exception and place), the provider and its feed. Of an
    answer that could not be read it is also the message, which names the field, without numbers;
    of a delivery, the subscriber.
    """
    message = Func(
        F("message"), Value(r"\d+"), Value("#"), Value("g"), function="regexp_replace",
        output_field=TextField(),
    )  # fmt: skip
    about = Case(
        When(kind=LetterKind.PAYLOAD, then=message), default=_SUBSCRIBER, output_field=TextField()
    )
    separator = Value("\x1f")
    parts = (F("fingerprint"), separator, F("provider"), separator, F("feed"), separator, about)
    return letters.annotate(cause=MD5(Concat(*parts, output_field=TextField())))


def of_cause(key: str) -> QuerySet[DeadLetter]:
    """Return the letters of a cause.

    They can be locked: their ids are selected by a query of its own.
    """
    ids: Any = with_cause(DeadLetter.objects.order_by()).filter(cause=key).values("pk")
    found: QuerySet[DeadLetter] = DeadLetter.objects.filter(pk__in=ids)
    return found


def grouped(letters: QuerySet[DeadLetter]) -> QuerySet[Any]:
    """Return one row of figures for each cause, the one seen last first."""
    last_replay = ended_replays(OuterRef("pk")).values("pk")[:1]
    rows = with_cause(letters.order_by()).annotate(replay=Subquery(last_replay))
    found: QuerySet[Any] = (
        rows.values("cause")
        .annotate(
            letters=Count("pk"),
            times=Sum("count"),
            first=Min("first_seen"),
            last=Max("last_seen"),
            new=Count("pk", filter=Q(status=LetterStatus.NEW)),
            replaying=Count("pk", filter=Q(status=LetterStatus.REPLAYING)),
            newest=ArrayAgg("pk", order_by=("-last_seen", "-id")),
            last_replay=Max("replay"),
        )
        .order_by("-last", "cause")
    )
    return found


def in_words(rows: Sequence[Mapping[str, Any]]) -> list[Cause]:
    """Return rows of `grouped` as causes, each with its newest letter and its last replay."""
    letters = with_subscriber(DeadLetter.objects.defer(*LARGE)).in_bulk(
        [row["newest"][0] for row in rows]
    )
    replays = DeadLetterAction.objects.in_bulk([row["last_replay"] for row in rows])
    # A letter may be evicted between the two statements.
    return [
        _cause(row, letters[row["newest"][0]], replays.get(row["last_replay"]))
        for row in rows
        if row["newest"][0] in letters
    ]


def with_subscriber(letters: QuerySet[DeadLetter]) -> QuerySet[Any]:
    """Return the letters with `subscriber`, which `sentence` needs."""
    return letters.annotate(subscriber=_SUBSCRIBER)


def sentence(letter: Any) -> str:
    """Return what failed, in words.

    Args:
        letter: a row of `with_subscriber`.
    """
    about = (letter.subscriber, "") if letter.subscriber else (letter.provider, letter.feed)
    return letter_sentence(letter.kind, letter.task, letter.exception, letter.message, about)


def _cause(row: Mapping[str, Any], newest: DeadLetter, replay: DeadLetterAction | None) -> Cause:
    return Cause(
        key=row["cause"],
        sentence=sentence(newest),
        newest=newest,
        letters=row["letters"],
        times=row["times"],
        first_seen=row["first"],
        last_seen=row["last"],
        new=row["new"],
        replaying=row["replaying"],
        last_replay=replay,
    )
