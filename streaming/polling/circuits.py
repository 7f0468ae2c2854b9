"""The circuits in the database: correct with any number of workers and beats.

`streaming.core.breaker` decides; this module reads and writes its decisions. No transaction and no
lock is held while a provider is being asked. The one probe of a half-open circuit is claimed by a
conditional update, under a lease: if the process that claimed it dies, the probe can be claimed
again once the lease ends, or at once by the provider's next poll, of which there is one at a time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Greatest, Least

from betting.config import Config
from betting.db.compiled import Compiled, is_among_ids
from betting.models import Provider
from streaming.core import breaker as core
from streaming.core.breaker import BreakerPolicy, CallOutcome, Command, Decision
from streaming.core.notifications import CircuitClosed, CircuitOpened
from streaming.core.texts import one_line
from streaming.models import Circuit, CircuitState
from streaming.notifications import bus
from streaming.polling import feed_circuits, transitions

Now = Callable[[], datetime]
"""A function that returns the current time."""

_STATE_FIELDS = tuple(each.name for each in fields(core.Breaker))
_COLUMNS = [each.attname for each in Circuit._meta.concrete_fields]  # noqa: SLF001 - Django's documented name
_POLICY_FIELDS = tuple(each.name for each in fields(BreakerPolicy) if each.name in _COLUMNS)
_NEEDED = {"id", "provider_id", "version", *_STATE_FIELDS, *_POLICY_FIELDS}
_READ = [column for column in _COLUMNS if column in _NEEDED]  # in the order that `from_db` expects
_READ_OF_PROVIDER = ("id", "key", "generation")

INGEST_SECONDS = 10.0
"""The time that ingesting an answer may take, beyond its request's own deadline."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The permission to make one call to a provider.

    Attributes:
        provider_id: the provider to call.
        generation: the provider's generation at the time; an answer has no effect in a later one.
        probe: the number of the probe that the call is; None for an ordinary call.
        seen: the circuit that admitted the call, and its policy; None for a probe.
    """

    provider_id: int
    generation: int
    probe: int | None = None
    seen: tuple[core.Breaker, BreakerPolicy] | None = field(default=None, compare=False, repr=False)

    def is_news(self, call: CallOutcome, now: datetime) -> bool:
        """Return True unless the call is one more success that leaves its circuit as it was.

        (It would have ended a row of failures that began meanwhile; but which of two calls at the
        same time was the later one cannot be known.)
        """
        if self.seen is None or call.kind is not None:
            return True
        circuit, policy = self.seen
        return core.record(circuit, policy, call, now) != circuit


def admit(
    provider_id: int, config: Config, now: datetime, *, may_probe: bool = True
) -> Admission | Decision:
    """Ask for the permission to call a provider; a refusal says why, and until when.

    If the circuit refuses, the provider's next poll is moved up to when asking again may help. A
    provider that has merely asked for a pause is polled no sooner than usual.

    Args:
        provider_id: the provider.
        config: the thresholds.
        now: the current time.
        may_probe: whether the call may be the probe of a circuit that waits for one.
    """
    row = _row(provider_id)
    circuit, policy = _state(row), policy_of(row, config)
    admission = Admission(provider_id, row.provider.generation, seen=(circuit, policy))
    decision = core.decide(circuit, now)
    if decision.verdict == "pass" or not config.circuits_enabled:
        return admission
    if decision.verdict == "probe" and not may_probe:
        return Decision("refuse", reason="A poll for odds probes the circuit first.")
    if decision.verdict == "probe":
        claimed = core.claim(circuit, policy, now)
        if _claim(row, circuit, claimed, now):
            return replace(admission, probe=claimed.probe, seen=None)
        decision = Decision("refuse", reason="Another worker has claimed the probe.")
    if decision.until is not None and circuit.state != "closed":
        soon = Least(F("next_poll_at"), Value(decision.until))
        Provider.objects.filter(pk=provider_id).update(next_poll_at=soon)
    return decision


def record(admission: Admission, call: CallOutcome, config: Config, now: datetime) -> core.Breaker:
    """Count an admitted call, and change the circuit if the call calls for it.

    A circuit that opens raises its provider's generation in the same transaction, so that from
    its commit on no answer to an earlier admission is trusted. The next poll is due when the
    circuit can use one, and not before a pause is over.

    Returns:
        The circuit after the call.
    """
    if admission.seen is not None and not admission.is_news(call, now):
        return admission.seen[0]
    chance = random.random()  # noqa: S311 - spreads retries, guards nothing
    with transaction.atomic():
        row = _locked(admission.provider_id)
        # Read after the lock: the transaction that held the row may have raised the generation.
        providers = Provider.objects.filter(pk=admission.provider_id)
        generation = providers.values_list("generation", flat=True).get()
        before = _state(row)
        after = core.record(
            before,
            policy_of(row, config),
            call,
            now,
            chance=chance,
            is_acting=config.circuits_enabled,
            is_late=admission.generation != generation,
        )
        if after == before:
            return after
        _save(row, after, now, dedupe=timedelta(milliseconds=config.poll.dedupe_ms))
        if config.circuits_enabled:
            _put_off_poll(row, before, after)
    _tell(row.provider.key, before, after, now)
    return after


def release(admission: Admission) -> None:
    """Return an admission whose call was not made or does not count; its probe is free again."""
    if admission.probe is None:
        return
    with transaction.atomic():
        row = _locked(admission.provider_id)
        _write(row, core.release(_state(row), admission.probe))


def release_abandoned(provider_id: int) -> None:
    """Free the probe that a poll which died had claimed.

    Called by a poll that holds its provider's lock: no other poll can be probing.
    """
    held = Circuit.objects.filter(
        provider_id=provider_id, state=CircuitState.HALF_OPEN, probe_until__isnull=False
    )
    held.update(probe_until=None, version=F("version") + 1)


def give_command(
    provider: Provider, command: Command, reason: str, actor: str, now: datetime
) -> core.Breaker:
    """Carry out an operator's command, and record who gave it and why.

    A command that lets calls pass resets the circuits of the provider's feeds too.

    Raises:
        ValueError: no reason is given.
    """
    reason = one_line(reason, transitions.MAX_CHARS)
    if not reason:
        raise ValueError("Enter a reason.")
    _row(provider.pk)
    with transaction.atomic():
        row = _locked(provider.pk)
        before = _state(row)
        after = core.with_command(before, command, reason, now)
        _save(row, after, now, actor=actor, is_commanded=True)
        if command == "reset":
            Circuit.objects.filter(pk=row.pk).update(call_history=None)
    _tell(provider.key, before, after, now)
    if command in {"close", "reset", "disable"}:
        feed_circuits.reset(provider, reason, actor, now)
        Provider.objects.filter(pk=provider.pk).update(next_poll_at=now)
    return after


def unhealthy_circuits(config: Config) -> QuerySet[Circuit]:
    """Return the circuits that have opened and not closed again: `Breaker.is_healthy` as SQL."""
    if not config.circuits_enabled:
        return Circuit.objects.none()
    opened = Q(mode="forced_open") | Q(mode="automatic") & ~Q(state="closed")
    return Circuit.objects.filter(opened)


def unhealthy_providers(config: Config) -> frozenset[str]:
    """Return the keys of the providers whose circuit has opened and not closed again."""
    return frozenset(unhealthy_circuits(config).values_list("provider__key", flat=True))


def policy_of(row: Circuit, config: Config) -> BreakerPolicy:
    """Return the policy of a circuit: the configured one, with the overrides of its row."""
    own = {name: getattr(row, name) for name in _POLICY_FIELDS}
    own["backoff_seconds"] = row.backoff_seconds and tuple(row.backoff_seconds)
    policy = replace(config.circuit, **{k: v for k, v in own.items() if v is not None})
    # The lease outlasts the probe: a request and the ingest of its answer.
    longest = config.fetch.total_timeout_seconds + INGEST_SECONDS
    return replace(policy, probe_lease_seconds=max(policy.probe_lease_seconds, longest))


def _tell(provider: str, before: core.Breaker, after: core.Breaker, now: datetime) -> None:
    """Notify subscribers of an outage's beginning and end, but of none of the probes in between."""
    if before.is_healthy == after.is_healthy:
        return
    if after.is_healthy:
        bus.announce(
            CircuitClosed(id=uuid4(), occurred_at=now, provider=provider, reason=after.reason)
        )
    else:
        bus.announce(
            CircuitOpened(
                id=uuid4(),
                occurred_at=now,
                provider=provider,
                reason=after.reason,
                retry_at=after.retry_at,
            )
        )


