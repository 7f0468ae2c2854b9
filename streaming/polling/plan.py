"""The plan of a provider's polls: learnt and stored after each, and acted upon where that is on.

`streaming.core.poll_plan` decides. A tick that claims a provider moves its next poll on by the even
interval, before the poll is made; a plan that acts replaces that time afterwards. So a message that
is lost, a poll that dies or a plan that fails leaves even polls.

Idempotent: a plan is written over the one that was read alone, so a poll is counted once, and of
two at the same time one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.db.models import Exists, OuterRef

from betting.config import Config
from betting.db.outages import OUTAGES
from betting.logs import note
from betting.models import Clock, Provider
from betting.timing import TICK_SECONDS
from streaming.core.poll_credits import Pace, limits_by, most_saved
from streaming.core.poll_memory import ListedEvent, Memory, document_of, memory_of
from streaming.core.poll_plan import PollPlan, PollSeen, after, saved_after
from streaming.core.poll_saving import SavingPolicy
from streaming.core.quota import Allowance
from streaming.core.snapshot import Snapshot
from streaming.ingest.ingest import IngestResult
from streaming.models import Circuit, CircuitState
from streaming.polling.circuits import Now

POLICY = SavingPolicy()

SINGLE_EVENTS = ""
"""The feed that requests for single events are remembered under."""


class Planner:
    """The plan of one provider, for one poll."""

    def __init__(self, provider: Provider, config: Config, begun_at: datetime) -> None:
        self._provider, self._config = provider, config
        self._begun_at = begun_at
        self._answers: dict[str, list[ListedEvent]] = defaultdict(list)
        rows = Circuit.objects.filter(provider=provider).values_list("poll_plan", "poll_memory")
        self._stored: tuple[Any, Any] = rows.first() or (None, None)

    def note(self, snapshot: Snapshot, result: IngestResult) -> None:
        """Note what a complete answer lists, and which of it has moved."""
        if not snapshot.is_complete:
            return
        answers = self._answers[snapshot.feed if snapshot.is_list else SINGLE_EVENTS]
        answers += (
            ListedEvent(event.commence_time.timestamp(), event.external_id in result.moved_events)
            for event in snapshot.events
        )

    def plan(self, allowance: Allowance, *, is_good: bool) -> None:
        """Learn from the poll, and store the plan; where plans act, move the next poll.

        Args:
            allowance: the provider's, as its answers stated it.
            is_good: whether no request failed. After a failure polls stay even: the circuit counts
                how often the provider is asked then.
        """
        if not self._answers:
            return
        try:
            self._plan(allowance, is_good=is_good)
        except OUTAGES:
            raise
        except Exception as error:  # noqa: BLE001 - polls go on without a plan
            words = f"{self._provider.key} is polled at even intervals: no plan could be made"
            note(
                "provider", "pace", words,
                status="degraded", error=error, provider=self._provider.key,
            )  # fmt: skip

    def _plan(self, allowance: Allowance, *, is_good: bool) -> None:
        before, memory = self._known()
        if allowance == Allowance():
            # Not every request said what it cost: what was known before the poll holds.
            of = self._provider
            allowance = Allowance(of.quota_remaining, of.quota_poll_cost, of.quota_resets_at)
        is_acting = self._config.poll.adaptive == "on"
        at, cost, resets_at = self._begun_at.timestamp(), allowance.poll_cost, allowance.resets_at
        pace = self._pace()
        saved, most = 0.0, math.inf
        if is_acting:
            most = most_saved(pace, allowance, self._begun_at)
            saved = min(saved_after(before, at, cost, POLICY, is_acting=is_acting), most)
        poll = PollSeen(
            at=at,
            answers=self._answers,
            limits=limits_by(POLICY, pace, allowance, saved, self._begun_at),
            cost=cost,
            renews_at=None if resets_at is None else resets_at.timestamp(),
            is_acting=is_acting,
            most_saved=most,
        )
        if poll.at <= before.at:
            return
        plan, learnt = after(before, memory, poll, POLICY)
        is_mine = self._store(plan, learnt)
        if is_mine and is_acting and is_good and _pays_for_one(allowance):
            self._move(plan)

    def _known(self) -> tuple[PollPlan, Memory]:
        """Return the plan and the memory that were stored; new ones if they cannot be read."""
        plan, memory = self._stored
        try:
            return PollPlan.of(plan), memory_of(memory)
        except msgspec.ValidationError:
            return PollPlan(), {}

    def _pace(self) -> Pace:
        provider, config = self._provider, self._config.poll
        return Pace(
            usual_seconds=provider.interval_seconds,
            slowest_seconds=config.slowest_interval_seconds,
            shortest_seconds=max(TICK_SECONDS, config.dedupe_ms / 1000),
            stale_after_seconds=provider.stale_after_seconds,
            trust_cap_seconds=self._config.staleness.cap_seconds,
        )

    def _store(self, plan: PollPlan, memory: Memory) -> bool:
        """Write the plan over the one that was read; return False if that has changed since."""
        rows = Circuit.objects.filter(provider=self._provider)
        stored, _ = self._stored
        rows = (
            rows.filter(poll_plan__isnull=True) if stored is None else rows.filter(poll_plan=stored)
        )
        return bool(rows.update(poll_plan=plan.document(), poll_memory=document_of(memory)))

    def _move(self, plan: PollPlan) -> None:
        """Move the next poll, unless anything else has done so since this one was claimed.

        That is a circuit that opened or wants a probe, a pause that the provider asked for, a
        person, or the next claim of a poll that took long: they win. A poll that no tick had
        claimed moves nothing.
        """
        if self._provider.next_poll_at is None:
            return
        next_at = self._begun_at + timedelta(seconds=plan.seconds)
        # As one table with a subquery: of a join, PostgreSQL would look again only at the key once
        # it has waited for a row that somebody else was changing.
        closed = Circuit.objects.filter(provider=OuterRef("pk"), state=CircuitState.CLOSED)
        Provider.objects.filter(
            Exists(closed.exclude(pause_until__gt=next_at)),
            pk=self._provider.pk,
            next_poll_at=self._provider.next_poll_at,
        ).update(next_poll_at=next_at)


def planner_of(provider: Provider, config: Config, now: Now) -> Planner | None:
    """Read the plan of a provider; None where nothing is planned, or a recording is read."""
    if config.poll.adaptive == "off" or provider.clock != Clock.WALL:
        return None
    return Planner(provider, config, now().astimezone(UTC))


def _pays_for_one(allowance: Allowance) -> bool:
    return allowance.remaining is None or allowance.remaining >= (allowance.poll_cost or 0)
