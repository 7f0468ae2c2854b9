"""The circuits of a provider's feeds: one feed that fails takes no other off the board.

What concerns one feed (`streaming.core.failures`) is counted here, by the same machine as the
provider's own circuit. A feed whose circuit opens is left out of polls until its next try, and in
the same transaction its `Feed.generation` falls below its provider's: from that commit on none of
its quotes is trusted, until a complete answer has come.

One poll of a provider is under way at a time, so a feed's probe needs no claim. If a poll has lost
the session that ensures this, both polls' answers are counted one after the other, under the row's
lock.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from betting.config import Config
from betting.models import Feed, Provider
from streaming.core import breaker as core
from streaming.core.breaker import BreakerPolicy, CallOutcome
from streaming.core.texts import one_line
from streaming.models import Circuit, FeedCircuit
from streaming.polling import transitions

MAX_FEED_CHARS = 2_000
_STATE_FIELDS = (
    "state",
    "since",
    "failures",
    "recent",
    "step",
    "retry_at",
    "probe",
    "reason",
    "advice",
)


class FeedCircuits:
    """The circuits of a provider's feeds, read once for a poll.

    While the provider's own circuit is open or being probed, no feed is left out: any answer may
    show that the provider is back, and a feed's failures may have been the provider's.
    """

    def __init__(self, provider: Provider, config: Config) -> None:
        self._provider = provider
        self._policy = policy_of(config)
        own = Circuit.objects.filter(provider=provider).values_list("mode", "state").first()
        mode, state = own or ("automatic", "closed")
        self._is_acting = config.circuits_enabled and mode == "automatic"
        self._leaves_out = self._is_acting and state == "closed"
        rows = FeedCircuit.objects.filter(provider=provider)
        self._states = {row.feed: _state(row) for row in rows}

    def may_ask(self, feed: str, now: datetime) -> bool:
        """Return True unless polls leave the feed out at present."""
        known = self._states.get(feed[:MAX_FEED_CHARS])
        if known is None or not self._leaves_out:
            return True
        return core.decide(known, now).verdict != "refuse"

    def record(self, feed: str, call: CallOutcome, now: datetime) -> bool:
        """Count a call about a feed; one more success of a sound feed costs no statement.

        Returns:
            True when the feed's quotes have to leave the board.
        """
        feed = feed[:MAX_FEED_CHARS]
        # Slowness and requested pauses concern the provider: its own circuit counts them.
        call = replace(call, seconds=0.0, retry_after_seconds=0.0, probe=None)
        known = self._states.get(feed)
        if known is not None and call.kind is None and self._after(known, call, now) == known:
            return False
        with transaction.atomic():
            row = _locked(self._provider.pk, feed)
            before = _state(row)
            after = self._after(before, call, now)
            _write(row, after)
            is_off = after.state == "open" and after != before
            if is_off:
                _distrust(self._provider.pk, feed)
            if after.state != before.state:
                transitions.record(self._provider, before, after, now, feed=feed)
        self._states[feed] = after
        return is_off

    def keep_only(self, feeds: Collection[str]) -> None:
        """Keep one circuit for each feed that the provider's polls ask for, and delete the others.

        A feed whose calls all fail in a way that concerns the provider has nothing counted here:
        only its row shows that it was ever asked for.
        """
        asked = {feed[:MAX_FEED_CHARS] for feed in feeds}
        gone, new = self._states.keys() - asked, asked - self._states.keys()
        if gone:
            FeedCircuit.objects.filter(provider=self._provider, feed__in=gone).delete()
        if new:
            rows = [FeedCircuit(provider=self._provider, feed=feed) for feed in sorted(new)]
            FeedCircuit.objects.bulk_create(rows, ignore_conflicts=True)

    def _after(self, before: core.Breaker, call: CallOutcome, now: datetime) -> core.Breaker:
        chance = random.random()  # noqa: S311 - spreads retries, guards nothing
        if before.state == "open" and self._is_acting:
            before = core.claim(before, self._policy, now)
            call = replace(call, probe=before.probe)
        return core.record(
            before, self._policy, call, now, chance=chance, is_acting=self._is_acting
        )


def policy_of(config: Config) -> BreakerPolicy:
    """Return the policy of a feed: failures in a row open it, one complete answer closes it."""
    in_a_row = config.circuit.open_after_failures
    return replace(
        config.circuit,
        failure_rate=1.0,
        window_calls=in_a_row,
        min_calls=in_a_row,
        close_after_successes=1,
    )


def failed_since(provider_id: int, feed: str) -> datetime | None:
    """Return when the feed began to fail; None when its circuit is closed or unknown."""
    rows = FeedCircuit.objects.filter(provider=provider_id, feed=feed[:MAX_FEED_CHARS])
    return rows.filter(state="open").values_list("since", flat=True).first()


def reset(provider: Provider, reason: str, actor: str, now: datetime, feed: str = "") -> int:
    """Close the circuit of one feed of a provider, or of all, so that the next poll asks for it.

    Its quotes stay quarantined until its next complete answer.

    Returns:
        The number of chosen feeds; 0 if the provider's polls ask for no such feed.

    Raises:
        ValueError: no reason is given.
    """
    reason = one_line(reason, transitions.MAX_CHARS)
    if not reason:
        raise ValueError("Enter a reason.")
    rows = FeedCircuit.objects.filter(provider=provider)
    with transaction.atomic():
        chosen = rows.filter(feed=feed) if feed else rows
        held = list(chosen.select_for_update(no_key=True).order_by("pk"))
        for row in held:
            before = _state(row)
            after = core.with_command(before, "reset", reason, now)
            if before.state == "closed" and not before.failures and not feed:
                continue
            _write(row, after)
            transitions.record(provider, before, after, now, actor, feed=row.feed)
    if held:
        Provider.objects.filter(pk=provider.pk).update(next_poll_at=now)
    return len(held)


def _locked(provider_id: int, feed: str) -> FeedCircuit:
    """Return the feed's circuit as it is now, locked until the transaction ends."""
    rows = FeedCircuit.objects.select_for_update(no_key=True)
    row = rows.filter(provider_id=provider_id, feed=feed).first()
    return row or rows.get_or_create(provider_id=provider_id, feed=feed)[0]


def _state(row: FeedCircuit) -> core.Breaker:
    return core.Breaker(**{name: getattr(row, name) for name in _STATE_FIELDS})


def _write(row: FeedCircuit, after: core.Breaker) -> None:
    values: dict[str, Any] = {name: getattr(after, name) for name in _STATE_FIELDS}
    values |= {name: values[name][: transitions.MAX_CHARS] for name in ("reason", "advice")}
    FeedCircuit.objects.filter(pk=row.pk).update(**values)


def _distrust(provider_id: int, feed: str) -> None:
    """Put a feed below its provider's generation, as if its answers were from before an outage."""
    generation = Provider.objects.values_list("generation", flat=True).get(pk=provider_id)
    feeds = Feed.objects.filter(provider_id=provider_id, key=feed, generation__gte=generation)
    feeds.update(generation=generation - 1)