def _row(provider_id: int) -> Circuit:
    """Read the circuit of a provider, before each of its calls; make it before the first."""
    for values in _known().rows([provider_id]):
        of_circuit, of_provider = values[: len(_READ)], values[len(_READ) :]
        row = Circuit.from_db(DEFAULT_DB_ALIAS, _READ, of_circuit)
        row.provider = Provider.from_db(DEFAULT_DB_ALIAS, _READ_OF_PROVIDER, of_provider)
        return row
    return _rows().get_or_create(provider_id=provider_id)[0]


@cache
def _known() -> Compiled:
    of_provider = (f"provider__{name}" for name in _READ_OF_PROVIDER)
    circuits = Circuit.objects.filter(is_among_ids("provider_id"))
    return Compiled(circuits.values_list(*_READ, *of_provider))


def _locked(provider_id: int) -> Circuit:
    """Lock the circuit's row for a few statements, never for a call, and return it as it is now."""
    rows = _rows().select_for_update(of=("self",), no_key=True)
    return rows.get(provider_id=provider_id)


def _rows() -> QuerySet[Circuit]:
    rows = Circuit.objects.select_related("provider")
    return rows.only(*_READ, *(f"provider__{name}" for name in _READ_OF_PROVIDER))


def _state(row: Circuit) -> core.Breaker:
    return core.Breaker(**{name: getattr(row, name) for name in _STATE_FIELDS})


