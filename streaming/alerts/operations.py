"""The changes of health, and the causes of dead letters, that an operator has not been sent."""

from __future__ import annotations

from datetime import datetime

from betting.config import get_config
from streaming.alerts import texts
from streaming.core.alerts import CheckState, Sent, changed_checks, is_cause_due
from streaming.core.redaction import scrub_text
from streaming.core.texts import one_line
from streaming.dead_letters import causes
from streaming.models import (
    Alert,
    AlertSubscriber,
    AlertTopic,
    DeadLetter,
    HealthSnapshot,
    LetterKind,
    LetterStatus,
)

TEXT_CHARS = 500
MAX_CAUSES = 50
"""The most causes that one look sends; the next look sends the others."""


def health_alerts(subscriber: AlertSubscriber, now: datetime) -> list[Alert]:
    """Return an alert, not yet saved, for each check whose new status has settled.

    A snapshot that is too old to be trusted tells nothing: nobody takes snapshots.
    """
    newest = HealthSnapshot.objects.order_by("-id").values_list("checks", "taken_at").first()
    if newest is None:
        return []
    checks, taken_at = newest
    if (now - taken_at).total_seconds() > get_config().health.trusted_seconds:
        return []
    states = [
        CheckState(name, check["status"], datetime.fromisoformat(check["since"]), check["output"])
        for name, check in checks.items()
        if check.get("since")
    ]
    return [
        _alert(
            subscriber,
            AlertTopic.HEALTH,
            check.name,
            check.status,
            check.since,
            texts.check_changed(check.name, check.status, check.since, check.output),
        )
        for check in changed_checks(states, _sent(subscriber, AlertTopic.HEALTH), taken_at, now)
    ]


def letter_alerts(subscriber: AlertSubscriber, now: datetime) -> list[Alert]:
    """Return an alert, not yet saved, for each cause of new dead letters that is due.

    Deliveries are left out: an alert about one could be the next to fail, and so on for ever. So
    are letters from before the subscriber.
    """
    letters = DeadLetter.objects.filter(
        status=LetterStatus.NEW, last_seen__gte=subscriber.created_at
    ).exclude(kind=LetterKind.DELIVERY)
    sent = _sent(subscriber, AlertTopic.LETTERS)
    due = [
        row
        for row in causes.grouped(letters)
        if is_cause_due(row["last"], sent.get(row["cause"]), now)
    ]
    # Those that were never sent come first, and then the one that has waited longest.
    due.sort(key=lambda row: (row["cause"] in sent, row["cause"] in sent and sent[row["cause"]].at))
    return [
        _alert(
            subscriber,
            AlertTopic.LETTERS,
            cause.key,
            str(cause.times),
            cause.last_seen,
            texts.letters_added(cause.sentence, cause.happened, is_first=cause.key not in sent),
        )
        for cause in causes.in_words(due[:MAX_CAUSES])
    ]


def _alert(
    subscriber: AlertSubscriber,
    topic: AlertTopic,
    about: str,
    state: str,
    happened_at: datetime,
    text: str,
) -> Alert:
    return Alert(
        subscriber=subscriber,
        topic=topic,
        about=about,
        state=state,
        happened_at=happened_at,
        text=one_line(scrub_text(text), TEXT_CHARS),
    )


def _sent(subscriber: AlertSubscriber, topic: AlertTopic) -> dict[str, Sent]:
    """Return the newest alert on each check, or on each cause."""
    rows = (
        Alert.objects.filter(subscriber=subscriber, topic=topic)
        .order_by("about", "-id")
        .distinct("about")
        .values_list("about", "state", "happened_at", "claimed_at")
    )
    return {about: Sent(state, happened_at, at) for about, state, happened_at, at in rows}
