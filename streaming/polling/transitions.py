"""The history of circuits, a provider's own and those of its feeds: a row and a line in the log."""

from __future__ import annotations

from datetime import datetime

from betting.log_schema import Facts, Status
from betting.logs import note
from betting.models import Provider
from streaming.core import breaker as core
from streaming.models import CircuitTransition

MAX_CHARS = 500
"""The number of characters kept of a reason, and of an advice."""


def record(
    provider: Provider,
    before: core.Breaker,
    after: core.Breaker,
    now: datetime,
    actor: str = "",
    *,
    feed: str = "",
) -> None:
    """Store a change of a circuit and log it.

    Args:
        provider: the provider of the circuit, or of the circuit's feed.
        before: the circuit until now.
        after: what it has become.
        now: the time of the change.
        actor: the user who gave the command; empty if a call made the change.
        feed: the feed's key; empty for the provider's own circuit.
    """
    CircuitTransition.objects.create(
        provider=provider,
        feed=feed,
        at=now,
        from_state=before.state,
        to_state=after.state,
        mode=after.mode,
        reason=after.reason[:MAX_CHARS],
        advice=after.advice[:MAX_CHARS],
        retry_at=after.retry_at,
        actor=actor,
    )
    facts = Facts(
        provider=provider.key,
        from_state=before.state,
        to_state=after.state,
        reason=after.reason,
        advice=after.advice,
    )
    if feed:
        facts["feed"] = feed
    whose = f"a feed of {provider.key}" if feed else provider.key
    words = f"the circuit of {whose} went from {before.state} to {after.state}"
    note("circuit", "transition", words, status=_status_of(after), **facts)


def _status_of(circuit: core.Breaker) -> Status:
    if circuit.is_refusing:
        return "degraded"
    return "recovering" if circuit.state == "half_open" else "ok"