def _claim(row: Circuit, before: core.Breaker, claimed: core.Breaker, now: datetime) -> bool:
    """Write a claimed probe, unless the circuit has changed since it was read; True if written."""
    with transaction.atomic():
        if not _write(row, claimed):
            return False
        if before.state != claimed.state:
            words = "Time to probe." if before.state == "open" else claimed.reason
            transitions.record(row.provider, before, replace(claimed, reason=words), now)
    return True


def _save(
    row: Circuit,
    after: core.Breaker,
    now: datetime,
    actor: str = "",
    *,
    is_commanded: bool = False,
    dedupe: timedelta = timedelta(0),
) -> None:
    before = _state(row)
    _write(row, after)
    has_opened = after.is_refusing and not before.is_refusing
    if is_commanded or (before.state, before.mode) != (after.state, after.mode):
        transitions.record(row.provider, before, after, now, actor)
    if has_opened:
        Provider.objects.filter(pk=row.provider_id).update(generation=F("generation") + 1)
    if has_opened and after.retry_at is not None:
        Provider.objects.filter(pk=row.provider_id).update(next_poll_at=after.retry_at)
    elif after.state == "half_open" and after.successes > before.successes:
        # Due as soon as the dedupe window lets the same request pass again.
        Provider.objects.filter(pk=row.provider_id).update(next_poll_at=now + dedupe)


def _put_off_poll(row: Circuit, before: core.Breaker, after: core.Breaker) -> None:
    """Move the next poll to the end of a pause that was just asked for, to avoid refused polls."""
    is_news = after.pause_until is not None and after.pause_until != before.pause_until
    if is_news and after.is_automatic:
        late = Greatest(F("next_poll_at"), Value(after.pause_until))
        Provider.objects.filter(pk=row.provider_id).update(next_poll_at=late)


def _write(row: Circuit, after: core.Breaker) -> bool:
    """Write a circuit over the version that was read; return False if it has changed since."""
    if after == _state(row):
        return True
    values: dict[str, Any] = {name: getattr(after, name) for name in _STATE_FIELDS}
    values |= {name: values[name][: transitions.MAX_CHARS] for name in ("reason", "advice")}
    known = Circuit.objects.filter(pk=row.pk, version=row.version)
    return bool(known.update(**values, version=F("version") + 1))
